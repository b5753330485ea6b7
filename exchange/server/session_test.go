package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
)

// backends are confidential clients that speak of their users: shop and desk
// of their own, corp of those of issuer acme.
func (p *world) backends() exchange.Manifest {
	m := p.manifest()
	for _, id := range []string{"shop", "desk", "corp"} {
		c := m.Clients[0]
		c.ID, c.Auth, c.Proofs, c.Issuers = id, exchange.AuthSecretBasic, []string{"user-assertion"}, nil
		c.Origins, c.PageRefresh = []string{"https://" + id + ".example"}, true
		if id == "corp" {
			c.AsIssuer, c.Issuers = "acme", []string{"acme"}
		}
		m.Clients = append(m.Clients, c)
	}
	return m
}

// newBackends is a party with these clients, and a secret of each.
func newBackends(t *testing.T) (p *world, secrets map[string]string) {
	t.Helper()
	p = newWorld(t, patient)
	p.apply(p.backends())
	secrets = map[string]string{}
	for _, id := range []string{"shop", "desk", "corp"} {
		secrets[id] = p.newSecret(id)
	}
	return p, secrets
}

// inject posts a body to the session endpoint.
func (p *world) inject(client, secret, body string, headers ...string) answer {
	p.Helper()
	return p.post("/auth/external/session", body, append([]string{"X-API-Key", client, "X-Acme-Server-Secret", secret}, headers...)...)
}

func (a answer) user(name string) any {
	u, _ := a.json["user"].(map[string]any)
	return u[name]
}

func TestSession(t *testing.T) {
	p, secrets := newBackends(t)
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"u-1","email":"u1@example.com","emailVerified":true,"name":"U <1>","scope":"read write"}`)
	p.want(a, 200, "")
	if a.str("accessToken") == "" || a.str("refreshToken") == "" || a.json["expiresIn"] != 900.0 || a.str("tokenType") != "Bearer" || a.str("sessionId") == "" ||
		a.user("id") == "" || a.user("externalUserId") != "u-1" || a.user("email") != "u1@example.com" || a.user("isNew") != true || len(a.json) != 6 {
		t.Errorf("answer is %s", a.text)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("tokens may be cached")
	}
	again := p.inject("shop", secrets["shop"], `{"externalUserId":"u-1","email":null}`)
	p.want(again, 200, "")
	if again.user("id") != a.user("id") || again.user("isNew") != false || again.user("email") != nil || again.str("sessionId") == a.str("sessionId") {
		t.Errorf("the second time %s", again.text)
	}
	unverified := p.inject("shop", secrets["shop"], `{"externalUserId":"u-2","email":"u1@example.com"}`)
	p.want(unverified, 200, "")
	if unverified.user("id") == a.user("id") || unverified.user("email") != nil {
		t.Errorf("the same e-mail, not verified: %s", unverified.text)
	}
	p.auditedSessions(secrets["shop"])
}

// A backend that lost an answer gets it again, instead of a second session.
func TestSessionReplay(t *testing.T) {
	p, secrets := newBackends(t)
	ask := func(key string) answer {
		return p.inject("shop", secrets["shop"], `{"externalUserId":"u"}`, "Idempotency-Key", key)
	}
	a, b, c := ask("k1"), ask("k1"), ask("k2")
	if a.status != 200 || a.text != b.text || c.str("sessionId") == a.str("sessionId") {
		t.Errorf("%s, %s and %s", a.text, b.text, c.text)
	}
}

func (p *world) auditedSessions(secret string) {
	p.Helper()
	id := p.registry.CheckSecret(p.registry.Snapshot().Client("shop").Client, secret, p.clock())
	events := p.events()
	if len(events) != 3 {
		p.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e["event"] != "token" || e["outcome"] != "granted" || e["client"] != "shop" || e["issuer"] != "client:shop" || e["subject"] != "u-1" || e["key"] != id {
		p.Errorf("event %v", e)
	}
}

// The endpoint is the token exchange under another name: neither has a rule that
// the other lacks.
func TestSessionIsTokenExchange(t *testing.T) {
	p, secrets := newBackends(t)
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"ü\"1"}`)
	p.want(a, 200, "")
	b := p.form("/oauth/token", []string{
		"grant_type", exchange.GrantTokenExchange, "subject_token_type", exchange.TypeUserAssertion,
		"subject_token", "eyJleHRlcm5hbFVzZXJJZCI6IsO8XCIxIn0",
	}, "Authorization", basicAuth("shop", secrets["shop"]))
	p.want(b, 200, "")
	if b.user("id") != a.user("id") || a.user("externalUserId") != `ü"1` {
		t.Errorf("%s and %s", a.text, b.text)
	}
}

