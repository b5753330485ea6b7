package wallet

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	"filippo.io/edwards25519"
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

// verifySolana accepts a signature over the text itself, and one over the text
// with a header for off-chain messages.
func verifySolana(address, message string, p Proof) error {
	key, err := parseSolana(address)
	if err != nil {
		return err
	}
	if p.PublicKey != "" && p.PublicKey != address {
		return errors.New("publicKey is not the account's")
	}
	raw, err := solanaSignature(p.Signature)
	if err != nil {
		return err
	}
	if len(raw) > ed25519.SignatureSize {
		return verifyEnvelope(key, message, raw)
	}
	err = verifyEd25519(key, message, raw)
	for _, text := range offchainMessages(key, message) {
		if err == nil {
			break
		}
		err = verifyEd25519(key, text, raw)
	}
	return err
}

// verifyEd25519 verifies a signature by a key that checkEd25519 has accepted.
func verifyEd25519(key ed25519.PublicKey, message string, signature []byte) error {
	if !ed25519.Verify(key, []byte(message), signature) {
		return errors.New("it does not verify")
	}
	return nil
}

// solanaSignature decodes base58, which wallets send by deep link, or base64,
// which pages make of the bytes that an adapter returns. The padding of the latter
// distinguishes them. The result is a signature or, if it is longer, an envelope.
func solanaSignature(text string) ([]byte, error) {
	const longest = 2 << 10 // characters of an envelope; base58 takes quadratic time
	if len(text) > longest {
		return nil, errors.New("the signature is too long")
	}
	raw, err := base58.Decode(text)
	if strings.HasSuffix(text, "=") || len(text)%4 == 0 && err != nil {
		raw, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(raw) < ed25519.SignatureSize {
		return nil, errors.New("the signature is neither base58 nor base64 of 64 bytes")
	}
	return raw, nil
}

// checkEd25519 refuses keys of small order, for which one signature is valid for
// many messages, and encodings that are not canonical (RFC 8032 §5.1.3). Bytes that
// are not a point of the curve may be an account's address, and verify no signature.
func checkEd25519(key ed25519.PublicKey) error {
	point, err := new(edwards25519.Point).SetBytes(key)
	switch {
	case err != nil:
		return nil
	case !bytes.Equal(point.Bytes(), key):
		return errors.New("the key is not canonical")
	case new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1:
		return errors.New("the key is of small order")
	}
	return nil
}
