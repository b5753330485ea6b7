package dev

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// API is a resource server as a user of Cambio would write one: it trusts one
// issuer, is one audience, and wants a scope.
type API struct {
	audience string
	verifier *op.AccessTokenVerifier
}

// ScopeRead is what the demo API wants.
const ScopeRead = "orders:read"

// NewAPI makes the demo API for access tokens of an issuer.
func NewAPI(issuer, jwksURL, audience string) *API {
	keys := rp.NewRemoteKeySet(&http.Client{Timeout: 5 * time.Second}, jwksURL)
	return &API{audience: audience, verifier: op.NewAccessTokenVerifier(issuer, keys)}
}

// order is what the demo API has to sell.
type order struct {
	ID   int    `json:"id"`
	Item string `json:"item"`
}

// ServeHTTP answers GET /orders to bearers of a fitting access token
// (RFC 6750 §3).
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](r.Context(), token, a.verifier)
	switch {
	case !found:
		refuse(w, http.StatusUnauthorized, "")
	case err != nil, !slices.Contains(claims.Audience, a.audience):
		refuse(w, http.StatusUnauthorized, ` error="invalid_token"`)
	case !slices.Contains(claims.Scopes, ScopeRead):
		refuse(w, http.StatusForbidden, ` error="insufficient_scope", scope="`+ScopeRead+`"`)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"user": claims.Subject, "orders": []order{{1, "tea"}, {2, "cake"}}})
	}
}

func refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("WWW-Authenticate", "Bearer"+challenge)
	w.WriteHeader(status)
}
