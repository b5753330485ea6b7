package exchange

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Bounds of the keys that sign a client's requests.
const (
	leastSigner = 2048 // bits
	mostSigner  = 8192
	mostSigners = 4
)

// Signers reads SigningKeys. An error says which of them is wrong.
func (k *AuthKeys) Signers() ([]*rsa.PublicKey, error) {
	var keys []*rsa.PublicKey
	rest := []byte(k.SigningKeys)
	for n := 1; strings.TrimSpace(string(rest)) != ""; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("has no PEM block after %d keys", n-1)
		}
		key, err := signer(block)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", n, err)
		}
		for _, other := range keys {
			if other.Equal(key) {
				return nil, fmt.Errorf("key %d is there twice", n)
			}
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("is missing; write the public half of a key that is made with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072")
	case len(keys) > mostSigners:
		return nil, fmt.Errorf("has %d keys; at most %d are live", len(keys), mostSigners)
	}
	return keys, nil
}

func signer(block *pem.Block) (*rsa.PublicKey, error) {
	var parsed any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		if strings.Contains(block.Type, "PRIVATE") {
			return nil, errors.New("is a private key, which is the client's alone; make another, and write its public half")
		}
		return nil, fmt.Errorf("is of type %s; write a PUBLIC KEY", Quote(block.Type))
	}
	if err != nil {
		return nil, errors.New("cannot be read as a public key")
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("is no RSA key, which RSASSA-PSS needs")
	}
	if bits := key.N.BitLen(); bits < leastSigner || bits > mostSigner || key.E != 65537 {
		return nil, fmt.Errorf("has %d bits and exponent %d; want %d to %d bits and 65537", bits, key.E, leastSigner, mostSigner)
	}
	return key, nil
}

// Has says whether a key of an ID is among SigningKeys today.
func (k *AuthKeys) Has(id string) bool {
	keys, err := k.Signers()
	if err != nil {
		return false
	}
	for _, key := range keys {
		if KeyID(key) == id {
			return true
		}
	}
	return false
}

// KeyID is what a public key is called in audit events: the SHA-256 of its
// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in base64url.
func KeyID(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
