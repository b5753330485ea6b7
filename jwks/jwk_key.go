package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// public reads the parameters of a key. It returns nil, nil if there are none.
func (j *jwk) public(p *parsed) (any, error) {
	switch p.kty {
	case "RSA":
		return j.rsa(p)
	case "EC":
		return j.ec(p)
	case "OKP":
		return j.okp(p)
	}
	return nil, fmt.Errorf("keys of type %s are not supported", quote(p.kty))
}

// rsa reads n and e (RFC 7518 §6.3.1).
func (j *jwk) rsa(p *parsed) (any, error) {
	if !j.has("n") && !j.has("e") {
		return nil, nil
	}
	n, e := new(big.Int).SetBytes(j.bytes("n", p)), new(big.Int).SetBytes(j.bytes("e", p))
	if j.err != nil {
		return nil, j.err
	}
	if !e.IsInt64() || e.Int64() >= 1<<31 {
		return nil, errors.New("RSA key with an e of more than 31 bits")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// ec reads crv, x and y (RFC 7518 §6.2.1).
func (j *jwk) ec(p *parsed) (any, error) {
	if !j.has("x") && !j.has("y") {
		return nil, nil
	}
	curve := curveOf(j.text("crv"))
	if curve == nil {
		return nil, fmt.Errorf("curve %s is not supported", quote(j.text("crv")))
	}
	x, y := j.bytes("x", p), j.bytes("y", p)
	if j.err != nil {
		return nil, j.err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size {
		return nil, fmt.Errorf("coordinates of %d and %d bytes, want %d", len(x), len(y), size)
	}
	point := slices.Concat([]byte{4}, x, y) // uncompressed (SEC 1 §2.3.3)
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("not a point of the curve")
	}
	return pub, nil
}

func curveOf(crv string) elliptic.Curve {
	switch crv {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}

// okp reads crv and x (RFC 8037 §2).
func (j *jwk) okp(p *parsed) (any, error) {
	if !j.has("x") {
		return nil, nil
	}
	if crv := j.text("crv"); crv != "Ed25519" {
		return nil, fmt.Errorf("curve %s is not supported", quote(crv))
	}
	x := j.bytes("x", p)
	return ed25519.PublicKey(x), j.err
}

// chain reads x5c, whose certificates are base64 and not base64url (RFC 7517
// §4.7). Its error is the reason why they do not count.
func (j *jwk) chain() ([]*x509.Certificate, error) {
	if j.empty("x5c") {
		return nil, nil
	}
	encoded, ok := j.asStrings("x5c")
	switch {
	case !ok:
		return nil, errors.New("x5c is not an array of strings")
	case len(encoded) > maxChain:
		return nil, fmt.Errorf("x5c of %d certificates, want at most %d", len(encoded), maxChain)
	}
	var out []*x509.Certificate
	for _, e := range encoded {
		der, err := base64.StdEncoding.DecodeString(e)
		if err != nil {
			return nil, errors.New("x5c is not base64")
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New("x5c has a certificate that cannot be read")
		}
		out = append(out, cert)
	}
	return out, nil
}

// prove finds out whether the certificate is the key's (RFC 7517 §4.7). One that
// is not proves nothing: it is noted, and counts where certificates are required.
func (j *jwk) prove(p *parsed) {
	var leaf []byte
	if p.unproven == nil && len(p.chain) > 0 {
		pub, ok := p.public.(interface{ Equal(crypto.PublicKey) bool })
		if ok && pub.Equal(p.chain[0].PublicKey) {
			p.expires, leaf = p.chain[0].NotAfter, p.chain[0].Raw
		} else {
			p.unproven = errors.New("its certificate is one of another key")
		}
	}
	if p.unproven != nil {
		p.chain = nil
		p.note("its certificates do not count: %v", p.unproven)
	}
	if !j.isHash("x5t#S256", leaf) {
		p.note("its x5t#S256 is not the SHA-256 of its certificate in base64url")
	}
}

// isHash reports whether a member is absent or the SHA-256 of a certificate, or
// at least of some certificate if there is none.
func (j *jwk) isHash(name string, certificate []byte) bool {
	s, ok := j.asString(name)
	switch {
	case j.empty(name):
		return true
	case !ok || !isThumbprint(s):
		return false
	}
	sum := sha256.Sum256(certificate)
	return certificate == nil || s == encode(sum[:])
}
