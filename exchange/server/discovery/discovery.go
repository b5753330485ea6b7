// Package discovery writes the metadata of the server: OpenID Connect Discovery 1.0 §3
// and RFC 8414 §2 in one document.
package discovery

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"cambio/exchange"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// Provider holds what a document says of a server. Paths are relative to Issuer.
type Provider struct {
	Issuer                                          string
	TokenPath, RevokePath, IntrospectPath, JWKSPath string
	Algorithms                                      []string
	// DetailTypes are the types of authorization_details that some client may
	// request (RFC 9396 §10).
	DetailTypes []string
}

// URL returns the URL of a path below an issuer's URL, which may end in a slash.
func URL(issuer, path string) string { return strings.TrimSuffix(issuer, "/") + path }

// Document returns the document and its ETag, with quotes. There is no authorization
// endpoint, so its members are empty.
func (p Provider) Document() (document []byte, etag string, err error) {
	methods := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}
	assertionAlgorithms := []string{"RS256", "ES256", "ES384", "EdDSA", "Ed25519"}
	body, err := json.Marshal(struct {
		oidc.DiscoveryConfiguration
		ResponseTypesSupported []string `json:"response_types_supported"` // REQUIRED, and none
		DetailTypes            []string `json:"authorization_details_types_supported,omitempty"`
	}{
		oidc.DiscoveryConfiguration{
			Issuer:                p.Issuer,
			TokenEndpoint:         URL(p.Issuer, p.TokenPath),
			RevocationEndpoint:    URL(p.Issuer, p.RevokePath),
			IntrospectionEndpoint: URL(p.Issuer, p.IntrospectPath),
			JwksURI:               URL(p.Issuer, p.JWKSPath),
			GrantTypesSupported: []oidc.GrantType{
				exchange.GrantTokenExchange, exchange.GrantRefreshToken,
				exchange.GrantClientCredentials, exchange.GrantJWTBearer,
			},
			SubjectTypesSupported:                              []string{"public"},
			IDTokenSigningAlgValuesSupported:                   p.Algorithms,
			TokenEndpointAuthMethodsSupported:                  append([]oidc.AuthMethod{oidc.AuthMethodNone}, methods...),
			TokenEndpointAuthSigningAlgValuesSupported:         assertionAlgorithms,
			RevocationEndpointAuthMethodsSupported:             append([]oidc.AuthMethod{oidc.AuthMethodNone}, methods...),
			RevocationEndpointAuthSigningAlgValuesSupported:    assertionAlgorithms,
			IntrospectionEndpointAuthMethodsSupported:          methods,
			IntrospectionEndpointAuthSigningAlgValuesSupported: assertionAlgorithms,
		},
		[]string{}, p.DetailTypes,
	})
	if err != nil {
		return nil, "", fmt.Errorf("writing discovery document: %w", err)
	}
	sum := sha256.Sum256(body)
	return body, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, nil
}

// Matches reports whether If-None-Match values have an ETag. It compares weakly, as
// RFC 9110 §13.1.2 demands.
func Matches(values []string, etag string) bool {
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