// A number is its digits, so that a backend may send either.
func TestSessionTakesNumericUserIDs(t *testing.T) {
	p, secrets := newBackends(t)
	first := p.inject("shop", secrets["shop"], `{"externalUserId":42,"scope":["read","write"],"emailVerified":"true"}`)
	p.want(first, 200, "")
	again := p.inject("shop", secrets["shop"], `{"externalUserId":"42"}`)
	p.want(again, 200, "")
	if first.user("externalUserId") != "42" || first.user("id") != again.user("id") {
		t.Errorf("%s is another user than %s", first.text, again.text)
	}
}

func TestSessionRefuses(t *testing.T) {
	p, secrets := newBackends(t)
	good := `{"externalUserId":"u"}`
	for _, row := range []struct {
		name, client, secret, body string
		status                     int
		code                       exchange.Reason
		says                       string
	}{
		{"good", "shop", secrets["shop"], good, 200, "", ""},
		{"a public client", "web", "", good, 403, exchange.ReasonClientNotAllowed, ""},
		{"a public client with a secret", "web", secrets["shop"], good, 401, exchange.ReasonClientAuthenticationFailed, ""},
		{"a client without the proof", "basic", p.secretOf("basic"), good, 400, exchange.ReasonSubjectTokenTypeNotAccepted, ""},
		{"no secret", "shop", "", good, 401, exchange.ReasonClientUnknown, ""},
		{"another client's secret", "shop", secrets["desk"], good, 401, exchange.ReasonClientAuthenticationFailed, ""},
		{"unknown", "unknown", secrets["shop"], good, 401, exchange.ReasonClientAuthenticationFailed, ""},
		{"no user", "shop", secrets["shop"], `{}`, 400, exchange.ReasonParameterMissing, "externalUserId is missing"},
		{"null for a user", "shop", secrets["shop"], `{"externalUserId":null}`, 400, exchange.ReasonParameterMissing, "externalUserId is missing"},
		{"an empty user", "shop", secrets["shop"], `{"externalUserId":""}`, 400, exchange.ReasonParameterMissing, "externalUserId is missing"},
		{"a user that is a list", "shop", secrets["shop"], `{"externalUserId":[7]}`, 400, exchange.ReasonParameterInvalid, "externalUserId is not a string"},
		{"an e-mail that is an object", "shop", secrets["shop"], `{"externalUserId":"u","email":{}}`, 400, exchange.ReasonParameterInvalid, "email is not a string"},
		{"a name that is a list", "shop", secrets["shop"], `{"externalUserId":"u","name":[]}`, 400, exchange.ReasonParameterInvalid, "name is not a string"},
		{"a flag in another spelling", "shop", secrets["shop"], `{"externalUserId":"u","emailVerified":"True"}`, 400, exchange.ReasonParameterInvalid, "emailVerified is neither true nor false"},
		{"an unknown member", "shop", secrets["shop"], `{"externalUserId":"u","role":"admin"}`, 400, exchange.ReasonParameterInvalid, `member 'role' is not known here`},
		{"a member in another case", "shop", secrets["shop"], `{"externaluserid":"u"}`, 400, exchange.ReasonParameterInvalid, ""},
		{"a member twice", "shop", secrets["shop"], `{"externalUserId":"u","externalUserId":"v"}`, 400, exchange.ReasonParameterRepeated, "member externalUserId is repeated"},
		{"a long user", "shop", secrets["shop"], fmt.Sprintf(`{"externalUserId":%q}`, strings.Repeat("u", 256)), 400, exchange.ReasonSubjectTokenClaimInvalid, ""},
		{"the longest user", "shop", secrets["shop"], fmt.Sprintf(`{"externalUserId":%q}`, strings.Repeat("u", 255)), 200, "", ""},
		{"a user with a line break", "shop", secrets["shop"], `{"externalUserId":"u\nv"}`, 400, exchange.ReasonSubjectTokenClaimInvalid, ""},
		{"a scope that is not the client's", "shop", secrets["shop"], `{"externalUserId":"u","scope":"admin"}`, 400, exchange.ReasonScopeNotAllowed, ""},
		{"too long", "shop", secrets["shop"], fmt.Sprintf(`{"externalUserId":"u","name":%q}`, strings.Repeat("n", 20000)), 400, exchange.ReasonSubjectTokenMalformed, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := []string{"X-API-Key", row.client}
			if row.secret != "" {
				headers = append(headers, "X-Server-Secret", row.secret)
			}
			a := p.post("/auth/external/session", row.body, headers...)
			if p.want(a, row.status, row.code); row.says != "" && a.str("error_description") != row.says {
				t.Errorf("says %q", a.str("error_description"))
			}
		})
	}
}

