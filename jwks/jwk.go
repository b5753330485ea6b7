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

	"cambio/jwks/strictjson"
)

// The bounds of a key set.
const (
	maxKeys  = 256
	maxChain = 10 // certificates in one x5c
)

// jwkRules refuse case variants of the members of RFC 7517 §4, RFC 7518 §6 and
// RFC 8037 §2. No number counts, so none spoils a key.
var jwkRules = strictjson.Options{
	AllowNUL: true,
	Number:   func(string) (any, error) { return 0, nil },
	Known: strictjson.Known(
		"kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256",
		"n", "e", "crv", "x", "y", "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv",
	),
}

// setRules leave what is in a key to the reader of that key.
var setRules = strictjson.Options{AllowNUL: true, ShallowDuplicates: true, Known: strictjson.Known("keys")}

// privateNames are the members that only private and secret keys have.
var privateNames = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// parsed is one key of a source with its certificates, or the reason why it is
// refused. What is known of a refused key is shown to operators.
type parsed struct {
	key
	chain   []*x509.Certificate
	refused error
}

// parseJWKS reads a JSON Web Key Set (RFC 7517 §5) key by key: a bad or unknown
// key does not spoil the others.
func parseJWKS(data []byte) ([]parsed, error) {
	var out []parsed
	found := false
	r := strictjson.New(string(data), setRules)
	for name := range r.Object() {
		if name != "keys" {
			continue
		}
		found = true
		for i := range r.Array() {
			if i == maxKeys {
				r.Fail(fmt.Errorf("more than %d keys", maxKeys))
				break
			}
			out = append(out, parseJWK(r.Raw()))
		}
	}
	switch err := r.End(); {
	case err != nil:
		return nil, err
	case !found:
		return nil, errors.New("a key set without keys")
	}
	return out, nil
}

// parseJWK reads one public key (RFC 7517 §4).
func parseJWK(text string) parsed {
	r := strictjson.New(text, jwkRules)
	j := jwk{members: r.Map()}
	if err := r.End(); err != nil {
		return parsed{refused: err}
	}
	p := j.describe()
	if p.refused == nil {
		p.refused = j.read(&p)
	}
	return p
}

// jwk is a JSON Web Key whose members are read by name. The first member of a
// wrong type leaves an error, after which nothing that is read counts.
type jwk struct {
	members map[string]any
	err     error
}

func (j *jwk) has(name string) bool {
	_, ok := j.members[name]
	return ok
}

func (j *jwk) fail(format string, args ...any) {
	if j.err == nil {
		j.err = fmt.Errorf(format, args...)
	}
}

// text returns a member that must be a string if it is present.
func (j *jwk) text(name string) string {
	s, ok := j.members[name].(string)
	if !ok && j.has(name) {
		j.fail("%s is not a string", name)
	}
	return s
}

// texts returns a member that must be an array of strings if it is present.
func (j *jwk) texts(name string) []string {
	list, ok := j.members[name].([]any)
	if !ok && j.has(name) {
		j.fail("%s is not an array of strings", name)
	}
	out := make([]string, len(list))
	for i, v := range list {
		if out[i], ok = v.(string); !ok {
			j.fail("%s is not an array of strings", name)
		}
	}
	return out
}

// bytes returns a member that must be base64url (RFC 7518 §6).
func (j *jwk) bytes(name string) []byte {
	s := j.text(name)
	out, err := decode(nil, s)
	if err != nil || s == "" {
		j.fail("%s is not base64url", name)
	}
	return out
}

// describe reads what all keys have and refuses keys that are not for verifying
// by their own account.
func (j *jwk) describe() parsed {
	var p parsed
	p.kty, p.kid, p.alg, p.use = j.text("kty"), j.text("kid"), j.text("alg"), j.text("use")
	ops := j.texts("key_ops")
	switch {
	case j.err != nil:
		p.refused = j.err
	case len(p.kid) > maxKID:
		p.kid, p.refused = p.kid[:maxKID], fmt.Errorf("a kid of more than %d bytes", maxKID)
	case p.kty == "oct":
		p.refused = errors.New("a symmetric key: only registered secrets are accepted")
	case slices.ContainsFunc(privateNames, j.has):
		p.refused = errors.New("it holds a private key, which is no longer private")
	case j.has("use") && p.use != "sig":
		p.refused = fmt.Errorf("its use is %s, want sig", quote(p.use))
	case j.has("key_ops") && !slices.Contains(ops, "verify"):
		p.refused = errors.New("its key_ops do not have verify")
	case j.has("alg") && algorithms[p.alg] == nil:
		p.refused = fmt.Errorf("its alg is %s, which is no known signature algorithm", quote(p.alg))
	}
	return p
}

