package registration

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
)

// The supported signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864). Each HMAC
// needs a secret as long as its hash (RFC 7518 §3.2).
var (
	publicKeyAlgorithms = []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
	}
	hmacBytes = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} // alg → bytes
)

// sources returns the names of the key sources that are set.
func sources(k *exchange.Keys) []string {
	var out []string
	add := func(name string, set bool) {
		if set {
			out = append(out, name)
		}
	}
	add("discoveryURL", k.DiscoveryURL != "")
	add("jwksURL", k.JWKSURL != "")
	add("certificatesURL", k.CertificatesURL != "")
	add("jwks", k.JWKS != "")
	add("pem", k.PEM != "")
	add("certificates", len(k.Certificates) > 0)
	add("secrets", len(k.Secrets) > 0)
	add("sources", len(k.Sources) > 0)
	return out
}

// keys checks one source, or several.
func (l *linter) keys(k *exchange.Keys) {
	switch {
	case len(k.Sources) > 0:
		l.several(k)
		return
	case len(k.Algorithms) > 0:
		l.Add("keys.algorithms", "is for one of several sources; write algorithms beside keys")
	case !k.Until.IsZero():
		l.Add("keys.until", "is for one of several sources; without this source the issuer has no keys")
	}
	l.source(k)
}

// several checks the sources of an issuer one by one.
func (l *linter) several(k *exchange.Keys) {
	const most = 8
	if len(k.Sources) > most {
		l.Add("keys.sources", "has %d sources; at most %d are allowed", len(k.Sources), most)
	}
	if !reflect.DeepEqual(*k, exchange.Keys{Sources: k.Sources}) {
		l.Add("keys", "has members beside sources; write them in each source that they are for")
	}
	ids := firsts{}
	for n := range k.Sources {
		source, path := &k.Sources[n], fmt.Sprintf("keys.sources[%d]", n)
		below := &linter{}
		below.source(source)
		below.accepted(source.Algorithms, source.Secrets)
		if len(source.Sources) > 0 {
			below.Add("keys.sources", "is in a source already; write each source in the one list")
		}
		for _, p := range below.Problems {
			l.Add(strings.TrimSuffix(path+"."+strings.TrimPrefix(strings.TrimPrefix(p.Path, "keys"), "."), "."), "%s", p.Message)
		}
		for i, s := range source.Secrets {
			l.onlyOnce(ids, fmt.Sprintf("%s.secrets[%d].id", path, i), s.ID)
		}
	}
}

func (l *linter) source(k *exchange.Keys) {
	if set := sources(k); len(set) > 1 {
		l.Add("keys", "has %s; keys come from one source; keep one of them", strings.Join(set, " and "))
	}
	for _, source := range []struct{ name, url string }{
		{"discoveryURL", k.DiscoveryURL}, {"jwksURL", k.JWKSURL}, {"certificatesURL", k.CertificatesURL},
	} {
		if source.url != "" {
			l.endpoint("keys."+source.name, source.url, plainHTTP(k))
		}
	}
	l.fetching(k)
	for i, secret := range k.Secrets {
		if strings.TrimSpace(secret.Value) != secret.Value {
			l.Add(fmt.Sprintf("keys.secrets[%d].value", i), "begins or ends with whitespace, such as the line break of a YAML block; remove it: with |- the block has none")
		}
	}
	if k.Anchors != "" && len(k.Secrets) > 0 {
		l.Add("keys.anchors", "has no meaning for shared secrets, which have no certificates; remove it")
	}
	l.each("keys.pinnedSPKI", k.PinnedSPKI, l.pin)
	l.each("keys.revokedKeys", k.RevokedKeys, l.exact)
	l.each("keys.uses", k.Uses, l.use)
	l.within("keys.maxAge", k.MaxAge, 30*time.Second, 10*time.Minute)
	l.within("keys.maxStale", k.MaxStale, 30*time.Second, 24*time.Hour)
}

// plainHTTP reports whether keys may be fetched by plain http, from the private
// addresses that are allowed.
func plainHTTP(k *exchange.Keys) bool { return k.AllowPrivateAddresses || len(k.AllowAddresses) > 0 }

