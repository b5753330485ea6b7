package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cambio/exchange"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// document is a response that stays the same for a while.
type document struct {
	body []byte
	etag string // with its quotes
}

// discoveryDocument is both OpenID Connect Discovery 1.0 §3 and RFC 8414 §2.
// There is no authorization endpoint, so its members are empty. detailTypes are
// those that some client may request (RFC 9396 §10).
func discoveryDocument(issuer string, algorithms, detailTypes []string) (document, error) {
	methods := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}
	assertionAlgorithms := []string{"RS256", "ES256", "ES384", "EdDSA", "Ed25519"}
	body, err := json.Marshal(struct {
		oidc.DiscoveryConfiguration
		ResponseTypesSupported []string `json:"response_types_supported"` // REQUIRED, and none
		DetailTypes            []string `json:"authorization_details_types_supported,omitempty"`
	}{
		oidc.DiscoveryConfiguration{
			Issuer:                issuer,
			TokenEndpoint:         issuer + TokenPath,
			RevocationEndpoint:    issuer + RevokePath,
			IntrospectionEndpoint: issuer + IntrospectPath,
			JwksURI:               issuer + jwksPath,
			GrantTypesSupported: []oidc.GrantType{
				exchange.GrantTokenExchange, exchange.GrantRefreshToken,
				exchange.GrantClientCredentials, exchange.GrantJWTBearer,
			},
			SubjectTypesSupported:                              []string{"public"},
			IDTokenSigningAlgValuesSupported:                   algorithms,
			TokenEndpointAuthMethodsSupported:                  append([]oidc.AuthMethod{oidc.AuthMethodNone}, methods...),
			TokenEndpointAuthSigningAlgValuesSupported:         assertionAlgorithms,
			RevocationEndpointAuthMethodsSupported:             append([]oidc.AuthMethod{oidc.AuthMethodNone}, methods...),
			RevocationEndpointAuthSigningAlgValuesSupported:    assertionAlgorithms,
			IntrospectionEndpointAuthMethodsSupported:          methods,
			IntrospectionEndpointAuthSigningAlgValuesSupported: assertionAlgorithms,
		},
		[]string{}, detailTypes,
	})
	if err != nil {
		return document{}, fmt.Errorf("writing discovery document: %w", err)
	}
	sum := sha256.Sum256(body)
	return document{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}, nil
}

// updateDiscovery makes the discovery document say what is true now.
func (s *Server) updateDiscovery() error {
	d, err := discoveryDocument(s.cfg.Issuer, s.cfg.Keys.Algorithms(), s.cfg.Clients().DetailTypes())
	if err == nil {
		s.discovery.Store(&d)
	}
	return err
}

// publicCache is the Cache-Control of what may be cached. A removed key leaves
// caches within five minutes, and one that signs next is in them long before.
var publicCache = []string{"public, max-age=300"}

func (s *Server) serveDiscovery(r *Request) error { return r.serveDocument(*s.discovery.Load()) }

// serveJWKS publishes our keys (RFC 7517 §5).
func (s *Server) serveJWKS(r *Request) error {
	body, etag := s.cfg.Keys.JWKS()
	return r.serveDocument(document{body, etag})
}

// serveDocument responds with d, or with 304 to a caller that has it (RFC 9110
// §13.1.2).
func (r *Request) serveDocument(d document) error {
	h := r.w.Header()
	h["Cache-Control"] = publicCache
	h["Etag"] = []string{d.etag}
	if matches(r.http.Header["If-None-Match"], d.etag) {
		r.status = http.StatusNotModified
		return nil
	}
	r.out = append(r.out, d.body...)
	return nil
}

// matches compares weakly, as If-None-Match demands.
func matches(values []string, etag string) bool {
	for _, value := range values {
		for candidate := range strings.SplitSeq(value, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// live serves /livez: the process responds. It checks no more, since a restart
// does not help against a store that is down.
func (s *Server) live(r *Request) error {
	r.media = textMedia
	r.out = append(r.out, "ok\n"...)
	return nil
}

// ready serves /readyz and /healthz: whether requests should come here. Callers can
// read the names of the checks (?verbose), not what is wrong.
func (s *Server) ready(r *Request) error {
	checks := s.cfg.Ready(r.Context())
	if s.draining.Load() {
		checks = append(checks, ReadyCheck{Name: "serving", Err: errors.New("the server is stopping")})
	}
	verbose := r.http.URL.Query().Has("verbose")
	good := true
	for _, check := range checks {
		good = good && (check.Err == nil || check.Warning)
		if verbose {
			mark := "[+] "
			switch {
			case check.Err != nil && check.Warning:
				mark = "[!] "
			case check.Err != nil:
				mark = "[-] "
			}
			r.out = append(r.out, mark+exchange.Clip(check.Name)+"\n"...)
		}
	}
	r.media = textMedia
	if !good {
		r.status = http.StatusServiceUnavailable
		r.out = append(r.out, "not ready\n"...)
		return nil
	}
	r.out = append(r.out, "ok\n"...)
	return nil
}
