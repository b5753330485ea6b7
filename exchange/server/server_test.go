package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cambio/exchange"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// From an issuer's token to a revoked session, over HTTP with real parts.
func TestExchangeRefreshRevoke(t *testing.T) {
	p := newWorld(t)
	a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web", "scope", "read write"), "Origin", page)
	p.want(a, 200, "")
	if a.str("issued_token_type") != exchange.TypeAccessToken || a.str("token_type") != "Bearer" ||
		a.str("scope") != "read write" || a.json["expires_in"] != 900.0 || a.str("session_id") == "" {
		t.Errorf("answer is %s", a.text)
	}
	if user := a.json["user"].(map[string]any); user["id"] == "" || user["is_new"] != true {
		t.Errorf("user is %v", user)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("tokens may be cached")
	}
	introspect := func(token string) answer {
		return p.form("/oauth/introspect", []string{"token", token}, "Authorization", basicAuth("basic", p.secretOf("basic")))
	}
	i := introspect(a.str("access_token"))
	p.want(i, 200, "")
	if i.json["active"] != true || i.str("client_id") != "web" || i.str("sub") != a.json["user"].(map[string]any)["id"] {
		t.Errorf("introspection is %s", i.text)
	}
	b := p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "web", "refresh_token", a.str("refresh_token")})
	p.want(b, 200, "")
	if b.str("refresh_token") == a.str("refresh_token") || b.str("refresh_token") == "" {
		t.Error("the refresh token did not turn")
	}
	r := p.form("/oauth/revoke", []string{"token", b.str("refresh_token"), "client_id", "web"})
	p.want(r, 200, "")
	if r.text != "" {
		t.Errorf("revocation returns %q", r.text)
	}
	for _, token := range []string{b.str("access_token"), b.str("refresh_token")} {
		if i := introspect(token); i.text != `{"active":false}` {
			t.Errorf("after revocation: %s", i.text)
		}
	}
	p.want(p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "web", "refresh_token", b.str("refresh_token")}),
		400, exchange.ReasonSessionEnded)
	p.want(p.form("/oauth/revoke", []string{"token", "no token of Cambio", "client_id", "web"}), 200, "")
}

func TestNoSecretIsAudited(t *testing.T) {
	p := newWorld(t)
	token := p.idToken()
	a := p.form("/oauth/token", exchangeParams(token, "client_id", "web"))
	p.form("/oauth/token", exchangeParams(token+"x", "client_id", "web"))
	p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "web", "refresh_token", a.str("refresh_token")})
	p.form("/oauth/introspect", []string{"token", a.str("access_token")}, "Authorization", basicAuth("basic", "wrong secret"))
	p.form("/oauth/revoke", []string{"token", a.str("refresh_token"), "client_id", "web"})
	p.post("/auth/external/verify", `{"token":"`+token+`"}`, "X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic"))
	events := p.events()
	if len(events) != 6 {
		t.Errorf("%d events, want 6: %s", len(events), p.audited)
	}
	out := p.audited.String() + p.logged.String()
	for _, secret := range []string{token, a.str("access_token"), a.str("refresh_token"), p.secretOf("basic"), "wrong secret"} {
		for _, part := range strings.Split(secret, ".") {
			if len(part) > 8 && part != a.str("session_id") && strings.Contains(out, part) {
				t.Errorf("%q is in the logs: %s", part, out)
			}
		}
	}
}

