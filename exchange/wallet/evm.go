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

// parseEVM takes an address in lower case, upper case, or with the checksum of
// EIP-55, and answers it with the checksum.
func parseEVM(address string) (string, error) {
	digits, prefixed := strings.CutPrefix(address, "0x")
	raw, err := hex.DecodeString(digits)
	if !prefixed || err != nil || len(raw) != 20 {
		return "", errors.New("an EVM address is 0x and 40 hexadecimal digits")
	}
	sum := checksummed(raw)
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && address != sum {
		return "", errors.New("the checksum is wrong (EIP-55)")
	}
	return sum, nil
}

// checksummed is an address as EIP-55 writes it: a letter is a capital where
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

// personal is the hash that a wallet signs for a text (EIP-191, version 0x45).
func personal(message string) []byte {
	return keccak([]byte("\x19Ethereum Signed Message:\n" + strconv.Itoa(len(message)) + message))
}

// universal ends the signatures of contract wallets that are not deployed
// (EIP-6492).
const universal = "6492649264926492649264926492649264926492649264926492649264926492"

func verifyEVM(address, message, signature string) error {
	raw, err := hexadecimal(signature)
	if err != nil {
		return because(ErrSignature, err)
	}
	if strings.HasSuffix(hex.EncodeToString(raw), universal) {
		return because(ErrUndeployed, errors.New("the signature is one of EIP-6492"))
	}
	key, err := recovered(raw, personal(message))
	if err != nil {
		return because(ErrSignature, err)
	}
	if signer := checksummed(keccak(key.SerializeUncompressed()[1:])[12:]); signer != address {
		return because(ErrSignature, errors.New("it is that of "+signer))
	}
	return nil
}

// hexadecimal reads 0x and digits in one case or the other.
func hexadecimal(s string) ([]byte, error) {
	digits, prefixed := strings.CutPrefix(s, "0x")
	raw, err := hex.DecodeString(digits)
	if !prefixed || err != nil || len(raw) == 0 {
		return nil, errors.New("the signature is not 0x and hexadecimal digits")
	}
	return raw, nil
}

// recovered is the key that made a signature: 65 bytes r, s and v, or 64 with
// the parity in the highest bit of s (EIP-2098).
func recovered(raw, hash []byte) (*secp256k1.PublicKey, error) {
	var compact [65]byte // as the library has it: 27 + parity, r, s
	switch copy(compact[1:], raw); len(raw) {
	case 65:
		v := raw[64]
		if v >= 27 {
			v -= 27
		}
		if v > 1 || raw[64] > 28 {
			return nil, errors.New("v is none of 0, 1, 27 and 28")
		}
		compact[0] = 27 + v
	case 64:
		compact[0] = 27 + raw[32]>>7
		compact[33] &= 0x7f
	default:
		return nil, errors.New("the signature is not of 64 or 65 bytes")
	}
	if err := lowS(compact[33:]); err != nil {
		return nil, err
	}
	key, _, err := ecdsa.RecoverCompact(compact[:], hash)
	return key, err
}

// lowS refuses the second spelling that every ECDSA signature has.
func lowS(raw []byte) error {
	var s secp256k1.ModNScalar
	if overflows := s.SetByteSlice(raw); overflows || s.IsOverHalfOrder() {
		return errors.New("s is in the upper half of the order")
	}
	return nil
}
