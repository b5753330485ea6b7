package exchange

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// AuthKeys configures logins by auth key and how a client signs the requests that
// begin them.
type AuthKeys struct {
	// SigningKeys are 1 to 4 RSA public keys in PEM, one after the other, of 2048
	// bits or more: each request has an RSASSA-PSS signature by one of them.
	// Removing a key invalidates the codes and one-time tokens that its requests
	// led to. Sessions stay active until cambio session revoke --issuer
	// key:<client> --key <ID> revokes them; audit events show the ID, see [KeyID].
	SigningKeys string `json:"signingKeys" yaml:"signingKeys"`
	// Strict refuses requests without a time, or with a time more than 5 minutes
	// ago. Otherwise an intercepted request without a time can be replayed once its
	// signature is no longer remembered, after a day.
	Strict bool `json:"strict,omitempty" yaml:"strict,omitempty"`
}

// Limits of the keys that sign a client's requests.
const (
	minSignerBits = 2048
	maxSignerBits = 8192
	maxSigners    = 4
)

// Signers returns the keys in SigningKeys. An error names the key that is wrong.
func (k *AuthKeys) Signers() ([]*rsa.PublicKey, error) {
	var keys []*rsa.PublicKey
	rest := []byte(k.SigningKeys)
	for n := 1; strings.TrimSpace(string(rest)) != ""; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("has no PEM block after %d keys", n-1)
		}
		key, err := parseSigner(block)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", n, err)
		}
		if slices.ContainsFunc(keys, func(other *rsa.PublicKey) bool { return other.Equal(key) }) {
			return nil, fmt.Errorf("key %d is there twice", n)
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("is missing; write the public half of a key that is made with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072")
	case len(keys) > maxSigners:
		return nil, fmt.Errorf("has %d keys; at most %d are allowed", len(keys), maxSigners)
	}
	return keys, nil
}

func parseSigner(block *pem.Block) (*rsa.PublicKey, error) {
	var parsed any
	var err error
	switch {
	case block.Type == "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("is a private key, which only the client may have; make another, and write its public half")
	default:
		return nil, fmt.Errorf("is of type %s; write a PUBLIC KEY", Quote(block.Type))
	}
	if err != nil {
		return nil, errors.New("cannot be read as a public key")
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("is not an RSA key; RSASSA-PSS needs one")
	}
	if bits := key.N.BitLen(); bits < minSignerBits || bits > maxSignerBits || key.E != 65537 {
		return nil, fmt.Errorf("has %d bits and exponent %d; want %d to %d bits and 65537", bits, key.E, minSignerBits, maxSignerBits)
	}
	return key, nil
}

// Has reports whether the key with an ID is in SigningKeys.
func (k *AuthKeys) Has(id string) bool {
	keys, err := k.Signers()
	return err == nil && slices.ContainsFunc(keys, func(key *rsa.PublicKey) bool { return KeyID(key) == id })
}

// KeyID returns the name of a public key in audit events: the SHA-256 of its
// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in base64url.
func KeyID(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
