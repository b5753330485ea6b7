package wallet

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/mr-tron/base58"
)

// parseSolana returns the key in an address, which is the base58 of an Ed25519 key.
func parseSolana(address string) (ed25519.PublicKey, error) {
	const longest = 44 // base58 digits of 32 bytes
	if len(address) > longest {
		return nil, errors.New("a Solana address has at most 44 characters")
	}
	raw, err := base58.Decode(address)
	if err != nil || len(raw) != ed25519.PublicKeySize || base58.Encode(raw) != address {
		return nil, errors.New("a Solana address is the base58 of 32 bytes")
	}
	return raw, checkEd25519(raw)
}

func verifySolana(address, message string, p Proof) error {
	key, err := parseSolana(address)
	if err != nil {
		return err
	}
	if p.PublicKey != "" && p.PublicKey != address {
		return errors.New("publicKey is not the account's")
	}
	signature, err := solanaSignature(p.Signature)
	if err != nil {
		return err
	}
	return verifyEd25519(key, message, signature)
}

// verifyEd25519 verifies a signature by a key that checkEd25519 has accepted.
func verifyEd25519(key ed25519.PublicKey, message string, signature []byte) error {
	if !ed25519.Verify(key, []byte(message), signature) {
		return errors.New("it does not verify")
	}
	return nil
}

// solanaSignature decodes the base58 of 64 bytes, which wallets send by deep link,
// or their base64, which pages make of the bytes that an adapter returns. The
// padding of the latter distinguishes them.
func solanaSignature(text string) ([]byte, error) {
	const longest = 88 // of both encodings
	if len(text) > longest {
		return nil, errors.New("the signature is too long")
	}
	var raw []byte
	var err error
	if strings.HasSuffix(text, "=") {
		raw, err = base64.StdEncoding.Strict().DecodeString(text)
	} else {
		raw, err = base58.Decode(text)
	}
	if err != nil || len(raw) != ed25519.SignatureSize {
		return nil, errors.New("the signature is neither base58 nor base64 of 64 bytes")
	}
	return raw, nil
}

// weak lists the y coordinates of the points of order 8 or less, little-endian:
// for such a key one signature is valid for many messages.
var weak = [][ed25519.PublicKeySize]byte{
	{},
	{1},
	{
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
}

// checkEd25519 refuses keys of small order, and encodings of a coordinate that is
// not below the size of the field, 2²⁵⁵ − 19 (RFC 8032 §5.1.3). Keys that are not
// points of the curve verify no signature.
func checkEd25519(key ed25519.PublicKey) error {
	y := [ed25519.PublicKeySize]byte(key)
	y[31] &= 0x7f // the sign of x
	for _, w := range weak {
		if y == w {
			return errors.New("the key is of small order")
		}
	}
	high := y[31] == 0x7f && y[0] >= 0xed
	for _, b := range y[1:31] {
		high = high && b == 0xff
	}
	if high {
		return errors.New("the key is not canonical")
	}
	return nil
}