// read reads the key itself: from its own members, or, if it has none, from its
// certificate. If it has both they must be the same key (RFC 7517 §4.7).
func (j *jwk) read(p *parsed) error {
	var err error
	if p.chain, err = j.chain(); err != nil {
		return err
	}
	pub, err := j.public(p.kty)
	if err != nil {
		return err
	}
	if pub == nil && len(p.chain) == 0 {
		return fmt.Errorf("a key of type %s without its parameters", quote(p.kty))
	}
	stated := p.kty
	if pub == nil {
		pub = p.chain[0].PublicKey
	}
	if err := p.setPublic(pub); err != nil {
		return err
	}
	if p.kty != stated {
		return fmt.Errorf("its kty is %s, and its certificate has an %s key", quote(stated), p.kty)
	}
	if alg := algorithms[p.alg]; alg != nil && !alg.fits(&p.key) {
		return fmt.Errorf("its alg %s does not fit its type", p.alg)
	}
	return j.matches(p)
}

// public reads the parameters of a key. It returns nil, nil if there are none.
func (j *jwk) public(kty string) (any, error) {
	switch kty {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec()
	case "OKP":
		return j.okp()
	}
	return nil, fmt.Errorf("keys of type %s are not supported", quote(kty))
}

// rsa reads n and e (RFC 7518 §6.3.1).
func (j *jwk) rsa() (any, error) {
	if !j.has("n") && !j.has("e") {
		return nil, nil
	}
	n, e := new(big.Int).SetBytes(j.bytes("n")), new(big.Int).SetBytes(j.bytes("e"))
	if j.err != nil {
		return nil, j.err
	}
	if !e.IsInt64() || e.Int64() >= 1<<31 {
		return nil, errors.New("RSA key with an e of more than 31 bits")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// ec reads crv, x and y (RFC 7518 §6.2.1).
func (j *jwk) ec() (any, error) {
	if !j.has("x") && !j.has("y") {
		return nil, nil
	}
	curve := curveOf(j.text("crv"))
	if curve == nil {
		return nil, fmt.Errorf("curve %s is not supported", quote(j.text("crv")))
	}
	x, y := j.bytes("x"), j.bytes("y")
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
func (j *jwk) okp() (any, error) {
	if !j.has("x") {
		return nil, nil
	}
	if crv := j.text("crv"); crv != "Ed25519" {
		return nil, fmt.Errorf("curve %s is not supported", quote(crv))
	}
	x := j.bytes("x")
	return ed25519.PublicKey(x), j.err
}

// chain reads x5c, whose certificates are base64 and not base64url (RFC 7517
// §4.7).
func (j *jwk) chain() ([]*x509.Certificate, error) {
	encoded := j.texts("x5c")
	if len(encoded) > maxChain {
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
	if j.has("x5c") && len(out) == 0 && j.err == nil {
		j.err = errors.New("x5c is empty")
	}
	return out, j.err
}

// matches requires that the certificate is the key's.
func (j *jwk) matches(p *parsed) error {
	if len(p.chain) == 0 {
		return nil
	}
	leaf := p.chain[0]
	p.expires = leaf.NotAfter
	pub, ok := p.public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(leaf.PublicKey) {
		return errors.New("its certificate is one of another key")
	}
	if !j.has("x5t#S256") {
		return nil
	}
	sum := sha256.Sum256(leaf.Raw)
	if j.text("x5t#S256") != encode(sum[:]) {
		return errors.New("its x5t#S256 is that of another certificate")
	}
	return nil
}
