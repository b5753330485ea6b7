package jwks

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Source is where an issuer's keys come from. At most one of DiscoveryURL,
// JWKSURL, CertificatesURL, JWKS, PEM, Certificates and Secrets is set; without
// any, it is OpenID Connect Discovery at Issuer.
type Source struct {
	// Issuer equals the issuer member of the discovery document, byte for byte
	// (OpenID Connect Discovery §4.3). For other sources it is for logs only.
	Issuer string
	// DiscoveryURL replaces Issuer + /.well-known/openid-configuration.
	DiscoveryURL string
	JWKSURL      string // of a JSON Web Key Set (RFC 7517 §5)
	// CertificatesURL serves a JSON object of kid → PEM certificate or public
	// key.
	CertificatesURL string
	JWKS            []byte // a JSON Web Key Set; at least one key must be usable
	// PEM holds public keys or certificates, all usable. They have no kid: each
	// is tried for every token whose alg fits.
	PEM []byte
	// Certificates are kid → PEM certificate or public key, all usable.
	// Certificates after the first of a PEM lead from it to an anchor.
	Certificates map[string]string
	// Secrets are shared HMAC secrets, at most two. A token whose kid is the ID
	// of a secret is tried with that secret, any other token with both.
	Secrets []Secret
	// Anchors are PEM certificates. If set, a key counts only with a certificate
	// that chains to one of them, and while that chain is valid.
	Anchors []byte
	// PinnedSPKI are base64 SHA-256 hashes of SubjectPublicKeyInfo. If set, a
	// key counts only if its hash is among them.
	PinnedSPKI []string
	// Uses are values of a key's use that are accepted besides sig (RFC 7517 §4.2),
	// such as the jwt-svid of SPIFFE bundles.
	Uses []string
	// RevokedKeys are the thumbprints (RFC 7638), or IDs of Secrets, of keys that
	// do not count.
	RevokedKeys []string
}

// Secret is an HMAC secret shared with the issuer.
type Secret struct {
	ID    string // in place of a public key's thumbprint
	Value []byte // at least 32 bytes, and as many as the hash has (RFC 7518 §3.2)
}

// The bounds of secrets. Two permit a rotation.
const (
	minSecret  = 32 // bytes
	maxSecrets = 2
)

// fetched reports whether the keys are behind a URL.
func (src *Source) fetched() bool {
	return len(src.JWKS) == 0 && len(src.PEM) == 0 && len(src.Certificates) == 0 && len(src.Secrets) == 0
}

// check refuses registrations with two sources, or with what their source cannot
// have.
func (src *Source) check() error {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"DiscoveryURL", src.DiscoveryURL != ""},
		{"JWKSURL", src.JWKSURL != ""},
		{"CertificatesURL", src.CertificatesURL != ""},
		{"JWKS", len(src.JWKS) > 0},
		{"PEM", len(src.PEM) > 0},
		{"Certificates", len(src.Certificates) > 0},
		{"Secrets", len(src.Secrets) > 0},
	} {
		if f.set {
			set = append(set, f.name)
		}
	}
	switch {
	case len(set) > 1:
		return fieldf(set[1], "only one source of keys is possible, and %s is set", set[0])
	case len(src.Secrets) > 0 && len(src.Anchors) > 0:
		return fieldf("Anchors", "secrets have no certificates")
	case len(src.Secrets) > 0 && len(src.PinnedSPKI) > 0:
		return fieldf("PinnedSPKI", "secrets have no SPKI")
	}
	return nil
}

// registered reads keys that the operator wrote down and returns their key set. A
// key that is unsound in itself is an error; a key that the operator's trust does
// not admit is refused and shown, since that changes with time.
func (src *Source) registered(t *trust, now time.Time) ([]parsed, *keySet, error) {
	name, all, err := src.parse(t)
	if err != nil {
		return nil, nil, field(name, err)
	}
	ks := newKeySet(all, t, now)
	ks.unnamed = name == "PEM" || name == "Secrets"
	return all, ks, nil
}