// The endpoint is for backends: no page may call it, nor read what it returns.
func TestSessionRefusesBrowsers(t *testing.T) {
	p, secrets := newBackends(t)
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"u"}`, "Origin", "https://shop.example")
	if p.want(a, 403, exchange.ReasonServerSecretInBrowser); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a page can read the answer")
	}
	bare := p.post("/auth/external/session", `{"externalUserId":"u"}`, "X-API-Key", "shop", "Origin", "https://shop.example")
	p.want(bare, 403, exchange.ReasonOriginNotAllowed)
	pre := p.do("OPTIONS", "/auth/external/session", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	if pre.status != 405 || pre.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight is answered %d %v", pre.status, pre.header)
	}
}

func TestNamespacesOfBackends(t *testing.T) {
	p, secrets := newBackends(t)
	ids := map[string]any{}
	for client, secret := range secrets {
		a := p.inject(client, secret, `{"externalUserId":"alice","email":"alice@example.com","emailVerified":true}`)
		p.want(a, 200, "")
		ids[client] = a.user("id")
	}
	own := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
	p.want(own, 200, "")
	if ids["shop"] == ids["desk"] || ids["shop"] == ids["corp"] || ids["desk"] == ids["corp"] {
		t.Errorf("users %v", ids)
	}
	if own.user("id") != ids["corp"] || own.user("is_new") != false {
		t.Errorf("the issuer's alice is %v, corp's is %v", own.user("id"), ids["corp"])
	}
}

// What the registration no longer says ends what it let in, at the next refresh.
func TestSessionsEndWithTheirProof(t *testing.T) {
	for name, change := range map[string]func(*exchange.Client){
		"no proofs": func(c *exchange.Client) { c.Proofs, c.AsIssuer = nil, "" },
		"another proof": func(c *exchange.Client) {
			c.Proofs, c.AsIssuer, c.AuthKeys = []string{"otp"}, "", &exchange.AuthKeys{SigningKeys: publicPEM(&requestKey().PublicKey)}
		},
		"in its own namespace":   func(c *exchange.Client) { c.AsIssuer = "" },
		"as another issuer":      func(c *exchange.Client) { c.AsIssuer, c.Issuers = "vendor", []string{"acme", "vendor"} },
		"not of the issuer also": func(c *exchange.Client) { c.AsIssuer, c.Issuers = "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			p, secrets := newBackends(t)
			a := p.inject("corp", secrets["corp"], `{"externalUserId":"alice"}`)
			p.want(a, 200, "")
			refresh := func(token string) answer {
				return p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, token), "X-API-Key", "corp", "X-Server-Secret", secrets["corp"])
			}
			b := refresh(a.str("refreshToken"))
			p.want(b, 200, "")
			m := p.backends()
			change(&m.Clients[len(m.Clients)-1])
			p.apply(m)
			p.want(refresh(b.str("refreshToken")), 400, exchange.ReasonSessionEnded)
		})
	}
	p, secrets := newBackends(t)
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"alice"}`)
	m := p.backends()
	shop := &m.Clients[len(m.Clients)-3]
	shop.AsIssuer, shop.Issuers = "acme", []string{"acme"}
	p.apply(m)
	p.want(p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), "X-API-Key", "shop", "X-Server-Secret", secrets["shop"]),
		400, exchange.ReasonSessionEnded)
}

