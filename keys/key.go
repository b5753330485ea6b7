package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The algorithms of signing keys (RFC 7518 §3.1, RFC 8037 §3.1).
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
	// Ed25519 is the fully specified name of what EdDSA is here (RFC 9864 §2.2).
	Ed25519 = "Ed25519"
)

// supported are the algorithms of new keys.
var supported = []string{ES256, RS256, EdDSA, Ed25519}

// checkAlgorithm refuses an algorithm that no key is made for.
func checkAlgorithm(alg string) error {
	if !slices.Contains(supported, alg) {
		return fmt.Errorf("algorithm %q is none of %s", alg, strings.Join(supported, ", "))
	}
	return nil
}

// rsaBits is the size of RSA keys.
const rsaBits = 2048

// member is a stored key of the ring.
type member struct {
	ID        string    `json:"id"` // RFC 7638 thumbprint; kid
	Algorithm string    `json:"alg"`
	State     string    `json:"state"`
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retires   time.Time `json:"retires,omitzero"`  // when a retired key is removed
	Public    []byte    `json:"public"`            // PKIX
	Sealed    []byte    `json:"private,omitempty"` // PKCS #8, sealed; empty when retired
}

// The states of a key in the ring.
const (
	StateNext    = "next"
	StateActive  = "active"
	StateRetired = "retired"
)

// generate creates a private key for an algorithm.
func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case EdDSA, Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, checkAlgorithm(alg)
}

// generateNamed creates a private key and its ID, which does not begin with a
// hyphen: command lines would take it for a flag.
func generateNamed(alg string) (private crypto.Signer, id string, err error) {
	for err == nil && (id == "" || strings.HasPrefix(id, "-")) {
		if private, err = generate(alg); err == nil {
			id, err = thumbprint(private.Public())
		}
	}
	return private, id, err
}

// newMember creates a next key and seals its private half.
func newMember(alg string, s sealer, now time.Time) (member, error) {
	private, id, err := generateNamed(alg)
	if err != nil {
		return member{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return member{}, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return member{}, err
	}
	return member{
		ID: id, Algorithm: alg, State: StateNext, Created: now,
		Public: public, Sealed: s.seal(sealName(id), plain),
	}, nil
}

// sealName returns the associated data of a private key: table and key ID.
func sealName(id string) string { return table + "/" + id }

// thumbprint returns the key's RFC 7638 thumbprint in base64url.
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// key is an opened member.
type key struct {
	member
	public crypto.PublicKey
	signer crypto.Signer // nil when retired
}

// open parses a member's public half and unseals its private half.
func (m member) open(s sealer) (*key, error) {
	public, err := x509.ParsePKIXPublicKey(m.Public)
	if err != nil {
		return nil, fmt.Errorf("opening signing key %s: %w", m.ID, err)
	}
	k := &key{member: m, public: public}
	if m.State == StateRetired {
		return k, nil
	}
	if k.signer, err = m.unseal(s); err != nil {
		return nil, fmt.Errorf("opening signing key %s: %w", m.ID, err)
	}
	return k, nil
}

func (m member) unseal(s sealer) (crypto.Signer, error) {
	plain, err := s.open(sealName(m.ID), m.Sealed)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", private)
	}
	return signer, nil
}

// retire returns the member without its private half: until then the key only
// verifies.
func (m member) retire(until time.Time) member {
	m.State, m.Retires, m.Sealed = StateRetired, until, nil
	return m
}

// sign returns the JWS signature of input (RFC 7518 §3.3, §3.4, RFC 8037 §3.1).
//
// For ECDSA the nonce is the deterministic one of RFC 6979, which crypto/ecdsa
// computes when it is given no randomness. It costs a fifth less than the hedged
// one, and a virtual machine that is resumed twice from one snapshot does not
// repeat a nonce. Hedging protects against a fault that is provoked while the same
// message is signed again. No message is: each token has a random jti.
func (k *key) sign(input []byte) ([]byte, error) {
	switch k.Algorithm {
	case EdDSA, Ed25519:
		// The interface gets a copy, so that Sign's buffer can be on the stack.
		return k.signer.Sign(rand.Reader, bytes.Clone(input), crypto.Hash(0))
	case RS256:
		digest := sha256.Sum256(input)
		return k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	digest := sha256.Sum256(input)
	der, err := k.signES256(digest[:])
	if err != nil {
		return nil, err
	}
	return fromDER(der)
}

func (k *key) signES256(digest []byte) ([]byte, error) {
	if private, ok := k.signer.(*ecdsa.PrivateKey); ok {
		return private.Sign(nil, digest, crypto.SHA256)
	}
	return k.signer.Sign(rand.Reader, digest, crypto.SHA256)
}

// verify reports whether the key signed input, in the one spelling that sign
// writes.
func (k *key) verify(input, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(input)
		return verifyES256(public, digest[:], signature)
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	}
	return false
}
