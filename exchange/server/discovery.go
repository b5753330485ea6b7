package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"cambio/exchange"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// document is an answer that stays the same for a while.
type document struct {
	body []byte
	etag string // with its quotes
}

// discoveryDocument is both OpenID Connect Discovery 1.0 §3 and RFC 8414 §2.
// There is no authorization endpoint, so the members about one are empty.
// DetailTypes are those that some client may ask for (RFC 9396 §10).
func discoveryDocument(issuer string, algorithms, detailTypes []string) (document, error) {
	methods := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}
	assertionAlgorithms := []string{"RS256", "ES256", "EdDSA"}
	body, err := json.Marshal(struct {
		oidc.DiscoveryConfiguration
		ResponseTypesSupported []string `json:"response_types_supported"` // REQUIRED, and none
		DetailTypes            []string `json:"authorization_details_types_supported,omitempty"`
	}{
		oidc.DiscoveryConfiguration{
			Issuer:                issuer,
			TokenEndpoint:         issuer + tokenPath,
			RevocationEndpoint:    issuer + revokePath,
			IntrospectionEndpoint: issuer + introspectPath,
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

// describe makes the discovery document say what there is now.
func (s *Server) describe() error {
	d, err := discoveryDocument(s.cfg.Issuer, s.cfg.Keys.Algorithms(), s.cfg.Clients().DetailTypes())
	if err == nil {
		s.discovery.Store(&d)
	}
	return err
}

// Header values of what may be cached. Within five minutes a key that was taken
// back is gone from caches, and one that signs next is in them long before.
var publicCache = []string{"public, max-age=300"}

// metadata is the discovery document.
func (s *Server) metadata(c *call) error { return c.cached(*s.discovery.Load()) }

// jwks publishes our keys (RFC 7517 §5).
func (s *Server) jwks(c *call) error {
	body, etag := s.cfg.Keys.JWKS()
	return c.cached(document{body, etag})
}

// cached answers with d, or that the caller has it already (RFC 9110 §13.1.2).
func (c *call) cached(d document) error {
	h := c.w.Header()
	h["Cache-Control"] = publicCache
	h["Etag"] = []string{d.etag}
	if matches(c.r.Header["If-None-Match"], d.etag) {
		c.status = http.StatusNotModified
		return nil
	}
	c.out = append(c.out, d.body...)
	return nil
}

// matches compares weakly, as If-None-Match asks for.
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
