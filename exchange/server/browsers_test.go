package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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
			if row.readable && (allowed != row.origin || exposed != "DPoP-Nonce, WWW-Authenticate, Retry-After, X-Request-Id") || !row.readable && allowed+exposed != "" {
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

// Discovery and keys are public: a page of any origin may read them, with any header.
func TestPublicDocumentsFromPages(t *testing.T) {
	p := newWorld(t)
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		for _, origin := range []string{page, evil, "null"} {
			a := p.do("GET", path, "", "Origin", origin)
			p.want(a, 200, "")
			if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("%s: allows %q", origin, got)
			}
			a = p.do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "traceparent")
			if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Headers") != "traceparent" {
				t.Errorf("a preflight of %s: %d %v", origin, a.status, a.header)
			}
		}
	}
	if a := p.do("GET", "/livez", "", "Origin", page); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("/livez is for no page")
	}
}

// A wildcard is for one label, of pages and of preflights alike.
func TestWildcardOrigins(t *testing.T) {
	p := newWorld(t)
	m := p.manifest()
	m.Clients[0].Origins = []string{"https://*.preview.example.com", "capacitor://localhost"}
	p.apply(m)
	for origin, want := range map[string]int{
		"https://pr-7.preview.example.com": 200, "capacitor://localhost": 200,
		"https://a.b.preview.example.com": 403, "https://preview.example.com": 403, page: 403,
	} {
		a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", origin)
		if a.status != want || want == 200 && a.header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: got %d %s, %v", origin, a.status, a.text, a.header)
		}
		if origin == page { // which another client has
			continue
		}
		preflight := p.do("OPTIONS", "/oauth/token", "", "Origin", origin, "Access-Control-Request-Method", "POST")
		if (preflight.status == 204) != (want == 200) {
			t.Errorf("a preflight of %s: got %d", origin, preflight.status)
		}
	}
}

// The operator reads once a minute which origin is missing, and what to add.
func TestRefusedPreflightsAreAudited(t *testing.T) {
	p := newWorld(t)
	preflight := func(origin string) answer {
		return p.do("OPTIONS", "/oauth/token", "", "Origin", origin, "Access-Control-Request-Method", "POST")
	}
	preflight(page)
	var ids []string
	for range 3 {
		for range 20 {
			p.want(preflight(evil), 403, exchange.ReasonOriginNotAllowed)
		}
		p.pass(time.Minute)
		a := preflight(evil)
		ids = append(ids, a.header.Get("X-Request-Id"))
	}
	preflight("https://other.test")
	var origins, found []string
	for _, e := range p.events() {
		if e["event"] != "preflight" {
			t.Errorf("event %v", e)
			continue
		}
		origins = append(origins, e["error"].(string))
		found = append(found, e["request_id"].(string))
	}
	if len(origins) != 5 || !strings.Contains(origins[0], `origins: ["`+evil+`"]`) || !strings.Contains(origins[4], "https://other.test") {
		t.Errorf("got %q, want one for each minute, and one of the other origin", origins)
	}
	if !slices.Equal(found[1:4], ids) {
		t.Errorf("the events are of %q, want the first of each minute: %q", found, ids)
	}
}