func (src *Source) parse(t *trust) (name string, all []parsed, err error) {
	switch {
	case len(src.Secrets) > 0:
		all, err = parseSecrets(src.Secrets)
		return "Secrets", all, err
	case len(src.JWKS) > 0:
		if all, err = parseJWKS(src.JWKS, src.Uses...); err == nil {
			err = someSound(all)
		}
		return "JWKS", all, err
	case len(src.PEM) > 0:
		if all, err = parsePEM(src.PEM, t.anchors != nil); err == nil {
			err = allSound(all)
		}
		return "PEM", all, err
	}
	all = parseNamed(src.Certificates)
	return "Certificates", all, allSound(all)
}

// allSound requires that each key is usable: the operator wrote each of them.
func allSound(all []parsed) error {
	for i, p := range all {
		if p.refused != nil {
			return fmt.Errorf("key %d %s: %w", i+1, quote(p.kid), p.refused)
		}
	}
	return nil
}

// someSound requires that at least one key is usable: issuers publish sets with
// others.
func someSound(all []parsed) error {
	for _, p := range all {
		if p.refused == nil {
			return nil
		}
	}
	if len(all) == 0 {
		return errors.New("it has no keys")
	}
	var reasons []string
	for _, p := range all[:min(len(all), 8)] {
		reasons = append(reasons, fmt.Sprintf("%s: %v", quote(p.kid), p.refused))
	}
	return fmt.Errorf("none of its %d keys is usable: %s", len(all), strings.Join(reasons, "; "))
}

// parseSecrets returns a key for each secret; its ID is its kid and its
// thumbprint.
func parseSecrets(secrets []Secret) ([]parsed, error) {
	if len(secrets) > maxSecrets {
		return nil, fmt.Errorf("%d secrets, want at most %d", len(secrets), maxSecrets)
	}
	var out []parsed
	for i, s := range secrets {
		switch {
		case s.ID == "" || len(s.ID) > maxKID:
			return nil, fmt.Errorf("secret %d has an ID of %d bytes, want 1 to %d", i+1, len(s.ID), maxKID)
		case len(s.Value) < minSecret:
			return nil, fmt.Errorf("secret %s has %d bytes, want at least %d", quote(s.ID), len(s.Value), minSecret)
		case i > 0 && s.ID == secrets[0].ID:
			return nil, fmt.Errorf("two secrets have the ID %s", quote(s.ID))
		}
		k := key{kid: s.ID, kty: "oct", thumbprint: s.ID, secret: slices.Clone(s.Value)}
		out = append(out, parsed{key: k})
	}
	return out, nil
}

// Options are the limits of a Set. Zero values are sound.
type Options struct {
	// Algorithms are the accepted alg values (RFC 7518 §3.1, RFC 8037 §3.1).
	// Default: RS256, ES256, ES384, EdDSA and Ed25519; HS256 for Secrets.
	Algorithms []string
	// AllowMissingKID tries a token without kid against the keys that fit its
	// alg, and a token whose kid no key has against those without kid; at most 16
	// of them. Keys from PEM and Secrets have no kid that the issuer knows, and are
	// tried anyway.
	AllowMissingKID bool
	// AllowPrivateAddresses lets fetches reach loopback and private networks,
	// and use plain http there.
	AllowPrivateAddresses bool
	// AllowAddresses are networks that fetches may reach besides public ones, those
	// of private ones also by plain http.
	AllowAddresses []netip.Prefix
	// Proxy is the HTTP proxy of fetches. It resolves names, and so decides which
	// addresses they reach.
	Proxy *url.URL
	// CAFile holds PEM certificates that those of the issuer's servers must chain
	// to, in place of the system's. It is read for each fetch.
	CAFile string
	// BearerTokenFile holds a token for requests to the host that is registered (RFC
	// 6750 §2.1). It is read for each fetch.
	BearerTokenFile string
	// OwnFiles are files that are refused as CAFile and BearerTokenFile.
	OwnFiles []string
	// Name is the issuer's for logs and Report. Default: its URL.
	Name string
	// Report is called after the first fetch that fails, and with nil after the first
	// that succeeds again.
	Report func(name string, err error)
	// MaxAge is how long fetched keys count; a key that the issuer withdraws
	// verifies for no longer. Default and maximum 10m.
	MaxAge time.Duration
	// MaxStale is how long, since they were fetched, keys count while the
	// issuer is down. Default 1h, or MaxAge if that is longer; at most 24h.
	MaxStale time.Duration
	// Cooldown is the least time between the starts of two fetches. Default
	// 30s, at most half of MaxAge.
	Cooldown time.Duration
	// Timeout bounds one fetch, discovery included. Default 5s.
	Timeout time.Duration
	// Now is the clock for ages and cool-downs. Default time.Now.
	Now func() time.Time
	// Verifying bounds the signatures that are verified at once, by its
	// capacity. It is shared by many Sets; nil means no bound.
	Verifying chan struct{}
	Logger    *slog.Logger // nil discards
}

