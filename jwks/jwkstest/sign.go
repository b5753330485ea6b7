package jwkstest

import (
	"crypto"
	"fmt"
	"slices"
)

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
