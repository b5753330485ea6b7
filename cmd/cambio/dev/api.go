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
// issuer and is one audience. Its orders want a scope, its invoices want a
// checkout token for the one that is asked for.
type API struct {
	audience string
	verifier *op.AccessTokenVerifier
	mux      *http.ServeMux
}

// ScopeRead is what the demo API wants to show orders.
const ScopeRead = "orders:read"

// NewAPI makes the demo API for access tokens of an issuer.
func NewAPI(issuer, jwksURL, audience string) *API {
	keys := rp.NewRemoteKeySet(&http.Client{Timeout: 5 * time.Second}, jwksURL)
	a := &API{audience: audience, verifier: op.NewAccessTokenVerifier(issuer, keys), mux: http.NewServeMux()}
	a.mux.HandleFunc("/checkout/{customer}/{invoice}", a.invoice)
	a.mux.HandleFunc("/", a.orders)
	return a
}

// ServeHTTP answers GET /orders and GET /checkout/{customer}/{invoice}.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// token is what a fitting access token says; nil after a refusal (RFC 6750 §3).
func (a *API) token(w http.ResponseWriter, r *http.Request) *oidc.AccessTokenClaims {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](r.Context(), token, a.verifier)
	switch {
	case !found:
		refuse(w, http.StatusUnauthorized, "")
	case err != nil, !slices.Contains(claims.Audience, a.audience):
		refuse(w, http.StatusUnauthorized, ` error="invalid_token"`)
	default:
		return claims
	}
	return nil
}

// order is what the demo API has to sell.
type order struct {
	ID   int    `json:"id"`
	Item string `json:"item"`
}

func (a *API) orders(w http.ResponseWriter, r *http.Request) {
	claims := a.token(w, r)
	switch {
	case claims == nil:
	case !slices.Contains(claims.Scopes, ScopeRead):
		refuse(w, http.StatusForbidden, ` error="insufficient_scope", scope="`+ScopeRead+`"`)
	default:
		answer(w, map[string]any{"user": claims.Subject, "orders": []order{{1, "tea"}, {2, "cake"}}})
	}
}

// invoice is one invoice of one customer, to bearers of a checkout token for
// just these: a token for another is a good one, and not good here.
func (a *API) invoice(w http.ResponseWriter, r *http.Request) {
	claims := a.token(w, r)
	switch {
	case claims == nil:
	case claims.Claims["customer_id"] != r.PathValue("customer"), claims.Claims["invoice_id"] != r.PathValue("invoice"):
		refuse(w, http.StatusForbidden, ` error="insufficient_scope"`)
	default:
		answer(w, map[string]any{
			"partner": claims.Claims["partner_id"], "customer": r.PathValue("customer"), "invoice": r.PathValue("invoice"), "amount": "12.50",
		})
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("WWW-Authenticate", "Bearer"+challenge)
	w.WriteHeader(status)
}