const (
	maxAge   = 10 * time.Minute
	maxStale = 24 * time.Hour
)

// setDefaults fills zero fields and refuses options that contradict src or each
// other.
func (o *Options) setDefaults(src Source) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := o.setAlgorithms(src); err != nil {
		return err
	}
	if err := o.setTimes(); err != nil {
		return err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// defaultAlgorithms is accepted unless the registration names others.
var defaultAlgorithms = []string{"RS256", "ES256", "ES384", "EdDSA", "Ed25519"}

// setAlgorithms keeps shared secrets and public keys apart (RFC 8725 §3.1).
func (o *Options) setAlgorithms(src Source) error {
	secret := len(src.Secrets) > 0
	switch {
	case len(o.Algorithms) == 0 && secret:
		o.Algorithms = []string{"HS256"}
	case len(o.Algorithms) == 0:
		o.Algorithms = slices.Clone(defaultAlgorithms)
	}
	for _, name := range o.Algorithms {
		a := algorithms[name]
		switch {
		case a == nil:
			return fieldf("Algorithms", "%s is not a known signature algorithm", quote(name))
		case secret && a.kty != "oct":
			return fieldf("Algorithms", "%s needs public keys, and the issuer has secrets", name)
		case !secret && a.kty == "oct":
			return fieldf("Algorithms", "%s needs secrets, and the issuer has public keys", name)
		}
		short := func(s Secret) bool { return len(s.Value) >= minSecret && len(s.Value) < a.hash.Size() }
		if secret && slices.ContainsFunc(src.Secrets, short) {
			return fieldf("Secrets", "%s needs secrets of %d bytes or more", name, a.hash.Size())
		}
	}
	return nil
}

func (o *Options) setTimes() error {
	for _, d := range []struct {
		name string
		time time.Duration
	}{{"MaxAge", o.MaxAge}, {"MaxStale", o.MaxStale}, {"Cooldown", o.Cooldown}, {"Timeout", o.Timeout}} {
		if d.time < 0 {
			return fieldf(d.name, "%s is negative", d.time)
		}
	}
	o.MaxAge = cmp.Or(o.MaxAge, maxAge)
	o.MaxStale = cmp.Or(o.MaxStale, max(time.Hour, o.MaxAge))
	o.Cooldown = min(cmp.Or(o.Cooldown, 30*time.Second), o.MaxAge/2)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	switch {
	case o.MaxAge > maxAge:
		return fieldf("MaxAge", "%s, want at most %s", o.MaxAge, maxAge)
	case o.MaxStale < o.MaxAge || o.MaxStale > maxStale:
		return fieldf("MaxStale", "%s, want %s to %s", o.MaxStale, o.MaxAge, maxStale)
	}
	return nil
}
