package wallet

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"
)

// parseEVM returns an address with the checksum of EIP-55. It accepts the address
// in lower case, in upper case or with that checksum.
func parseEVM(address string) (string, error) {
	raw, ok := decodeHex(address)
	if !ok || len(raw) != 20 {
		return "", errors.New("an EVM address is 0x and 40 hexadecimal digits")
	}
	digits, sum := address[2:], checksummed(raw)
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && address != sum {
		return "", errors.New("the checksum is wrong (EIP-55)")
	}
	return sum, nil
}

// checksummed returns an address in the form of EIP-55: a letter is a capital where
// the hash of the address has a half byte of 8 or more.
func checksummed(raw []byte) string {
	text := []byte(hex.EncodeToString(raw))
	hash := keccak(text)
	for i, c := range text {
		if half := hash[i/2] >> (4 * (1 - i%2)) & 0xf; c >= 'a' && half >= 8 {
			text[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(text)
}

func keccak(data []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(data)
	return h.Sum(nil)
}

// messageHash returns the hash that a wallet signs for a text (EIP-191, version
// 0x45).
func messageHash(message string) []byte {
	return keccak([]byte("\x19Ethereum Signed Message:\n" + strconv.Itoa(len(message)) + message))
}

func verifyEVM(address, message, signature string) error {
	raw, err := parseSignature(signature)
	if err != nil {
		return wrap(ErrSignature, err)
	}
	if _, wrapped := cutSuffix(raw); wrapped {
		return wrap(ErrUndeployed, errors.New("the signature has the suffix of EIP-6492"))
	}
	key, err := recoverKey(raw, messageHash(message))
	if err != nil {
		return wrap(ErrSignature, err)
	}
	if signer := checksummed(keccak(key.SerializeUncompressed()[1:])[12:]); signer != address {
		return wrap(ErrSignature, errors.New("it is the signature of "+signer))
	}
	return nil
}

func parseSignature(s string) ([]byte, error) {
	raw, ok := decodeHex(s)
	if !ok {
		return nil, errors.New("the signature is not 0x and hexadecimal digits")
	}
	return raw, nil
}

// decodeHex decodes 0x and hexadecimal digits of either case.
func decodeHex(s string) ([]byte, bool) {
	digits, prefixed := strings.CutPrefix(s, "0x")
	raw, err := hex.DecodeString(digits)
	return raw, prefixed && err == nil
}

// recoverKey returns the key that made a signature of 65 bytes r, s and v, or of 64
// with the parity in the highest bit of s (EIP-2098).
func recoverKey(raw, hash []byte) (*secp256k1.PublicKey, error) {
	var compact [65]byte // the format of the library: 27 + parity, r, s
	switch copy(compact[1:], raw); len(raw) {
	case 65:
		v := raw[64]
		if v >= 27 {
			v -= 27
		}
		if v > 1 || raw[64] > 28 {
			return nil, errors.New("v must be 0, 1, 27 or 28")
		}
		compact[0] = 27 + v
	case 64:
		compact[0] = 27 + raw[32]>>7
		compact[33] &= 0x7f
	default:
		return nil, errors.New("the signature must have 64 or 65 bytes")
	}
	var s secp256k1.ModNScalar // n-s would be a second spelling of the signature
	if overflows := s.SetByteSlice(compact[33:]); overflows || s.IsOverHalfOrder() {
		return nil, errors.New("s is in the upper half of the order")
	}
	key, _, err := ecdsa.RecoverCompact(compact[:], hash)
	return key, err
}
