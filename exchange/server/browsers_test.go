package server_test

import (
	"strings"
	"testing"

	"cambio/exchange"
)

// Origins that may call, and pages that may read the response.
func TestOrigins(t *testing.T) {
	p := newWorld(t)
	for _, row := range []struct {
		name, client, origin string
		status               int
		code                 exchange.Reason
		readable             bool
	}{
		{"no browser", "web", "", 200, "", false},
		{"the client's page", "web", page, 200, "", true},
		{"another client's page", "web", otherPage, 403, exchange.ReasonOriginNotAllowed, false},
		{"a page of no client", "web", evil, 403, exchange.ReasonOriginNotAllowed, false},
		{"null", "web", "null", 403, exchange.ReasonOriginNotAllowed, false},
		{"another port", "web", page + ":8443", 403, exchange.ReasonOriginNotAllowed, false},
		{"another scheme", "web", strings.Replace(page, "https", "http", 1), 403, exchange.ReasonOriginNotAllowed, false},
		{"in capitals", "web", strings.ToUpper(page), 403, exchange.ReasonOriginNotAllowed, false},
		{"with a slash", "web", page + "/", 403, exchange.ReasonOriginNotAllowed, false},
		{"a longer host", "web", page + ".attacker.test", 403, exchange.ReasonOriginNotAllowed, false},
		{"two origins in one header", "web", page + " " + evil, 403, exchange.ReasonOriginNotAllowed, false},
		{"an unknown client on a client's page", "unknown", page, 401, exchange.ReasonClientUnknown, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := []string{}
			if row.origin != "" {
				headers = []string{"Origin", row.origin}
			}
			a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", row.client), headers...)
			p.want(a, row.status, row.code)
			allowed, exposed := a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Expose-Headers")
			if row.readable && (allowed != row.origin || exposed != "DPoP-Nonce, WWW-Authenticate, Retry-After") || !row.readable && allowed+exposed != "" {
				t.Errorf("allows %q, exposes %q", allowed, exposed)
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		})
	}
	two := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", page, "Origin", page)
	p.want(two, 400, exchange.ReasonRequestMalformed)
}

// Errors that come before the client is known can be read by pages too: what
// has to wait must be told.
func TestPagesReadEarlyErrors(t *testing.T) {
	p := newWorld(t)
	a := p.do("POST", "/oauth/token", "", "Origin", page)
	p.want(a, 415, exchange.ReasonMediaTypeNotSupported)
	if a.header.Get("Access-Control-Allow-Origin") != page {
		t.Error("the page cannot read why")
	}
}

func TestPublicDocumentsFromPages(t *testing.T) {
	p := newWorld(t)
	for origin, want := range map[string]string{page: page, otherPage: otherPage, evil: "", "null": ""} {
		a := p.do("GET", "/.well-known/jwks.json", "", "Origin", origin)
		p.want(a, 200, "")
		if got := a.header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: allows %q", origin, got)
		}
	}
	if a := p.do("GET", "/livez", "", "Origin", page); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("/livez is for no page")
	}
}

func TestPreflight(t *testing.T) {
	p := newWorld(t)
	for _, row := range []struct {
		name, path, origin, headers string
		good                        bool
	}{
		{"token", "/oauth/token", page, "", true},
		{"every header that is allowed", "/oauth/token", page, "authorization,content-type,dpop,idempotency-key,x-api-key,x-client-session-id", true},
		{"another client's page", "/auth/external/exchange", otherPage, "content-type,x-api-key", true},
		{"a page of no client", "/oauth/token", evil, "", false},
		{"null", "/oauth/token", "null", "", false},
		{"an unknown header", "/oauth/token", page, "x-server-secret", false},
		{"where browsers have no business", "/oauth/introspect", page, "", false},
		{"nor here", "/auth/external/verify", page, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			headers := []string{"Origin", row.origin, "Access-Control-Request-Method", "POST"}
			if row.headers != "" {
				headers = append(headers, "Access-Control-Request-Headers", row.headers)
			}
			a := p.do("OPTIONS", row.path, "", headers...)
			allowed := a.header.Get("Access-Control-Allow-Origin")
			if good := a.status < 300 && allowed == row.origin && a.header.Get("Access-Control-Allow-Headers") == row.headers; good != row.good {
				t.Errorf("%d %v", a.status, a.header)
			}
			if !row.good && allowed != "" {
				t.Errorf("allows %q", allowed)
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		})
	}
}

// Origins change with the registry, without a restart.
func TestOriginsFollowTheRegistry(t *testing.T) {
	p := newWorld(t)
	preflight := func(origin string) bool {
		return p.do("OPTIONS", "/oauth/token", "", "Origin", origin, "Access-Control-Request-Method", "POST").status < 300
	}
	m := p.manifest()
	const moved = "https://moved.example"
	m.Clients[0].Origins = []string{moved}
	p.apply(m)
	if !preflight(moved) {
		t.Error("the new origin is not known")
	}
	m.Clients[0].Origins, m.Clients[1].Origins, m.Clients[3].Origins = nil, nil, nil
	p.apply(m)
	for _, origin := range []string{moved, page, evil} {
		if preflight(origin) {
			t.Errorf("%s is allowed where no client has an origin", origin)
		}
		p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", origin), 403, exchange.ReasonOriginNotAllowed)
	}
}

// Where browsers have no business, a page can do nothing, not even use up the
// attempts of its visitor's address.
func TestAForeignPageCannotLockOutItsVisitor(t *testing.T) {
	p := newWorld(t)
	for range 20 {
		p.want(p.form("/oauth/token", exchangeParams("x", "client_id", "unknown"), "Origin", evil), 403, exchange.ReasonOriginNotAllowed)
		p.want(p.form("/oauth/introspect", []string{"token", "x"}, "Origin", page), 403, exchange.ReasonOriginNotAllowed)
		p.want(p.post("/auth/external/verify", `{}`, "Origin", "null"), 403, exchange.ReasonOriginNotAllowed)
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", page), 200, "")
}
