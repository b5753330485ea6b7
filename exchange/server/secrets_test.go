package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"cambio/exchange"
)

// Callers mistake one parameter for another, most often a secret for the name
// that goes with it. What they sent is not logged all the same.
func TestMisplacedSecretsAreNotAudited(t *testing.T) {
	p := newWorld(t, patient)
	good := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
	secrets := map[string]string{
		"client secret": p.secretOf("basic"), "refresh token": good.str("refresh_token"),
		"access token": good.str("access_token"), "ID token": p.idToken(), "password": "Tr0ub4dor&3 correct horse",
	}
	for _, secret := range secrets {
		p.misplace(secret)
	}
	if n := len(p.events()); n < 60 {
		t.Fatalf("%d events", n)
	}
	if strings.Contains(p.audited.String(), `"client":"Tr0ub4dor`) {
		t.Error("what is no client's ID is logged as one")
	}
	delete(secrets, "password") // which looks like any other text
	out := p.audited.String() + p.logged.String()
	for what, secret := range secrets {
		for _, part := range strings.Split(secret, ".") {
			if at := strings.Index(out, part[:min(len(part), 20)]); at >= 0 && len(part) > 8 && part != good.str("session_id") {
				t.Errorf("%s is logged: %s", what, out[max(0, at-300):min(len(out), at+100)])
			}
		}
	}
}

// misplace sends a secret in the place of everything.
func (p *world) misplace(secret string) {
	p.Helper()
	for _, name := range []string{
		"client_id", "grant_type", "subject_token", "subject_token_type", "actor_token_type", "requested_token_type",
		"issuer_id", "nonce", "scope", "audience", "resource", "client_assertion_type", "authorization_details", secret,
	} {
		form := url.Values{
			"grant_type": {exchange.GrantTokenExchange}, "client_id": {"web"},
			"subject_token": {p.idToken()}, "subject_token_type": {exchange.TypeIDToken},
		}
		form.Set(name, secret)
		p.do("POST", "/oauth/token", form.Encode(), "Content-Type", formMedia)
	}
	p.form("/oauth/token", exchangeParams(p.idToken()), "Authorization", basicAuth(secret, "web"))
	p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", secret)
	p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Content-Type", secret)
	p.form("/oauth/token/"+url.PathEscape(secret), nil)
	p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), "X-API-Key", secret)
	p.post("/auth/external/exchange", fmt.Sprintf(`{%q:"x"}`, secret), "X-API-Key", "web")
	p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q,"issuerId":%q}`, p.idToken(), secret), "X-API-Key", "web")
	p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q,"tokenType":%q}`, p.idToken(), secret), "X-API-Key", "web")
}
