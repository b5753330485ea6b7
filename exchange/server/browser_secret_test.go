package server_test

import (
	"fmt"
	"strings"
	"testing"

	"cambio/exchange"
)

// A server secret that comes from a browser is refused whether it is right or
// not, and the operator reads which one to revoke.
func TestServerSecretsInBrowsers(t *testing.T) {
	p := newWorld(t, patient)
	body := fmt.Sprintf(`{"token":%q}`, p.idToken())
	right, wrong := p.secretOf("basic"), "ssk_"+strings.Repeat("A", 43)
	vendors := []string{"X-Acme-Server-Secret", right}
	const jsonPath, verify = "/auth/external/exchange", "/auth/external/verify"
	for _, row := range []struct {
		name, path string
		headers    []string
		code       exchange.Reason // empty: not refused for being in a browser
	}{
		{"no browser", jsonPath, vendors, ""},
		{"Node's fetch", jsonPath, append([]string{"Sec-Fetch-Mode", "cors"}, vendors...), ""},
		{"a page of the client's", jsonPath, append([]string{"Origin", page}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"a page of no client", jsonPath, append([]string{"Origin", evil}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"a sandboxed page", jsonPath, append([]string{"Origin", "null"}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"a page of our own origin", jsonPath, append([]string{"Sec-Fetch-Site", "same-origin"}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"an address bar", jsonPath, append([]string{"Sec-Fetch-Site", "none"}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"where browsers have no business", verify, append([]string{"Origin", page}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"at the token endpoint", "/oauth/token", append([]string{"Origin", page}, vendors...), exchange.ReasonServerSecretInBrowser},
		{"a wrong one", jsonPath, []string{"Origin", page, "X-Server-Secret", wrong}, exchange.ReasonServerSecretInBrowser},
		{"two", jsonPath, []string{"Origin", page, "X-Server-Secret", right, "X-Acme-Server-Secret", right}, exchange.ReasonServerSecretInBrowser},
		{"by Basic", jsonPath, []string{"Origin", page, "Authorization", basicAuth("basic", right)}, exchange.ReasonServerSecretInBrowser},
		{"a token", verify, []string{"Origin", page, "Authorization", "Bearer x"}, exchange.ReasonOriginNotAllowed},
		{"no secret", verify, []string{"Origin", page}, exchange.ReasonOriginNotAllowed},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			a := p.post(row.path, body, append([]string{"X-API-Key", "basic"}, row.headers...)...)
			if row.code == "" {
				p.want(a, 200, "")
				return
			}
			p.want(a, 403, row.code)
			if row.code == exchange.ReasonServerSecretInBrowser && a.str("error_description") != row.code.Response().Description {
				t.Errorf("the caller learns %s", a.text)
			}
		})
	}
	form := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "post", "client_secret", p.secretOf("post")), "Origin", page)
	p.want(form, 200, "")
	p.toldToRevoke(right)
}

// toldToRevoke demands that the audit log name each right secret that a browser
// sent, and no wrong one.
func (p *world) toldToRevoke(secret string) {
	p.Helper()
	named, unnamed := 0, 0
	id := p.registry.CheckSecret(p.registry.Snapshot().Client("basic").Client, secret, p.clock())
	for _, e := range p.events() {
		if e["reason"] != string(exchange.ReasonServerSecretInBrowser) {
			continue
		}
		if text := e["error"].(string); strings.Contains(text, "cambio client secret revoke basic "+id) {
			named++
			if e["key"] != id || e["client"] != "basic" {
				p.Errorf("event %v", e)
			}
		} else if unnamed++; e["key"] != nil {
			p.Errorf("event %v", e)
		}
	}
	if named != 8 || unnamed != 2 {
		p.Errorf("the operator is told of %d secrets and %d times of none", named, unnamed)
	}
	if strings.Contains(p.audited.String(), secret) {
		p.Error("a secret is logged")
	}
}

// Guesses of secrets from a page are slowed down like others.
func TestLeaksCountAsFailures(t *testing.T) {
	p := newWorld(t)
	ask := func() answer { return p.post("/auth/external/exchange", `{}`, "Origin", page, "X-Server-Secret", "x") }
	for range 10 {
		p.want(ask(), 403, exchange.ReasonServerSecretInBrowser)
	}
	p.want(ask(), 429, exchange.ReasonTooManyFailures)
}
