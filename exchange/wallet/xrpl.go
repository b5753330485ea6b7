package wallet

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/mr-tron/base58"
	//lint:ignore SA1019 addresses of the XRP Ledger are made of it
	"golang.org/x/crypto/ripemd160"
)

// dictionary is the ledger's own order of base58 digits.
var dictionary = base58.NewAlphabet("rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz")

// parseXRPL reads a classic address, base58 of a zero byte, the account's ID
// and a checksum, and answers the ID.
func parseXRPL(address string) ([]byte, error) {
	const longest = 35
	if strings.HasPrefix(address, "X") || strings.HasPrefix(address, "T") {
		return nil, errors.New("an X-address has a tag in it; send the classic address, which begins with r")
	}
	if len(address) > longest {
		return nil, errors.New("an XRP Ledger address has at most 35 characters")
	}
	raw, err := base58.DecodeAlphabet(address, dictionary)
	if err != nil || len(raw) != 25 || raw[0] != 0 {
		return nil, errors.New("an XRP Ledger address is base58 and begins with r")
	}
	if !bytes.Equal(raw[21:], twice(raw[:21])[:4]) || base58.EncodeAlphabet(raw, dictionary) != address {
		return nil, errors.New("the checksum is wrong")
	}
	return raw[1:21], nil
}

func twice(data []byte) []byte {
	once := sha256.Sum256(data)
	again := sha256.Sum256(once[:])
	return again[:]
}

// verifyXRPL wants the account's master key. A regular key, which the ledger
// alone knows to be the account's, is refused.
func verifyXRPL(address, message string, p Proof) error {
	id, err := parseXRPL(address)
	if err != nil {
		return err
	}
	const size = 33
	key, err := hex.DecodeString(p.PublicKey)
	switch {
	case p.PublicKey == "":
		return errors.New("publicKey is missing, of which the address is a hash")
	case err != nil || len(key) != size:
		return errors.New("publicKey is not 66 hexadecimal digits")
	case !bytes.Equal(accountID(key), id):
		return errors.New("publicKey is not the account's master key")
	}
	const longest = 144 // hexadecimal digits of a DER signature
	signature, err := hex.DecodeString(p.Signature)
	if err != nil || len(p.Signature) > longest {
		return errors.New("the signature is not hexadecimal")
	}
	const edwards = 0xed // begins Ed25519 keys
	if key[0] == edwards {
		return verifyEdwards(key[1:], message, signature)
	}
	return verifyKoblitz(key, message, signature)
}

func accountID(key []byte) []byte {
	inner := sha256.Sum256(key)
	h := ripemd160.New()
	h.Write(inner[:])
	return h.Sum(nil)
}

func verifyEdwards(key ed25519.PublicKey, message string, signature []byte) error {
	if err := checkEd25519(key); err != nil {
		return err
	}
	if !ed25519.Verify(key, []byte(message), signature) {
		return errors.New("it does not verify")
	}
	return nil
}

// verifyKoblitz wants a fully canonical signature: strict DER and the lower of
// the two s. What is signed is the first half of SHA-512.
func verifyKoblitz(key []byte, message string, signature []byte) error {
	public, err := secp256k1.ParsePubKey(key)
	if err != nil {
		return err
	}
	parsed, err := ecdsa.ParseDERSignature(signature)
	if err != nil {
		return err
	}
	if s := parsed.S(); s.IsOverHalfOrder() {
		return errors.New("s is in the upper half of the order")
	}
	hash := sha512.Sum512([]byte(message))
	if !parsed.Verify(hash[:32], public) {
		return errors.New("it does not verify")
	}
	return nil
}
