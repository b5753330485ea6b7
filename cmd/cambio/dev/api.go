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

// api is a resource server as a user of Cambio would write one: it trusts one
// issuer and is one audience.
type api struct {
	audience string
	verifier *op.AccessTokenVerifier
}

// ScopeRead is the scope that the demo API requires for orders.
const ScopeRead = "orders:read"

// NewAPI returns the demo API for access tokens of an issuer. GET /orders requires
// a scope, GET /checkout/{customer}/{invoice} a checkout token for this invoice.
func NewAPI(issuer, jwksURL, audience string) http.Handler {
	keys := rp.NewRemoteKeySet(&http.Client{Timeout: 5 * time.Second}, jwksURL)
	a := &api{audience, op.NewAccessTokenVerifier(issuer, keys)}
	mux := http.NewServeMux()
	mux.HandleFunc("/checkout/{customer}/{invoice}", a.invoice)
	mux.HandleFunc("/", a.orders)
	return mux
}

// AllowPages lets pages of the listed origins call an API (CORS).
func AllowPages(api http.Handler, origins []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); slices.Contains(origins, origin) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		api.ServeHTTP(w, r)
	})
}

// token returns the claims of a valid access token, or nil after an error response
// (RFC 6750 §3).
func (a *api) token(w http.ResponseWriter, r *http.Request) *oidc.AccessTokenClaims {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		refuse(w, http.StatusUnauthorized, "")
		return nil
	}
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](r.Context(), token, a.verifier)
	if err != nil || !slices.Contains(claims.Audience, a.audience) {
		refuse(w, http.StatusUnauthorized, ` error="invalid_token"`)
		return nil
	}
	return claims
}

func (a *api) orders(w http.ResponseWriter, r *http.Request) {
	claims := a.token(w, r)
	switch {
	case claims == nil:
	case !slices.Contains(claims.Scopes, ScopeRead):
		refuse(w, http.StatusForbidden, ` error="insufficient_scope", scope="`+ScopeRead+`"`)
	default:
		writeJSON(w, map[string]any{"user": claims.Subject, "orders": []map[string]any{{"id": 1, "item": "tea"}, {"id": 2, "item": "cake"}}})
	}
}

// invoice serves one invoice of one customer. It requires a checkout token for this
// customer and this invoice: a valid token for another is refused.
func (a *api) invoice(w http.ResponseWriter, r *http.Request) {
	claims := a.token(w, r)
	switch {
	case claims == nil:
	case claims.Claims["customer_id"] != r.PathValue("customer"), claims.Claims["invoice_id"] != r.PathValue("invoice"):
		refuse(w, http.StatusForbidden, ` error="insufficient_scope"`)
	default:
		writeJSON(w, map[string]any{
			"partner": claims.Claims["partner_id"], "customer": r.PathValue("customer"), "invoice": r.PathValue("invoice"), "amount": "12.50",
		})
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("WWW-Authenticate", "Bearer"+challenge)
	w.WriteHeader(status)
}
