package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrWrongKEK means that the store is sealed under another key-encryption key than
// the one given. Nothing was changed.
var ErrWrongKEK = errors.New("wrong key-encryption key")

// errSeal means that sealed bytes do not open: they, their name or the key differ.
var errSeal = errors.New("the seal is broken")

// sealer seals by AES-256-GCM. Nonces are random: after 2^32 seals under one key
// the probability that two were equal is still 2^-33. Keys and secrets are a few a
// month; stored responses to requests with an Idempotency-Key are that many after
// 50 days of 1,000 a second, and expire after two.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// seal encrypts plain and authenticates name, so that sealed bytes open only where
// they were stored.
func (s sealer) seal(name string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(name))
}

func (s sealer) open(name string, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errSeal
	}
	return plain, nil
}

// root is the record of the root secret.
type root struct {
	// KEK identifies the key-encryption key, so that a wrong key is not taken for a
	// damaged record. It is 32 bits of a MAC and reveals nothing.
	KEK    string `json:"kek"`
	Sealed []byte `json:"sealed"`
}

// rootName is the associated data of the root secret: table and key.
const rootName = table + "/" + rootKey

// newRoot creates a root secret and seals it under kek.
func newRoot(kek []byte) (root, error) {
	s, err := newSealer(kek)
	if err != nil {
		return root{}, err
	}
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	return root{KEK: fingerprint(kek), Sealed: s.seal(rootName, secret)}, nil
}

// open unseals the root secret. It returns ErrWrongKEK if kek is not the key that
// the record names.
func (r root) open(kek []byte) ([]byte, error) {
	s, err := newSealer(kek)
	if err != nil {
		return nil, err
	}
	secret, err := s.open(rootName, r.Sealed)
	if given := fingerprint(kek); err != nil && given != r.KEK {
		return nil, fmt.Errorf("%w: the store is sealed under key %.16q, the key given is %q", ErrWrongKEK, r.KEK, given)
	}
	return secret, err
}

// fingerprint identifies a key-encryption key without revealing it.
func fingerprint(kek []byte) string {
	mac := hmac.New(sha256.New, kek)
	mac.Write([]byte("cambio key-encryption key"))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// derive returns a 32-byte key for a purpose (RFC 5869).
func derive(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "cambio "+purpose, sha256.Size)
	if err != nil {
		panic(err) // only for lengths over 255 hashes
	}
	return key
}

// kekSize is the length of a key-encryption key: that of an AES-256 key.
const kekSize = 32

// ReadKEK reads a key-encryption key from a file as [ReadSecretFile] does: 32 bytes in
// base64, with or without a line break after them.
func ReadKEK(path string) ([]byte, error) {
	text, err := ReadSecretFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading key-encryption key: %w", err)
	}
	kek, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(kek) != kekSize {
		return nil, fmt.Errorf("reading key-encryption key: %s is not %d bytes in base64", path, kekSize)
	}
	return kek, nil
}

// CreateKEK creates a key-encryption key and writes it to a file as
// [CreateSecretFile] does: of two processes that start at once one creates the
// file, and the other can read it.
func CreateKEK(path string) ([]byte, error) {
	kek := make([]byte, kekSize)
	rand.Read(kek) // never fails
	if err := CreateSecretFile(path, base64.StdEncoding.EncodeToString(kek)+"\n"); err != nil {
		return nil, fmt.Errorf("creating key-encryption key: %w", err)
	}
	return kek, nil
}
