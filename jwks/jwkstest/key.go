package jwkstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// key is a signing key of one algorithm.
type key struct {
	kid, alg string
	signer   crypto.Signer
}

func newKey(kid, alg string) *key {
	return &key{kid: kid, alg: alg, signer: must(generate(alg))}
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA", "Ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("no algorithm %q", alg)
}

// jwk returns the public key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
func (k *key) jwk() map[string]any {
	jwk := map[string]any{"kid": k.kid, "alg": k.alg, "use": "sig"}
	switch pub := k.signer.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"] = "RSA", encode(pub.N.Bytes())
		jwk["e"] = encode(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(pub.Bytes())
		half := len(point) / 2
		jwk["kty"], jwk["crv"] = "EC", pub.Params().Name
		jwk["x"], jwk["y"] = encode(point[1:1+half]), encode(point[1+half:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(pub)
	}
	return jwk
}

// certificate returns a self-signed PEM certificate of the key, valid around now.
func (k *key) certificate(now time.Time) string {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: k.kid},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, k.signer.Public(), k.signer))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// sign returns the signature of input (RFC 7518 §3).
func sign(alg string, signer crypto.Signer, input []byte) []byte {
	hash := hashOf(alg)
	digest := input
	if hash != 0 {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	if ec, ok := signer.(*ecdsa.PrivateKey); ok {
		return signECDSA(ec, digest)
	}
	var opts crypto.SignerOpts = hash
	if alg[0] == 'P' {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return must(signer.Sign(rand.Reader, digest, opts))
}

// signECDSA returns r and s, each as long as the curve's order (RFC 7518 §3.4).
func signECDSA(key *ecdsa.PrivateKey, digest []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		panic(fmt.Sprintf("jwkstest: %v", err))
	}
	size := (key.Params().N.BitLen() + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

// mac returns the HMAC of input (RFC 7518 §3.2).
func mac(alg string, secret, input []byte) []byte {
	h := hmac.New(hashOf(alg).New, secret)
	h.Write(input)
	return h.Sum(nil)
}

// hashOf returns the hash of an alg, by its last three digits; EdDSA and
// Ed25519 have none.
func hashOf(alg string) crypto.Hash {
	if alg == "Ed25519" {
		return 0
	}
	switch alg[max(0, len(alg)-3):] {
	case "256":
		return crypto.SHA256
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return 0
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// SignOption changes the header of one token.
type SignOption func(header map[string]any)

// WithHeader sets a header parameter; nil removes it.
func WithHeader(name string, value any) SignOption {
	return func(h map[string]any) {
		if value == nil {
			delete(h, name)
			return
		}
		h[name] = value
	}
}

// WithKID sets kid, whichever key signs.
func WithKID(kid string) SignOption { return WithHeader("kid", kid) }

// WithoutKID leaves kid out.
func WithoutKID() SignOption { return WithHeader("kid", nil) }

// WithType sets typ. Default JWT.
func WithType(typ string) SignOption { return WithHeader("typ", typ) }

// Sign signs claims with the newest key of the issuer's algorithm.
func (i *Issuer) Sign(claims map[string]any, opts ...SignOption) string {
	return i.SignWith(i.alg, claims, opts...)
}

// SignWith signs claims with the newest published key of alg. The first use
// of an algorithm makes and publishes a key.
func (i *Issuer) SignWith(alg string, claims map[string]any, opts ...SignOption) string {
	k := i.newest(alg)
	header := map[string]any{"alg": alg, "kid": k.kid, "typ": "JWT"}
	for _, o := range opts {
		o(header)
	}
	return i.signBytes(k, mustJSON(header), mustJSON(claims))
}

// SignBytes signs any header and payload, also invalid JSON, with the newest key
// of the issuer's algorithm.
func (i *Issuer) SignBytes(header, payload []byte) string {
	return i.signBytes(i.newest(i.alg), header, payload)
}

func (i *Issuer) signBytes(k *key, header, payload []byte) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(sign(k.alg, k.signer, []byte(input)))
}

// SignHMAC signs claims with a shared secret (RFC 7518 §3.2), without kid
// unless an option sets one.
func SignHMAC(alg string, secret []byte, claims map[string]any, opts ...SignOption) string {
	header := map[string]any{"alg": alg, "typ": "JWT"}
	for _, o := range opts {
		o(header)
	}
	input := encode(mustJSON(header)) + "." + encode(mustJSON(claims))
	return input + "." + encode(mac(alg, secret, []byte(input)))
}

// KID returns the kid of the key that Sign uses.
func (i *Issuer) KID() string { return i.newest(i.alg).kid }

// PublicKey returns the public half of the key that Sign uses.
func (i *Issuer) PublicKey() crypto.PublicKey { return i.newest(i.alg).signer.Public() }

// Rotate creates and publishes a key that Sign uses from now on; the older ones
// stay published. It returns the new kid.
func (i *Issuer) Rotate() string { return i.add(i.alg).kid }

// Withdraw stops publishing a key and signing with it. Signing with an
// algorithm that has no key left makes a new one.
func (i *Issuer) Withdraw(kid string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.keys)
	i.keys = slices.DeleteFunc(i.keys, func(k *key) bool { return k.kid == kid })
	if len(i.keys) == n {
		panic(fmt.Sprintf("jwkstest: no key %q", kid))
	}
}

func (i *Issuer) newest(alg string) *key {
	i.mu.Lock()
	for _, k := range slices.Backward(i.keys) {
		if k.alg == alg {
			i.mu.Unlock()
			return k
		}
	}
	i.mu.Unlock()
	return i.add(alg)
}

func (i *Issuer) add(alg string) *key {
	i.mu.Lock()
	i.made++
	kid := fmt.Sprintf("key-%d", i.made)
	i.mu.Unlock()
	k := newKey(kid, alg)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, k)
	return k
}
