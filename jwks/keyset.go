package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"filippo.io/edwards25519"
)

// maxTries bounds the keys tried for one token.
const maxTries = 16

// keySet is one version of an issuer's keys. It is immutable and replaced as a
// whole.
type keySet struct {
	fetched  time.Time // start of the fetch that brought it; zero for registered keys
	usable   []*key
	byKID    map[string][]*key
	nameless []*key           // usable ones without kid
	refused  map[string]error // kid → the reason why its key is not used
	infos    []KeyInfo
	// unnamed is set if the operator registered the keys without a kid that the
	// issuer knows: a kid that matches none is ignored.
	unnamed bool
}

// newKeySet returns the set of the parsed keys that the operator's trust admits.
func newKeySet(all []parsed, t *trust, now time.Time) *keySet {
	ks := &keySet{byKID: make(map[string][]*key), refused: make(map[string]error)}
	for _, p := range all {
		if p.refused == nil {
			p.refused = t.admit(&p, now)
		}
		ks.add(p, t)
	}
	return ks
}

func (ks *keySet) add(p parsed, t *trust) {
	info := p.key.info()
	info.Notes = p.notes
	if !t.usableFor(&p.key) {
		// It stays among the keys, so that a token that names it is refused for its alg.
		info.Refused = "none of the accepted algorithms fits it: " + strings.Join(t.accepted, " ")
	}
	if p.refused != nil {
		info.Refused = clip(p.refused.Error())
		ks.refused[p.kid] = errors.New(info.Refused)
	} else {
		k := &p.key
		ks.usable = append(ks.usable, k)
		if k.kid != "" {
			ks.byKID[k.kid] = append(ks.byKID[k.kid], k)
		} else {
			ks.nameless = append(ks.nameless, k)
		}
	}
	ks.infos = append(ks.infos, info)
}

// usableFor reports whether an accepted algorithm fits a key.
func (t *trust) usableFor(k *key) bool {
	fits := func(name string) bool { return algorithms[name].fits(k) }
	return t.accepted == nil || slices.ContainsFunc(t.accepted, fits)
}

// someUsable requires a key that verifies tokens by an accepted algorithm.
func (ks *keySet) someUsable() error {
	switch {
	case slices.ContainsFunc(ks.infos, func(k KeyInfo) bool { return k.Refused == "" }):
		return nil
	case len(ks.infos) == 0:
		return errors.New("the issuer publishes no keys")
	}
	return fmt.Errorf("the issuer publishes no usable key; the first, %s: %s", quote(ks.infos[0].KeyID), ks.infos[0].Refused)
}

// clip shortens text that may repeat what an issuer sent to what fits on a
// line.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// find returns the keys to try for a header.
func (ks *keySet) find(h header, allowMissing bool) ([]*key, error) {
	var keys []*key
	named := ks.byKID[h.kid]
	switch {
	case h.named && len(named) > 0:
		if keys = fitting(h.algorithm, named); len(keys) == 0 {
			return nil, &Error{Kind: AlgorithmNotAccepted, Check: "alg", Want: "one that fits the key " + quote(h.kid), Got: h.alg}
		}
	case h.named && !ks.unnamed && allowMissing && ks.allNameless():
		return tried(h, ks.nameless)
	case h.named && !ks.unnamed:
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: "a key of the issuer", Got: h.kid, Err: ks.refused[h.kid]}
	case !h.named && !ks.unnamed && !allowMissing:
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: "a kid: this issuer's tokens must name their key, unless keys.allowMissingKid is set"}
	default:
		return tried(h, ks.usable)
	}
	return bounded(keys)
}

// allNameless reports whether the issuer publishes no kid at all, so that no fetch
// brings the one that a token names.
func (ks *keySet) allNameless() bool {
	return len(ks.usable) > 0 && len(ks.nameless) == len(ks.usable)
}

// tried returns those of keys that may have signed a token.
func tried(h header, keys []*key) ([]*key, error) {
	if keys = fitting(h.algorithm, keys); len(keys) == 0 {
		return nil, &Error{Kind: KeyNotFound, Check: "alg", Want: "a key that fits", Got: h.alg}
	}
	return bounded(keys)
}

func bounded(keys []*key) ([]*key, error) {
	if len(keys) > maxTries {
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: fmt.Sprintf("at most %d keys to try", maxTries)}
	}
	return keys, nil
}

// fitting returns the keys that fit an algorithm. It copies only if some do
// not, which is rare.
func fitting(a *algorithm, keys []*key) []*key {
	misfit := func(k *key) bool { return !a.fits(k) }
	if slices.ContainsFunc(keys, misfit) {
		return slices.DeleteFunc(slices.Clone(keys), misfit)
	}
	return keys
}