// A foreign page cannot fill the audit log.
func TestForeignPagesAreSampled(t *testing.T) {
	p := newWorld(t)
	for range 200 {
		p.want(p.form("/oauth/token", exchangeParams("x", "client_id", "web"), "Origin", evil), 403, exchange.ReasonOriginNotAllowed)
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
	refused, suppressed, granted := 0, 0, 0
	for _, e := range p.events() {
		n, _ := e["suppressed"].(float64)
		suppressed += int(n)
		switch {
		case e["outcome"] == "granted":
			granted++
		case e["request_id"] != nil:
			refused++
		}
	}
	if refused != 20 || suppressed != 180 || granted != 1 {
		t.Errorf("%d refusals are written, %d counted, %d grants written; want 20, 180, 1", refused, suppressed, granted)
	}
}

// Programs add the token of an earlier login to every request of a page. Where a
// public client's ID is enough it means nothing.
func TestOldBearerTokensAreIgnored(t *testing.T) {
	p := newWorld(t)
	for _, header := range []string{"Bearer old", "bearer " + p.idToken(), "Bearer", "Bearer undefined", "DPoP old", "", "old"} {
		a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", page, "Authorization", header)
		p.want(a, 200, "")
		p.want(p.form("/oauth/token", exchangeParams(p.idToken()), "Origin", page, "Authorization", header), 200, "")
		p.want(p.form("/oauth/revoke", []string{"token", a.str("access_token"), "client_id", "web"}, "Authorization", header), 200, "")
		b := p.post("/auth/external/exchange", `{"token":"`+p.idToken()+`"}`, "X-API-Key", "web", "Origin", page, "Authorization", header)
		p.want(b, 200, "")
		b = p.post("/auth/refresh", `{"refreshToken":"`+b.str("refreshToken")+`"}`, "X-API-Key", "web", "Authorization", header)
		p.want(b, 200, "")
		p.want(p.post("/auth/logout", `{"refreshToken":"`+b.str("refreshToken")+`"}`, "X-API-Key", "web", "Authorization", header), 200, "")

		p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "basic"), "Authorization", header), 401, exchange.ReasonClientUnknown)
	}
	p.want(p.form("/oauth/introspect", []string{"token", "x"}, "Authorization", "Bearer old"), 401, exchange.ReasonClientAuthenticationFailed)
}

// A browser that gets a Basic challenge asks its user for a password.
func TestPagesGetNoBasicChallenge(t *testing.T) {
	p := newWorld(t)
	for _, row := range []struct {
		headers []string
		want    bool
	}{
		{nil, true},
		{[]string{"Origin", page}, false},
		{[]string{"Origin", evil}, false},
		{[]string{"Sec-Fetch-Site", "same-origin"}, false},
	} {
		for _, auth := range [][]string{nil, {"Authorization", basicAuth("basic", "guess")}} {
			for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/nowhere"} {
				a := p.form(path, []string{"token", "x", "client_id", "basic"}, append(auth, row.headers...)...)
				if got := a.header.Get("WWW-Authenticate"); strings.Contains(got, "Basic") != (row.want && a.status == 401) {
					t.Errorf("%s with %q: %d, WWW-Authenticate %q", path, row.headers, a.status, got)
				}
			}
		}
	}
}

// A public client that sends a secret is told not to; its ID is known anyway.
func TestPublicClientsAreToldToSendNoSecret(t *testing.T) {
	p := newWorld(t, patient)
	exchangeJSON := func(headers ...string) answer {
		return p.post("/auth/external/exchange", `{"token":"x"}`, append(headers, "X-API-Key", "web")...)
	}
	for want, a := range map[string]answer{
		"client web is public: send no client_secret": p.form("/oauth/token", exchangeParams("x", "client_id", "web", "client_secret", "s")),
		"client web is public: send no client_assertion": p.form("/oauth/token", exchangeParams("x", "client_id", "web",
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", p.idToken())),
		"client web is public: send no Basic credentials, and its ID as client_id": p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("web", "s")),
		"client web is public: send no Basic credentials, and its ID as X-API-Key": exchangeJSON("Authorization", basicAuth("web", "s")),
		"client web is public: send no secret in a header":                         exchangeJSON("X-Server-Secret", "s"),
	} {
		p.want(a, 401, exchange.ReasonClientAuthenticationFailed)
		if got := a.str("error_description"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPreflight(t *testing.T) {
	p := newWorld(t)
	for _, row := range []struct {
		name, path, origin, headers string
		good                        bool
	}{
		{"token", "/oauth/token", page, "", true},
		{"headers of the API", "/oauth/token", page, "authorization,content-type,dpop,idempotency-key,x-api-key,x-client-session-id", true},
		{"headers of a tracer", "/oauth/token", page, "baggage,sentry-trace,traceparent,tracestate", true},
		{"another client's page", "/auth/external/exchange", otherPage, "content-type,x-api-key", true},
		{"a page of no client", "/oauth/token", evil, "", false},
		{"null", "/oauth/token", "null", "", false},
		{"a header that is refused later", "/oauth/token", page, "x-server-secret", true},
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
