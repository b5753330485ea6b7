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
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The algorithms we sign with (RFC 7518 §3.1, RFC 8037 §3.1).
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

// rsaBits is the size of our RSA keys.
const rsaBits = 2048

// member is a key of the ring as it is stored.
type member struct {
	ID        string    `json:"id"` // RFC 7638 thumbprint; kid
	Algorithm string    `json:"alg"`
	State     string    `json:"state"`
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retires   time.Time `json:"retires,omitzero"`  // when a retired key is gone
	Public    []byte    `json:"public"`            // PKIX
	Sealed    []byte    `json:"private,omitempty"` // PKCS #8, sealed; none when retired
}

// The states of a key that is in the ring.
const (
	StateNext    = "next"
	StateActive  = "active"
	StateRetired = "retired"
)

// generate makes a private key for an algorithm.
func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("algorithm %q is none of %s, %s, %s", alg, ES256, RS256, EdDSA)
}

// newMember makes a next key, its private half sealed.
func newMember(alg string, s sealer, now time.Time) (member, error) {
	private, err := generate(alg)
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
	id, err := thumbprint(private.Public())
	if err != nil {
		return member{}, err
	}
	return member{
		ID: id, Algorithm: alg, State: StateNext, Created: now,
		Public: public, Sealed: s.seal(sealName(id), plain),
	}, nil
}

// sealName is the associated data of a private key: table and key ID.
func sealName(id string) string { return table + "/" + id }

// thumbprint is the key's RFC 7638 thumbprint in base64url.
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// key is a member made ready.
type key struct {
	member
	public  crypto.PublicKey
	signer  crypto.Signer // nil when retired
	headers [len(types)]string
}

// types are the token types whose header segments are made once per key: those
// of access tokens (RFC 9068 §2.1) and of ID tokens.
var types = [...]string{"at+jwt", "JWT"}

// open unseals a member's private half and prepares its headers.
func (m member) open(s sealer) (*key, error) {
	public, err := x509.ParsePKIXPublicKey(m.Public)
	if err != nil {
		return nil, fmt.Errorf("opening signing key %s: %w", m.ID, err)
	}
	k := &key{member: m, public: public}
	for i, typ := range types {
		k.headers[i] = header(m.Algorithm, typ, m.ID)
	}
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
		return nil, fmt.Errorf("a %T does not sign", private)
	}
	return signer, nil
}

// retire forgets the private half: until then the key only verifies.
func (m member) retire(until time.Time) member {
	m.State, m.Retires, m.Sealed = StateRetired, until, nil
	return m
}

// sign is the JWS signature over input (RFC 7518 §3.3, §3.4, RFC 8037 §3.1).
//
// ECDSA asks for the deterministic nonce of RFC 6979, which crypto/ecdsa makes
// when it is given no randomness. It costs a fifth less than the hedged one,
// and a virtual machine that is resumed twice from one snapshot does not repeat
// a nonce. What hedging defends against is a fault provoked while the same
// message is signed again, so no message is: each of our tokens has a random
// jti.
func (k *key) sign(input []byte) ([]byte, error) {
	switch k.Algorithm {
	case EdDSA:
		// A copy goes to the interface, so that Sign's own may be on the stack.
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

// verify says whether signature is the key's over input, in the one spelling
// that sign writes.
func (k *key) verify(input, signature []byte) bool {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		der, ok := toDER(signature)
		digest := sha256.Sum256(input)
		return ok && ecdsa.VerifyASN1(public, digest[:], der)
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	}
	return false
}
