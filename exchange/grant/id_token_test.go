package grant_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
)

// A grant of the scope openid adds an ID token for the client, at the login and at
// each refresh; only the login's has a nonce.
func TestOpenIDScopeAddsIDToken(t *testing.T) {
	w := newWorld(t)
	w.changeClient("spa", func(c *exchange.Client) { c.Scopes = append(c.Scopes, "openid") })
	w.changeIssuer("one", func(i *exchange.Issuer) { i.Scopes = append(i.Scopes, "openid") })

	without, _ := w.granted(w.exchange("spa", "nonce", "n-1"))
	if without.IDToken != "" {
		t.Error("an ID token without the scope openid")
	}
	req := w.exchange("spa", "nonce", "n-1")
	req.Scopes, req.Nonce = []string{"openid", "read"}, "n-1"
	first, access := w.granted(req)
	if got := claimsOf(t, first.IDToken); got["sub"] != first.User.ID || got["nonce"] != "n-1" || got["sid"] != access.Session ||
		!cmp.Equal(got["aud"], any([]any{"spa"})) || got["scope"] != nil || got["email"] != nil {
		t.Errorf("ID token %v", got)
	}
	if first.AccessToken == first.IDToken || first.TokenType != "Bearer" || first.IssuedTokenType != exchange.TypeAccessToken {
		t.Errorf("response %+v", first)
	}
	next, _ := w.granted(w.refresh("spa", first.RefreshToken))
	if got := claimsOf(t, next.IDToken); got["sub"] != first.User.ID || got["nonce"] != nil {
		t.Errorf("ID token of a refresh %v", got)
	}
	narrowed, _ := w.granted(w.narrowing("spa", first.AccessToken))
	if narrowed.IDToken != "" {
		t.Error("an ID token for an access token")
	}
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(payload, &claims))
	return claims
}