func TestAuditEvents(t *testing.T) {
	p := newWorld(t)
	good := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
	bad := p.issuer.Claims("alice", "another user")
	p.form("/oauth/token", exchangeParams(p.issuer.Sign(bad), "client_id", "web"))
	p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "unknown"))
	p.post("/auth/external/verify", `{"token":"x.y.z"}`, "X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic"))
	p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "Origin", evil)
	p.form("/oauth/revoke", []string{"client_id", "web", "token", good.str("refresh_token")})
	e := p.events()
	if len(e) != 6 {
		t.Fatal(p.audited)
	}
	user := good.json["user"].(map[string]any)["id"]
	for name, want := range map[string]any{
		"event": "token", "outcome": "granted", "grant_type": exchange.GrantTokenExchange, "client": "web", "issuer": "acme",
		"subject": "alice", "user": user, "session": good.str("session_id"), "request_id": good.header.Get("X-Request-Id"),
		"address": "127.0.0.1",
	} {
		if e[0][name] != want {
			t.Errorf("%s is %v, want %v", name, e[0][name], want)
		}
	}
	if e[0]["key"] == "" || e[0]["failed"] != nil {
		t.Error(e[0])
	}
	failed, _ := e[1]["failed"].(map[string]any)
	if e[1]["reason"] != string(exchange.ReasonAudienceNotAccepted) || e[1]["outcome"] != "refused" || failed["got"] == nil {
		t.Error(e[1])
	}
	if e[2]["client"] != "unknown" || e[2]["reason"] != string(exchange.ReasonClientUnknown) {
		t.Error(e[2])
	}
	if e[4]["event"] != "token" || e[4]["reason"] != string(exchange.ReasonOriginNotAllowed) || !strings.Contains(e[4]["error"].(string), evil) {
		t.Error(e[4]) // the first thing an operator looks for when a page cannot log in
	}
	if e[5]["event"] != "revoke" || e[5]["client"] != "web" || e[5]["user"] != user || e[5]["session"] != good.str("session_id") {
		t.Error(e[5])
	}
	if e[3]["event"] != "verify" || e[3]["outcome"] != "refused" || e[3]["client"] != "basic" {
		t.Error(e[3])
	}
}

func TestClientByAudience(t *testing.T) {
	p := newWorld(t)
	a := p.form("/oauth/token", exchangeParams(p.idToken()), "Origin", page)
	p.want(a, 200, "")
	if a.header.Get("Access-Control-Allow-Origin") != page {
		t.Error("the page cannot read its answer")
	}
	a = p.form("/oauth/token", exchangeParams(p.idToken()), "Origin", otherPage)
	p.want(a, 403, exchange.ReasonOriginNotAllowed)
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another client's page can read the answer")
	}
	p.want(p.form("/oauth/token", []string{"grant_type", "client_credentials"}), 400, exchange.ReasonParameterMissing)
}

func TestDiscovery(t *testing.T) {
	p := newWorld(t)
	var first string
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		a := p.do("GET", path, "", "Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http")
		p.want(a, 200, "")
		for name, want := range map[string]string{
			"issuer": publicURL, "token_endpoint": publicURL + "/oauth/token", "jwks_uri": publicURL + "/.well-known/jwks.json",
			"revocation_endpoint": publicURL + "/oauth/revoke", "introspection_endpoint": publicURL + "/oauth/introspect",
		} {
			if a.str(name) != want {
				t.Errorf("%s: %s is %q", path, name, a.str(name))
			}
		}
		if strings.Contains(a.text, "evil") {
			t.Error("the request chose a URL")
		}
		if types := a.json["authorization_details_types_supported"]; types != nil {
			t.Errorf("no client may request details, but it has the types %v", types)
		}
		if types, ok := a.json["response_types_supported"].([]any); !ok || len(types) != 0 {
			t.Errorf("response_types_supported is %v", a.json["response_types_supported"])
		}
		if first == "" {
			first = a.text
		}
		if a.text != first {
			t.Error("the two documents differ")
		}
	}
	var parsed oidc.DiscoveryConfiguration
	if err := unmarshal(first, &parsed); err != nil || !slices.Contains(parsed.GrantTypesSupported, oidc.GrantTypeTokenExchange) {
		t.Errorf("%v, %+v", err, parsed)
	}
}

func TestJWKSIsCached(t *testing.T) {
	p := newWorld(t)
	a := p.do("GET", "/.well-known/jwks.json", "")
	p.want(a, 200, "")
	etag := a.header.Get("Etag")
	if keys, _ := a.json["keys"].([]any); len(keys) < 1 || etag == "" || strings.Contains(a.text, `"d"`) {
		t.Error(a.text)
	}
	if cc := a.header.Get("Cache-Control"); cc != "public, max-age=300" {
		t.Error(cc)
	}
	for _, row := range []struct {
		value  string
		status int
	}{
		{etag, 304}, {"W/" + etag, 304}, {`"x", ` + etag, 304}, {"*", 304}, {`"x"`, 200}, {strings.Trim(etag, `"`), 200},
	} {
		b := p.do("GET", "/.well-known/jwks.json", "", "If-None-Match", row.value)
		if b.status != row.status || b.status == 304 && (b.text != "" || b.header.Get("Etag") != etag) {
			t.Errorf("%s: %d", row.value, b.status)
		}
	}
	if h := p.do("HEAD", "/.well-known/jwks.json", ""); h.status != 200 || h.text != "" || h.header.Get("Etag") != etag {
		t.Error("HEAD is not GET without a body")
	}
}

