package exchange

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) that can be
// accepted. Each HMAC asks for a secret as long as its hash (RFC 7518 §3.2).
var (
	publicKeyAlgorithms = []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
	hmacAlgorithms = []string{"HS256", "HS384", "HS512"}
	hmacBytes      = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} // alg → bytes
)

// sources are the names of the key sources that are set.
func (k *Keys) sources() []string {
	var set []string
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"discoveryURL", k.DiscoveryURL != ""},
		{"jwksURL", k.JWKSURL != ""},
		{"certificatesURL", k.CertificatesURL != ""},
		{"jwks", k.JWKS != ""},
		{"pem", k.PEM != ""},
		{"certificates", len(k.Certificates) > 0},
		{"secrets", len(k.Secrets) > 0},
	} {
		if s.set {
			set = append(set, s.name)
		}
	}
	return set
}

func (p *problems) keys(path string, k *Keys, plainHTTP bool) {
	if set := k.sources(); len(set) > 1 {
		p.add(path, "has %s; keys come from one source, keep one of them", strings.Join(set, " and "))
	}
	for _, source := range []struct{ name, url string }{
		{"discoveryURL", k.DiscoveryURL}, {"jwksURL", k.JWKSURL}, {"certificatesURL", k.CertificatesURL},
	} {
		if source.url != "" {
			p.endpoint(path+"."+source.name, source.url, plainHTTP)
		}
	}
	if k.Anchors != "" && len(k.Secrets) > 0 {
		p.add(path+".anchors", "has no meaning for shared secrets, which have no certificates; remove it")
	}
	p.each(path+".pinnedSPKI", k.PinnedSPKI, p.pin)
	p.each(path+".revokedKeys", k.RevokedKeys, p.exact)
	p.within(path+".maxAge", k.MaxAge, 30*time.Second, 10*time.Minute)
	p.within(path+".maxStale", k.MaxStale, 30*time.Second, 24*time.Hour)
}

// pin checks a base64 SHA-256 (RFC 7469 §2.4 has the same spelling).
func (p *problems) pin(path, pin string) {
	const size = 32
	if hash, err := base64.StdEncoding.Strict().DecodeString(pin); err != nil || len(hash) != size {
		p.add(path, "%s must be the base64 SHA-256 of a SubjectPublicKeyInfo: 44 characters that end in =", Quote(pin))
	}
}

// algorithms checks the accepted algorithms and the secrets together, because
// neither may stand in for the other.
func (p *problems) algorithms(i *Issuer) {
	shared := len(i.Keys.Secrets) > 0
	p.each("algorithms", i.Algorithms, func(path, alg string) { p.algorithm(path, alg, shared) })
	p.secrets(i.Keys.Secrets, longestHMAC(i.Algorithms))
}

func (p *problems) algorithm(path, alg string, shared bool) {
	isHMAC := contains(hmacAlgorithms, alg)
	switch {
	case strings.EqualFold(alg, "none"):
		p.add(path, "%s means no signature and is never accepted", Quote(alg))
	case isHMAC && !shared:
		p.add(path, "%s needs keys.secrets; a public key is no secret", Quote(alg))
	case shared && contains(publicKeyAlgorithms, alg):
		p.add(path, "%s needs a public key, but keys has secrets; write HS256", Quote(alg))
	case !isHMAC:
		p.oneOf(path, alg, slices.Concat(publicKeyAlgorithms, hmacAlgorithms)...)
	}
}

// longestHMAC is how many bytes a secret needs for all of algs.
func longestHMAC(algs []string) int {
	need := hmacBytes["HS256"]
	for _, alg := range algs {
		need = max(need, hmacBytes[alg])
	}
	return need
}

// secrets checks shared secrets; no message repeats one.
func (p *problems) secrets(secrets []SharedSecret, need int) {
	const live = 2
	if len(secrets) > live {
		p.add("keys.secrets", "has %d secrets; at most two are live, one old and one new", len(secrets))
	}
	seen := firsts{}
	for i, s := range secrets {
		path := fmt.Sprintf("keys.secrets[%d]", i)
		if s.ID != "" || len(secrets) > 1 {
			p.id(path+".id", s.ID)
		}
		p.onlyOnce(seen, path+".id", s.ID)
		switch {
		case s.Value == "" && len(s.Sealed) == 0:
			p.add(path+".value", "is missing; make one with: openssl rand -hex 32")
		case s.Value != "" && len(s.Value) < need:
			p.add(path+".value", "has %d bytes; at least %d are needed (RFC 7518 §3.2), made with: openssl rand -hex 32", len(s.Value), need)
		}
	}
}
