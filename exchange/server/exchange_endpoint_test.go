package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

func TestExchange(t *testing.T) {
	p := newWorld(t)
	a := p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q,"tokenType":"id_token","scope":"read write","nonce":null}`, p.idToken()),
		"X-API-Key", "web", "Origin", page)
	p.want(a, 200, "")
	user, _ := a.json["user"].(map[string]any)
	if a.str("accessToken") == "" || a.str("refreshToken") == "" || a.json["expiresIn"] != 900.0 || a.str("tokenType") != "Bearer" ||
		a.str("sessionId") == "" || user["id"] == "" || user["externalUserId"] != "alice" || user["isNew"] != true {
		t.Errorf("answer is %s", a.text)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("headers are %v", a.header)
	}
	claims := p.issuer.Claims("alice", "web")
	claims["email"], claims["email_verified"] = "alice@example.com", true
	a = p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.issuer.Sign(claims)), "X-API-Key", "web", "Origin", page)
	b := p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), "X-API-Key", "web", "Origin", page)
	p.want(b, 200, "")
	if b.str("refreshToken") == a.str("refreshToken") || b.str("accessToken") == "" || b.str("sessionId") != a.str("sessionId") {
		t.Errorf("answer is %s", b.text)
	}
	if a.user("email") != "alice@example.com" || b.user("email") != "alice@example.com" || b.user("id") != user["id"] {
		t.Errorf("the user is %v, then %v", a.json["user"], b.json["user"])
	}
	out := p.post("/auth/logout", fmt.Sprintf(`{"refreshToken":%q}`, b.str("refreshToken")), "X-API-Key", "web")
	if p.want(out, 200, ""); out.text != "{}" {
		t.Errorf("logout returns %s", out.text)
	}
	c := p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, b.str("refreshToken")), "X-API-Key", "web")
	p.want(c, 400, exchange.ReasonSessionEnded)
	if c.str("error") != "invalid_grant" {
		t.Error("a client would not know that the session has ended")
	}
}

func TestExchangeRequests(t *testing.T) {
	p := newWorld(t, patient)
	good := fmt.Sprintf(`{"token":%q}`, p.idToken())
	for _, row := range []struct {
		name, media, body string
		headers           []string
		status            int
		code              exchange.Reason
	}{
		{"good", "application/json; charset=utf-8", good, []string{"X-API-Key", "web"}, 200, ""},
		{"no key", "application/json", good, nil, 401, exchange.ReasonClientUnknown},
		{"an unknown key", "application/json", good, []string{"X-API-Key", "unknown"}, 401, exchange.ReasonClientUnknown},
		{"two keys", "application/json", good, []string{"X-API-Key", "web", "X-API-Key", "web"}, 400, exchange.ReasonRequestMalformed},
		{"another client's page", "application/json", good, []string{"X-API-Key", "web", "Origin", otherPage}, 403, exchange.ReasonOriginNotAllowed},
		{"a confidential client without its secret", "application/json", good, []string{"X-API-Key", "basic"}, 401, exchange.ReasonClientUnknown},
		{"a confidential client", "application/json", good, []string{"X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic")}, 200, ""},
		{"under a vendor's name", "application/json", good, []string{"X-API-Key", "post", "X-Acme-Server-Secret", p.secretOf("post")}, 200, ""},
		{"by Basic", "application/json", good, []string{"Authorization", basicAuth("basic", p.secretOf("basic"))}, 200, ""},
		{"a wrong secret", "application/json", good, []string{"X-API-Key", "basic", "X-Server-Secret", "x"}, 401, exchange.ReasonClientAuthenticationFailed},
		{"a secret of an unknown client", "application/json", good, []string{"X-API-Key", "unknown", "X-Server-Secret", "x"}, 401, exchange.ReasonClientAuthenticationFailed},
		{"a secret of a public client", "application/json", good, []string{"X-API-Key", "web", "X-Server-Secret", "x"}, 401, exchange.ReasonClientAuthenticationFailed},
		{"two secrets", "application/json", good, []string{"X-API-Key", "basic", "X-Server-Secret", "x", "X-Acme-Server-Secret", "y"}, 400, exchange.ReasonRequestMalformed},
		{"a form", formMedia, "token=x", []string{"X-API-Key", "web"}, 415, exchange.ReasonMediaTypeNotSupported},
		{"text", "text/plain", good, []string{"X-API-Key", "web"}, 415, exchange.ReasonMediaTypeNotSupported},
		{"no token", "application/json", `{}`, []string{"X-API-Key", "web"}, 400, exchange.ReasonParameterMissing},
		{"an unknown member", "application/json", `{"token":"x","role":"admin"}`, []string{"X-API-Key", "web"}, 400, exchange.ReasonParameterInvalid},
		{"a repeated member", "application/json", `{"token":"x","token":"x"}`, []string{"X-API-Key", "web"}, 400, exchange.ReasonParameterRepeated},
		{"an unknown type of token", "application/json", `{"token":"x","tokenType":"saml"}`, []string{"X-API-Key", "web"}, 400, exchange.ReasonTokenTypeUnsupported},
		{"too large", "application/json", good + strings.Repeat(" ", 64<<10), []string{"X-API-Key", "web"}, 413, exchange.ReasonRequestTooLarge},
		{"a scope that is not the client's", "application/json", good[:len(good)-1] + `,"scope":"admin"}`, []string{"X-API-Key", "web"}, 400, exchange.ReasonScopeNotAllowed},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := append([]string{"Content-Type", row.media}, row.headers...)
			p.want(p.do("POST", "/auth/external/exchange", row.body, headers...), row.status, row.code)
		})
	}
}

func TestUsersAreNotMadeWhereTheClientSaysSo(t *testing.T) {
	p := newWorld(t)
	m, no := p.manifest(), false
	m.Clients[0].AutoCreate = &no
	p.apply(m)
	p.want(p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), "X-API-Key", "web"), 403, exchange.ReasonUserNotRegistered)
}

// A vendor's tokens, of which the backend only wants to know what they say.
func TestVerify(t *testing.T) {
	p := newWorld(t, patient)
	claims := map[string]any{"sub": "r123", "client_id": "app-1", "iat": p.clock().Unix(), "exp": p.clock().Add(24 * time.Hour).Unix(), "network": "main"}
	vendor := func(change map[string]any) string {
		all := map[string]any{}
		for k, v := range claims {
			all[k] = v
		}
		for k, v := range change {
			all[k] = v
		}
		return jwkstest.SignHMAC("HS256", []byte(appSecret), all)
	}
	ask := func(body string, headers ...string) answer { return p.post("/auth/external/verify", body, headers...) }
	backend := []string{"X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic")}
	a := ask(fmt.Sprintf(`{"token":%q,"issuerId":"vendor"}`, vendor(nil)), backend...)
	p.want(a, 200, "")
	said, _ := a.json["claims"].(map[string]any)
	if a.json["active"] != true || a.str("sub") != "r123" || a.str("client_id") != "app-1" ||
		a.json["exp"] != float64(claims["exp"].(int64)) || said["network"] != "main" || len(a.json) != 5 {
		t.Errorf("answer is %s", a.text)
	}
	for name, body := range map[string]string{
		"another app":       fmt.Sprintf(`{"token":%q,"issuerId":"vendor"}`, vendor(map[string]any{"client_id": "app-2"})),
		"expired":           fmt.Sprintf(`{"token":%q,"issuerId":"vendor"}`, vendor(map[string]any{"exp": p.clock().Add(-time.Hour).Unix()})),
		"no issuer":         fmt.Sprintf(`{"token":%q}`, vendor(nil)),
		"an unknown issuer": fmt.Sprintf(`{"token":%q,"issuerId":"unknown"}`, vendor(nil)),
		"no token":          `{"token":"x"}`,
	} {
		if a := ask(body, backend...); a.status != 200 || a.text != `{"active":false}` {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	p.want(ask(`{"token":"x"}`, "X-API-Key", "web"), 403, exchange.ReasonClientNotAllowed)
	p.want(ask(`{"token":"x"}`, "X-API-Key", "basic"), 401, exchange.ReasonClientUnknown)
	p.want(ask(`{"token":"x"}`, append(backend, "Origin", page)...), 403, exchange.ReasonServerSecretInBrowser)
	m := p.manifest()
	m.Clients[2].Issuers = []string{"acme"}
	p.apply(m)
	if a := ask(fmt.Sprintf(`{"token":%q,"issuerId":"vendor"}`, vendor(nil)), backend...); a.text != `{"active":false}` {
		t.Errorf("an issuer that is not the client's: %s", a.text)
	}
}

// What cannot be known is not a token that is not good.
func TestVerifyWhileIssuerIsDown(t *testing.T) {
	p := newWorld(t)
	p.issuer.Fail(500)
	a := p.post("/auth/external/verify", fmt.Sprintf(`{"token":%q}`, p.idToken()), "X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic"))
	p.want(a, 503, exchange.ReasonIssuerUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// An address that the issuer has not verified is dropped, and the event says so; at
// a refresh too.
func TestDroppedAddressesAreAudited(t *testing.T) {
	for _, row := range []struct {
		verified any
		email    any
	}{{true, "a@acme.com"}, {"true", "a@acme.com"}, {"True", nil}, {false, nil}, {nil, nil}} {
		p := newWorld(t)
		claims := p.issuer.Claims("alice", "web")
		claims["email"], claims["email_verified"] = "a@acme.com", row.verified
		a := p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.issuer.Sign(claims)), "X-API-Key", "web", "Origin", page)
		p.want(a, 200, "")
		b := p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), "X-API-Key", "web", "Origin", page)
		p.want(b, 200, "")
		if a.user("email") != row.email || b.user("email") != row.email {
			t.Errorf("%#v: addresses %v, then %v", row.verified, a.user("email"), b.user("email"))
		}
		for _, e := range p.events() {
			if said := strings.Contains(fmt.Sprint(e["audited"]), "claimMappings.email"); said != (row.email == nil) {
				t.Errorf("%#v: event %v", row.verified, e)
			}
		}
	}
}