// fetching checks how keys are fetched.
func (l *linter) fetching(k *exchange.Keys) {
	l.each("keys.allowAddresses", k.AllowAddresses, l.network)
	if k.Proxy != "" {
		l.endpoint("keys.proxy", k.Proxy, true)
	}
	for _, file := range []struct{ name, path string }{{"caFile", k.CAFile}, {"bearerTokenFile", k.BearerTokenFile}} {
		if file.path != "" && !filepath.IsAbs(file.path) {
			l.Add("keys."+file.name, "%s must be an absolute path: the server reads the file, wherever it runs", exchange.Quote(file.path))
		}
	}
	l.within("keys.timeout", k.Timeout, time.Second, 30*time.Second)
}

// network checks a network in CIDR notation.
func (l *linter) network(path, cidr string) {
	network, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil:
		l.Add(path, "%s must be a network such as 10.0.0.0/8 or fd12:3456::/32", exchange.Quote(cidr))
	case network != network.Masked():
		l.Add(path, "%s has bits beyond its prefix; write %s", exchange.Quote(cidr), exchange.Quote(network.Masked().String()))
	}
}

// use checks a value of a key's use (RFC 7517 §4.2).
func (l *linter) use(path, use string) {
	l.exact(path, use)
	switch use {
	case "sig":
		l.Add(path, "%s is always accepted; remove it", exchange.Quote(use))
	case "enc":
		l.Add(path, "%s is for encryption; such a key verifies no token", exchange.Quote(use))
	}
}

// pin checks a base64 SHA-256, as in RFC 7469 §2.4.
func (l *linter) pin(path, pin string) {
	const size = 32
	if hash, err := base64.StdEncoding.Strict().DecodeString(pin); err != nil || len(hash) != size {
		l.Add(path, "%s must be the base64 SHA-256 of a SubjectPublicKeyInfo: 44 characters that end in =", exchange.Quote(pin))
	}
}

// algorithms checks the accepted algorithms together with the secrets: an HMAC
// secret and a public key must not stand in for each other.
func (l *linter) algorithms(i *exchange.Issuer) {
	if len(i.Keys.Sources) == 0 {
		l.accepted(i.Algorithms, i.Keys.Secrets)
	} else if len(i.Algorithms) > 0 {
		l.Add("algorithms", "is for one source; write algorithms in each of keys.sources")
	}
}

func (l *linter) accepted(algorithms []string, secrets []exchange.SharedSecret) {
	shared := len(secrets) > 0
	l.each("algorithms", algorithms, func(path, alg string) { l.algorithm(path, alg, shared) })
	l.secrets(secrets, longestHMAC(algorithms))
}

func (l *linter) algorithm(path, alg string, shared bool) {
	_, isHMAC := hmacBytes[alg]
	switch {
	case strings.EqualFold(alg, "none"):
		l.Add(path, "%s means no signature and is never accepted", exchange.Quote(alg))
	case isHMAC && !shared:
		l.Add(path, "%s needs keys.secrets; a public key is no secret", exchange.Quote(alg))
	case shared && slices.Contains(publicKeyAlgorithms, alg):
		l.Add(path, "%s needs a public key, but keys has secrets; write HS256", exchange.Quote(alg))
	case !isHMAC:
		l.oneOf(path, alg, slices.Concat(publicKeyAlgorithms, slices.Sorted(maps.Keys(hmacBytes)))...)
	}
}

// longestHMAC returns how many bytes a secret needs for all of algs.
func longestHMAC(algs []string) int {
	need := hmacBytes["HS256"]
	for _, alg := range algs {
		need = max(need, hmacBytes[alg])
	}
	return need
}

func (l *linter) secrets(secrets []exchange.SharedSecret, need int) {
	const most = 2
	if len(secrets) > most {
		l.Add("keys.secrets", "has %d secrets; at most two are allowed, one old and one new", len(secrets))
	}
	seen := firsts{}
	for i, s := range secrets {
		path := fmt.Sprintf("keys.secrets[%d]", i)
		if s.ID != "" || len(secrets) > 1 {
			l.id(path+".id", s.ID)
		}
		l.onlyOnce(seen, path+".id", s.ID)
		l.secret(path+".value", s, need, "RFC 7518 §3.2")
	}
}

// secret checks a secret of at least a number of bytes, which rfc demands.
func (l *linter) secret(path string, s exchange.SharedSecret, least int, rfc string) {
	switch {
	case s.Value == "" && len(s.Sealed) == 0:
		l.Add(path, "is missing; make one with: openssl rand -hex 32")
	case s.Value != "" && len(s.Value) < least:
		l.Add(path, "has %d bytes; at least %d are needed (%s), made with: openssl rand -hex 32", len(s.Value), least, rfc)
	}
}
