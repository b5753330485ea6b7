package wallet

import (
	"bytes"
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

// xrplAlphabet is the base58 alphabet of the ledger.
var xrplAlphabet = base58.NewAlphabet("rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz")

// parseXRPL returns the account ID in a classic address, which is the base58 of a
// zero byte, the ID and a checksum.
func parseXRPL(address string) ([]byte, error) {
	const longest = 35
	if strings.HasPrefix(address, "X") || strings.HasPrefix(address, "T") {
		return nil, errors.New("an X-address contains a tag; send the classic address, which begins with r")
	}
	if len(address) > longest {
		return nil, errors.New("an XRP Ledger address has at most 35 characters")
	}
	raw, err := base58.DecodeAlphabet(address, xrplAlphabet)
	if err != nil || len(raw) != 25 || raw[0] != 0 {
		return nil, errors.New("an XRP Ledger address is base58 and begins with r")
	}
	if !bytes.Equal(raw[21:], doubleSHA256(raw[:21])[:4]) || base58.EncodeAlphabet(raw, xrplAlphabet) != address {
		return nil, errors.New("the checksum is wrong")
	}
	return raw[1:21], nil
}

func doubleSHA256(data []byte) []byte {
	inner := sha256.Sum256(data)
	outer := sha256.Sum256(inner[:])
	return outer[:]
}

// verifyXRPL accepts a signature over the text, and a signed SignIn transaction
// with the text in it.
func verifyXRPL(address, message string, p Proof) error {
	id, err := parseXRPL(address)
	if err != nil {
		return err
	}
	const longest = 144 // hexadecimal digits of a DER signature
	if len(p.Signature) > longest {
		return verifySignIn(id, message, p)
	}
	key, err := hex.DecodeString(p.PublicKey)
	switch {
	case p.PublicKey == "":
		return errors.New("publicKey is missing; the address is a hash of it")
	case err != nil:
		return errors.New("publicKey is not hexadecimal")
	}
	signature, err := hex.DecodeString(p.Signature)
	if err != nil {
		return errors.New("the signature is not hexadecimal")
	}
	return verifyMasterKey(id, key, message, signature)
}

// verifyMasterKey requires the account's master key. A regular key is refused: only
// the ledger knows that it is the account's.
func verifyMasterKey(id, key []byte, message string, signature []byte) error {
	const size, ed25519Prefix = 33, 0xed
	switch {
	case len(key) != size:
		return errors.New("the public key is not 33 bytes, 66 hexadecimal digits")
	case !bytes.Equal(accountID(key), id):
		return errors.New("the public key is not the account's master key")
	case key[0] != ed25519Prefix:
		return verifySecp256k1(key, message, signature)
	}
	if err := checkEd25519(key[1:]); err != nil {
		return err
	}
	return verifyEd25519(key[1:], message, signature)
}

func accountID(key []byte) []byte {
	inner := sha256.Sum256(key)
	h := ripemd160.New()
	h.Write(inner[:])
	return h.Sum(nil)
}

// verifySecp256k1 requires a fully canonical signature: strict DER and the lower of
// the two values of s. The first half of SHA-512 is signed.
func verifySecp256k1(key []byte, message string, signature []byte) error {
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