// key is a usable key.
type key struct {
	kid, kty, crv, alg, use string
	public                  crypto.PublicKey // nil for a secret
	pkcs1                   *pkcs1           // of an RSA key; nil in FIPS 140-3 mode
	secret                  []byte           // nil for a public key
	thumbprint              string           // RFC 7638; the ID of a secret
	notBefore, notAfter     time.Time        // of its chain to an anchor; zero if none is required
	expires                 time.Time        // of its certificate, to show
}

// valid reports whether the key's chain to an anchor is valid at now.
func (k *key) valid(now time.Time) bool {
	return k.notAfter.IsZero() || !now.Before(k.notBefore) && !now.After(k.notAfter)
}

func (k *key) info() KeyInfo {
	return KeyInfo{KeyID: k.kid, Thumbprint: k.thumbprint, Type: k.kty, Alg: k.alg, Use: k.use, NotAfter: k.expires}
}

// setPublic makes k the key pub, unless pub is unsound.
func (k *key) setPublic(pub crypto.PublicKey) error {
	var err error
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		k.kty, err = "RSA", checkRSA(pub)
		if err == nil && !fips140.Enabled() { // in FIPS mode, crypto/rsa verifies
			k.pkcs1, err = newPKCS1(pub)
		}
	case *ecdsa.PublicKey:
		k.kty = "EC"
		k.crv, err = curveName(pub)
	case ed25519.PublicKey:
		k.kty, k.crv, err = "OKP", "Ed25519", checkEd25519(pub)
	default:
		err = fmt.Errorf("keys of type %T are not supported", pub)
	}
	if err != nil {
		return err
	}
	k.public = pub
	k.thumbprint, err = thumbprint(pub)
	return err
}

// The bounds of RSA keys, in bits: smaller ones can be factored, and one
// verification with a larger one costs too much.
const (
	minRSA = 2048
	maxRSA = 8192
)

func checkRSA(pub *rsa.PublicKey) error {
	bits := pub.N.BitLen()
	switch {
	case bits < minRSA || bits > maxRSA:
		return fmt.Errorf("RSA key of %d bits, want %d to %d", bits, minRSA, maxRSA)
	case pub.E != publicExponent:
		return fmt.Errorf("RSA key with e = %d, want %d", pub.E, publicExponent)
	case pub.N.Bit(0) == 0:
		return errors.New("RSA key with an even modulus")
	case isROCA(pub.N):
		return errors.New("RSA key of the ROCA family (CVE-2017-15361), which can be factored")
	}
	return nil
}

// isROCA reports whether a modulus has the fingerprint of keys from the library of
// CVE-2017-15361: modulo each small prime, it is a power of 65537. Fewer than one
// in 2²⁷ other moduli have it.
func isROCA(n *big.Int) bool {
	for _, p := range rocaPrimes {
		remainder := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		for power := int64(1); power != remainder; {
			if power = power * publicExponent % p; power == 1 {
				return false
			}
		}
	}
	return true
}

var rocaPrimes = []int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71,
	73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// curveName returns the name of a key's curve (RFC 7518 §6.2.1.1).
func curveName(pub *ecdsa.PublicKey) (string, error) {
	name := pub.Params().Name
	switch name {
	case "P-256", "P-384", "P-521":
		return name, nil
	}
	return "", fmt.Errorf("curve %s is not supported", quote(name))
}

// checkEd25519 refuses encodings that are not canonical or not on the curve (RFC
// 8032 §5.1.3), and points of order 8 or less, for which one signature is valid for
// many messages.
func checkEd25519(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("Ed25519 key of %d bytes, want %d", len(pub), ed25519.PublicKeySize)
	}
	point, err := new(edwards25519.Point).SetBytes(pub)
	switch {
	case err != nil:
		return errors.New("Ed25519 key is not a point of the curve")
	case !bytes.Equal(point.Bytes(), pub):
		return errors.New("Ed25519 key is not canonical")
	case new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1:
		return errors.New("Ed25519 key is of small order")
	}
	return nil
}

// thumbprint returns the JWK thumbprint with SHA-256 (RFC 7638 §3, RFC 8037 §2).
func thumbprint(pub crypto.PublicKey) (string, error) {
	var text string
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(pub.E)).Bytes()
		text = `{"e":"` + encode(e) + `","kty":"RSA","n":"` + encode(pub.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, err := pub.Bytes() // 4, x, y
		if err != nil {
			return "", fmt.Errorf("EC key: %w", err)
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		text = `{"crv":"` + pub.Params().Name + `","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`
	case ed25519.PublicKey:
		text = `{"crv":"Ed25519","kty":"OKP","x":"` + encode(pub) + `"}`
	}
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:]), nil
}

// spkiHash returns the SHA-256 of a key's SubjectPublicKeyInfo (RFC 5280 §4.1).
func spkiHash(pub crypto.PublicKey) ([sha256.Size]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(der), nil
}