// The page's half: it sets the session that its backend made, refreshes it and
// logs out, with the client's name alone.
func TestPagesRefresh(t *testing.T) {
	p, secrets := newBackends(t)
	const shopPage = "https://shop.example"
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"u"}`)
	p.want(a, 200, "")
	token := a.str("refreshToken")
	body := func() string { return fmt.Sprintf(`{"refreshToken":%q}`, token) }
	for _, row := range []struct {
		name    string
		headers []string
		status  int
		code    exchange.Reason
	}{
		{"no origin", nil, 401, exchange.ReasonClientUnknown},
		{"a page of no client", []string{"Origin", evil}, 403, exchange.ReasonOriginNotAllowed},
		{"null", []string{"Origin", "null"}, 403, exchange.ReasonOriginNotAllowed},
		{"another client's page", []string{"Origin", "https://desk.example"}, 401, exchange.ReasonClientUnknown},
		{"a longer host", []string{"Origin", shopPage + ".attacker.test"}, 403, exchange.ReasonOriginNotAllowed},
		{"two origins", []string{"Origin", shopPage, "Origin", shopPage}, 400, exchange.ReasonRequestMalformed},
		{"its page with a wrong secret", []string{"Origin", shopPage, "X-Server-Secret", "x"}, 403, exchange.ReasonServerSecretInBrowser},
	} {
		for _, path := range []string{"/auth/refresh", "/auth/logout"} {
			t.Run(row.name+path, func(t *testing.T) {
				p := p.in(t)
				p.want(p.post(path, body(), append([]string{"X-API-Key", "shop"}, row.headers...)...), row.status, row.code)
			})
		}
	}
	foreign := p.post("/auth/refresh", body(), "X-API-Key", "desk", "Origin", "https://desk.example")
	p.want(foreign, 400, exchange.ReasonRefreshTokenInvalid)
	for range 3 {
		b := p.post("/auth/refresh", body(), "X-API-Key", "shop", "Origin", shopPage)
		p.want(b, 200, "")
		if b.str("refreshToken") == token || b.str("sessionId") != a.str("sessionId") || b.header.Get("Access-Control-Allow-Origin") != shopPage {
			t.Errorf("refreshed to %s, allowing %q", b.text, b.header.Get("Access-Control-Allow-Origin"))
		}
		token = b.str("refreshToken")
	}
	p.want(p.post("/auth/logout", body(), "X-API-Key", "shop", "Origin", shopPage), 200, "")
	p.want(p.post("/auth/refresh", body(), "X-API-Key", "shop", "Origin", shopPage), 400, exchange.ReasonSessionEnded)
}

// Pages may do no more than that, and only where the registration says so.
func TestPagesMayOnlyRefresh(t *testing.T) {
	p, secrets := newBackends(t)
	const shopPage = "https://shop.example"
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"u"}`)
	refresh := []string{"grant_type", "refresh_token", "refresh_token", a.str("refreshToken"), "client_id", "shop"}
	p.want(p.form("/oauth/token", refresh, "Origin", shopPage), 401, exchange.ReasonClientUnknown)
	p.want(p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), "X-API-Key", "shop", "Origin", shopPage), 401, exchange.ReasonClientUnknown)
	m := p.backends()
	m.Clients[len(m.Clients)-3].PageRefresh = false
	p.apply(m)
	body := fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken"))
	p.want(p.post("/auth/refresh", body, "X-API-Key", "shop", "Origin", shopPage), 401, exchange.ReasonClientUnknown)
	p.want(p.post("/auth/refresh", body, "X-API-Key", "shop", "X-Server-Secret", secrets["shop"]), 200, "")
}

// Of 64 first calls at once each gets a session, and all of them the same user.
func TestParallelFirstCallsMakeOneUser(t *testing.T) {
	p, secrets := newBackends(t)
	const callers = 64
	answers := make([]answer, callers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			<-start
			answers[i] = p.inject("shop", secrets["shop"], `{"externalUserId":"first","name":"First"}`)
		})
	}
	close(start)
	all.Wait()
	users, sessions, made := map[any]int{}, map[string]bool{}, 0
	for _, a := range answers {
		p.want(a, 200, "")
		users[a.user("id")]++
		sessions[a.str("sessionId")] = true
		if a.user("isNew") == true {
			made++
		}
	}
	if len(users) != 1 || len(sessions) != callers || made != 1 {
		t.Errorf("%d users, %d sessions, made %d times", len(users), len(sessions), made)
	}
	stored, _, err := p.users.List(t.Context(), "", 10)
	if err != nil || len(stored) != 1 || stored[0].Name != "First" {
		t.Errorf("stored %v %v", stored, err)
	}
}

// Two secrets live while one takes the other's place; one that is revoked is
// refused from the next request on.
func TestSecretsOfBackendsRotate(t *testing.T) {
	p, secrets := newBackends(t)
	old := secrets["shop"]
	next := p.newSecret("shop")
	ask := func(secret string) answer { return p.inject("shop", secret, `{"externalUserId":"u"}`) }
	p.want(ask(old), 200, "")
	p.want(ask(next), 200, "")
	p.pass(24*time.Hour + time.Second)
	p.want(ask(old), 401, exchange.ReasonClientAuthenticationFailed)
	p.want(ask(next), 200, "")
	id := p.registry.CheckSecret(p.registry.Snapshot().Client("shop").Client, next, p.clock())
	if err := p.registry.RevokeSecret(t.Context(), "shop", id, p.clock()); err != nil {
		t.Fatal(err)
	}
	p.want(ask(next), 401, exchange.ReasonClientAuthenticationFailed)
}