func TestUnderAPath(t *testing.T) {
	p := newWorld(t, withIssuer("https://id.example/tenant/one"))
	for _, path := range []string{
		"/tenant/one/.well-known/openid-configuration",       // OpenID Connect Discovery 1.0 §4.1
		"/.well-known/oauth-authorization-server/tenant/one", // RFC 8414 §3.1
		"/.well-known/openid-configuration/tenant/one",       // RFC 8414 §5
		"/.well-known/openid-configuration",                  // behind a proxy that strips the path
	} {
		a := p.do("GET", path, "")
		if a.status != 200 || a.str("token_endpoint") != "https://id.example/tenant/one/oauth/token" {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	p.want(p.form("/tenant/one/oauth/token", nil), 400, exchange.ReasonParameterMissing)
	p.want(p.do("GET", "/.well-known/oauth-authorization-server/tenant/two", ""), 404, exchange.ReasonNotFound)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	p := newWorld(t)
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/oauth//token", 404, ""},
		{"POST", "/oauth/token/", 404, ""},
		{"POST", "/x/../oauth/token", 404, ""},
		{"POST", "/OAUTH/TOKEN", 404, ""},
		{"GET", "/oauth/token", 405, "POST, OPTIONS"},
		{"PUT", "/oauth/introspect", 405, "POST"},
		{"POST", "/.well-known/jwks.json", 405, "GET, HEAD, OPTIONS"},
		{"DELETE", "/livez", 405, "GET, HEAD"},
		{"OPTIONS", "/oauth/token", 405, "POST, OPTIONS"}, // no preflight
	} {
		a := p.do(row.method, row.path, "")
		code := exchange.ReasonNotFound
		if row.status == 405 {
			code = exchange.ReasonMethodNotAllowed
		}
		p.want(a, row.status, code)
		if got := a.header.Get("Allow"); got != row.allow {
			t.Errorf("%s %s: Allow is %q", row.method, row.path, got)
		}
	}
}

func TestHealth(t *testing.T) {
	broken := false
	p := newWorld(t, withReady(&broken))
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		if a := p.do("GET", path, ""); a.status != 200 || a.text != "ok\n" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q", path, a.status, a.text)
		}
	}
	if a := p.do("GET", "/readyz?verbose", ""); a.text != "[+] store\n[+] clock\nok\n" {
		t.Errorf("%q", a.text)
	}
	broken = true
	if a := p.do("GET", "/readyz?verbose", ""); a.status != 503 || a.text != "[-] store\n[+] clock\nnot ready\n" {
		t.Errorf("%d %q", a.status, a.text)
	}
	if a := p.do("GET", "/livez", ""); a.status != 200 {
		t.Error("the process is taken for dead while its store is down")
	}
	broken = false
	p.server.Drain()
	if a := p.do("GET", "/readyz", ""); a.status != 503 {
		t.Error("ready while draining")
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
}

func TestMetrics(t *testing.T) {
	p := newWorld(t)
	p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
	for range 3 {
		p.form("/oauth/token", exchangeParams("x", "client_id", "web"))
		p.do("GET", "/made/up/"+http.MethodGet, "")
	}
	for _, origin := range []string{page, page, evil} {
		p.do("OPTIONS", "/oauth/token", "", "Origin", origin, "Access-Control-Request-Method", "POST")
	}
	for _, token := range []string{p.idToken(), "x", "y"} {
		p.post("/auth/external/verify", fmt.Sprintf(`{"token":%q}`, token), "X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic"))
	}
	outcomes := map[string]float64{}
	for _, family := range must(p.metrics.Gather()) {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			outcomes[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"cambio_requests_total token granted":                 1,
		"cambio_requests_total token SUBJECT_TOKEN_MALFORMED": 3,
		"cambio_requests_total unknown NOT_FOUND":             3,
		"cambio_request_duration_seconds token":               4,
		"cambio_requests_total preflight granted":             2,
		"cambio_requests_total preflight ORIGIN_NOT_ALLOWED":  1,

		"cambio_requests_total verify granted":                 1,
		"cambio_requests_total verify SUBJECT_TOKEN_MALFORMED": 2,
	} {
		if outcomes[name] != want {
			t.Errorf("%s is %v, want %v", name, outcomes[name], want)
		}
	}
	if _, ok := outcomes["cambio_requests_in_flight"]; !ok {
		t.Error("no gauge of requests in flight")
	}
}
