package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/jwkstest"
)

func TestTenFailuresThenOneAMinute(t *testing.T) {
	p := newWorld(t)
	attempt := func(token string) answer {
		return p.form("/oauth/token", exchangeParams(token, "client_id", "web"), "Origin", page)
	}
	for range 10 {
		p.want(attempt("x"), 400, exchange.ReasonSubjectTokenMalformed)
	}
	for range 40 {
		a := attempt("x")
		p.want(a, 429, exchange.ReasonTooManyFailures)
		if a.header.Get("Retry-After") != "60" || a.header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("headers are %v", a.header)
		}
	}
	for _, path := range []string{"/oauth/revoke", "/oauth/introspect"} {
		p.want(p.form(path, []string{"token", "x", "client_id", "unknown"}), 429, exchange.ReasonTooManyFailures)
	}
	for _, path := range []string{"/auth/external/exchange", "/auth/refresh", "/auth/logout", "/auth/external/verify"} {
		p.want(p.post(path, `{}`), 429, exchange.ReasonTooManyFailures)
	}
	if a := p.do("GET", "/.well-known/jwks.json", ""); a.status != 200 {
		t.Error("public documents are limited")
	}
	p.pass(time.Minute)
	p.want(attempt("x"), 400, exchange.ReasonSubjectTokenMalformed)
	p.want(attempt("x"), 429, exchange.ReasonTooManyFailures)
}

// However many failures an address has, a valid proof from it is granted: others may
// share it.
func TestNoValidProofIsRefusedForOthers(t *testing.T) {
	basic := func(p *world) []string { return []string{"Authorization", basicAuth("basic", p.secretOf("basic"))} }
	refresh := func(p *world) func() answer {
		a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"))
		return func() answer {
			a = p.form("/oauth/token", []string{"grant_type", "refresh_token", "refresh_token", a.str("refresh_token"), "client_id", "web"})
			return a
		}
	}
	for _, row := range []struct {
		name string
		good func(p *world) func() answer
	}{
		{"an exchange", func(p *world) func() answer {
			return func() answer { return p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")) }
		}},
		{"a refresh", refresh},
		{"a refresh at the JSON endpoint", func(p *world) func() answer {
			a := p.post("/auth/external/exchange", `{"token":"`+p.idToken()+`"}`, "X-API-Key", "web")
			token := a.str("refreshToken")
			return func() answer {
				a := p.post("/auth/refresh", `{"refreshToken":"`+token+`"}`, "X-API-Key", "web")
				token = a.str("refreshToken")
				return a
			}
		}},
		{"client credentials", func(p *world) func() answer {
			auth := basicAuth("machine", p.newSecret("machine"))
			return func() answer {
				return p.form("/oauth/token", []string{"grant_type", "client_credentials"}, "Authorization", auth)
			}
		}},
		{"an introspection", func(p *world) func() answer {
			return func() answer { return p.form("/oauth/introspect", []string{"token", "x"}, basic(p)...) }
		}},
		{"a session of a backend", func(p *world) func() answer {
			m := p.manifest()
			m.Clients[2].Proofs = []string{"user-assertion"}
			p.apply(m)
			return func() answer {
				return p.post("/auth/external/session", `{"externalUserId":"42"}`, "X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic"))
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWorld(t)
			good := row.good(p)
			for range 30 {
				p.form("/oauth/token", []string{"grant_type", "refresh_token", "refresh_token", "x", "client_id", "web"})
				p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("basic", "guess"))
				p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("machine", "guess"))
			}
			p.want(p.form("/oauth/token", exchangeParams("x", "client_id", "web")), 429, exchange.ReasonTooManyFailures)
			for range 3 {
				p.want(good(), 200, "")
			}
		})
	}
}

// Wrong secrets of a client count together, wherever they come from, as those of a
// client that does not exist do.
func TestSecretsAreLimitedByClient(t *testing.T) {
	for _, client := range []string{"basic", "unknown"} {
		t.Run(client, func(t *testing.T) {
			p := newWorld(t, trustLoopback)
			guess := func(client string, address int) answer {
				return p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth(client, "guess"), "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", address))
			}
			for i := range 10 {
				p.want(guess(client, i), 401, exchange.ReasonClientAuthenticationFailed)
			}
			p.want(guess(client, 10), 429, exchange.ReasonTooManyFailures)
			p.want(guess("machine", 11), 401, exchange.ReasonClientAuthenticationFailed)
			auth := basicAuth("basic", p.secretOf("basic"))
			p.want(p.form("/oauth/token", exchangeParams(p.idToken()), "Authorization", auth, "X-Forwarded-For", "192.0.2.1"), 200, "")
		})
	}
}

// A refusal to a client that has authenticated does not count: the
// expired tokens of some of its users must not hide what is wrong with the others'.
func TestFailuresOfProvenClientsDoNotCount(t *testing.T) {
	p := newWorld(t)
	auth := []string{"Authorization", basicAuth("basic", p.secretOf("basic"))}
	for range 20 {
		p.want(p.form("/oauth/token", exchangeParams("x"), auth...), 400, exchange.ReasonSubjectTokenMalformed)
	}
	for range 10 {
		p.want(p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("basic", "guess")), 401, exchange.ReasonClientAuthenticationFailed)
	}
	p.want(p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("basic", "guess")), 429, exchange.ReasonTooManyFailures)
	p.want(p.form("/oauth/token", exchangeParams("x"), auth...), 400, exchange.ReasonSubjectTokenMalformed)
}

// A genuine proof that has expired or was used is no guess, and neither is a failure
// of the issuer. Neither counts, and neither is hidden by the failures of others.
func TestRefusalsThatAreNoGuesses(t *testing.T) {
	token := func(edit func(claims map[string]any)) func(p *world) func() answer {
		return func(p *world) func() answer {
			claims := p.issuer.Claims("alice", "web")
			edit(claims)
			text := p.issuer.Sign(claims)
			return func() answer { return p.form("/oauth/token", exchangeParams(text, "client_id", "web")) }
		}
	}
	for _, row := range []struct {
		name string
		make func(p *world) func() answer
		code exchange.Reason
	}{
		{"an expired ID token", token(func(c map[string]any) { c["exp"] = c["iat"].(int64) - 3600 }), exchange.ReasonSubjectTokenExpired},
		{"an ID token of the future", token(func(c map[string]any) { c["nbf"] = c["iat"].(int64) + 600 }), exchange.ReasonSubjectTokenNotYetValid},
		{"a spent ID token", func(p *world) func() answer {
			m := p.manifest()
			m.Issuers[0].SingleUse = true
			p.apply(m)
			text := p.idToken()
			attempt := func() answer { return p.form("/oauth/token", exchangeParams(text, "client_id", "web")) }
			p.want(attempt(), 200, "")
			return attempt
		}, exchange.ReasonSubjectTokenReplayed},
		{"the refresh token of an ended session", func(p *world) func() answer {
			token := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")).str("refresh_token")
			p.want(p.post("/auth/logout", `{"refreshToken":"`+token+`"}`, "X-API-Key", "web"), 200, "")
			return func() answer {
				return p.form("/oauth/token", []string{"grant_type", "refresh_token", "refresh_token", token, "client_id", "web"})
			}
		}, exchange.ReasonSessionEnded},
		{"a spent client assertion", func(p *world) func() answer {
			claims := p.issuer.Claims("jwt", publicURL)
			claims["iss"], claims["jti"] = "jwt", "once"
			claims["exp"] = claims["iat"].(int64) + 60
			params := []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", p.issuer.Sign(claims)}
			attempt := func() answer { return p.form("/oauth/token", exchangeParams(p.idToken(), params...)) }
			p.want(attempt(), 200, "")
			return attempt
		}, exchange.ReasonClientAuthenticationFailed},
		{"an expired client assertion", func(p *world) func() answer {
			claims := p.issuer.Claims("jwt", publicURL)
			claims["iss"], claims["jti"], claims["exp"] = "jwt", "once", claims["iat"].(int64)-3600
			params := []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", p.issuer.Sign(claims)}
			return func() answer { return p.form("/oauth/token", exchangeParams(p.idToken(), params...)) }
		}, exchange.ReasonClientAuthenticationFailed},
		{"a key that may have been published since the last fetch", func(p *world) func() answer {
			p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
			unknown := p.issuer.Sign(p.issuer.Claims("alice", "web"), jwkstest.WithKID("new"))
			attempt := func() answer { return p.form("/oauth/token", exchangeParams(unknown, "client_id", "web")) }
			p.want(attempt(), 400, exchange.ReasonKeyNotFound) // the issuer was asked
			return func() answer {
				a := attempt()
				if after := a.header.Get("Retry-After"); after != "30" {
					p.Errorf("Retry-After is %q, want the rest of the cool-down", after)
				}
				return a
			}
		}, exchange.ReasonIssuerUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWorld(t)
			attempt := row.make(p)
			for range 15 {
				p.want(attempt(), row.code.Response().Status, row.code)
			}
			for p.form("/oauth/token", exchangeParams("x", "client_id", "web")).status != 429 {
			}
			p.want(attempt(), row.code.Response().Status, row.code)
		})
	}
}

func trustLoopback(cfg *server.Config) {
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// An unknown key of one issuer is no caller's fault: users of others are not slowed
// down, and once it is published its tokens are accepted.
func TestUnknownKeysCountAgainstNoCaller(t *testing.T) {
	p := newWorld(t)
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
	early := p.issuer.Sign(p.issuer.Claims("alice", "web"), jwkstest.WithKID("new"))
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			a := p.form("/oauth/token", exchangeParams(early, "client_id", "web"))
			after := a.header.Get("Retry-After")
			if a.status != 400 && (a.status != 503 || after != "30") {
				t.Errorf("got %d %s, Retry-After %s", a.status, a.text, after)
			}
		})
	}
	all.Wait()
	p.want(p.form("/oauth/token", exchangeParams("x", "client_id", "web")), 400, exchange.ReasonSubjectTokenMalformed)
	p.pass(time.Minute)
	p.issuer.Rotate()
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
}

// The operator sees when an address is slowed down, and when no more.
func TestThrottlingIsAudited(t *testing.T) {
	p := newWorld(t)
	for range 15 {
		p.form("/oauth/token", exchangeParams("x", "client_id", "web"))
	}
	p.pass(9 * time.Minute)
	p.server.Sweep(p.clock())
	p.pass(time.Minute)
	p.server.Sweep(p.clock())
	var seen []string
	for _, e := range p.events() {
		if name := e["event"].(string); strings.HasPrefix(name, "throttle") {
			seen = append(seen, fmt.Sprint(name, " ", e["address"], " ", e["reason"], " ", e["count"]))
		}
	}
	want := []string{"throttle.begin 127.0.0.1 TOO_MANY_FAILURES <nil>", "throttle.end 127.0.0.1 <nil> 5"}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestWhoseFailuresCountTogether(t *testing.T) {
	fail := func(p *world, from string) {
		for range 10 {
			p.form("/oauth/token", exchangeParams("x", "client_id", "web"), "X-Forwarded-For", from)
		}
	}
	for _, row := range []struct {
		name           string
		trusted        bool
		failing, other string
		shared         bool
	}{
		{"behind a trusted proxy, others", true, "192.0.2.1", "192.0.2.2", false},
		{"behind a trusted proxy, the same", true, "192.0.2.1", "192.0.2.1", true},
		{"behind a trusted proxy, a forged first hop", true, "198.51.100.1, 192.0.2.1", "198.51.100.2, 192.0.2.1", true},
		{"behind a trusted proxy, the same /64", true, "2001:db8::1", "2001:db8::2", true},
		{"without a trusted proxy", false, "192.0.2.1", "192.0.2.2", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var options []func(*server.Config)
			if row.trusted {
				options = append(options, trustLoopback)
			}
			p := newWorld(t, options...)
			fail(p, row.failing)
			a := p.form("/oauth/token", exchangeParams("x", "client_id", "web"), "X-Forwarded-For", row.other)
			if (a.status == 429) != row.shared {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
}

// grants is a token endpoint that does what it is told.
type grants func(context.Context, *grant.Request) (*grant.Response, error)

func withGrants(g grants) func(*server.Config) {
	return func(cfg *server.Config) {
		cfg.GrantTokens = func(ctx context.Context, r *grant.Request, _ time.Time) (*grant.Response, error) { return g(ctx, r) }
	}
}

// One request is worked on and one waits; others are told to come back.
func TestFullQueue(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	p := newWorld(t, withGrants(func(context.Context, *grant.Request) (*grant.Response, error) {
		entered <- struct{}{}
		<-release
		return &grant.Response{AccessToken: "a", TokenType: "Bearer"}, nil
	}), func(cfg *server.Config) { cfg.MaxInFlight, cfg.MaxQueued = 1, 1 })
	answers := make(chan answer, 4)
	ask := func() { answers <- p.form("/oauth/token", exchangeParams("x", "client_id", "web"), "Origin", page) }
	go ask()
	<-entered
	for range 3 {
		go ask()
	}
	for range 2 {
		a := <-answers
		p.want(a, 503, exchange.ReasonOverloaded)
		if a.header.Get("Retry-After") != "1" || a.header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("headers are %v", a.header)
		}
	}
	if in, queued := p.gauge("cambio_requests_in_flight"), p.gauge("cambio_requests_queued"); in != 1 || queued != 1 {
		t.Errorf("%v in flight, %v queued", in, queued)
	}
	close(release)
	<-entered
	p.want(<-answers, 200, "")
	p.want(<-answers, 200, "")
}

func (p *world) gauge(name string) float64 {
	for _, family := range must(p.metrics.Gather()) {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

// Whatever an error says, the caller reads no more than a reason.
func TestErrorsAreSilent(t *testing.T) {
	const secret = "password=hunter2 eyJhbGciOiJFUzI1NiJ9.e30.c2ln /var/lib/cambio/cambio.db"
	for _, row := range []struct {
		name   string
		fail   func() error
		status int
		code   exchange.Reason
		log    string
		says   string // error_description, empty for the reason's own
	}{
		{"an unknown error", func() error { return errors.New(secret) }, 500, exchange.ReasonInternal, "hunter2", ""},
		{"a wrapped unknown error", func() error { return fmt.Errorf("reading: %w", errors.New(secret)) }, 500, exchange.ReasonInternal, "hunter2", ""},
		{"a refusal's cause", func() error { return exchange.Refuse(exchange.ReasonConditionFailed, errors.New(secret)) }, 403, exchange.ReasonConditionFailed, "", ""},
		{"what a refusal was wrapped in", func() error {
			return fmt.Errorf("%s: %w", secret, exchange.Refuse(exchange.ReasonSubjectTokenExpired, nil))
		}, 400, exchange.ReasonSubjectTokenExpired, "", ""},
		{"an internal error with a description", func() error {
			return &exchange.Error{Reason: exchange.ReasonInternal, Description: secret, Err: errors.New(secret)}
		}, 500, exchange.ReasonInternal, "hunter2", ""},
		{"an unknown reason", func() error { return &exchange.Error{Reason: "X", Description: secret} }, 500, "X", "request failed", ""},
		{"the store", func() error { return exchange.Refuse(exchange.ReasonStoreUnavailable, errors.New(secret)) }, 503, exchange.ReasonStoreUnavailable, "hunter2", ""},
		{"a panic", func() error { panic(secret) }, 500, exchange.ReasonInternal, "goroutine", ""},
		{"a panic with an error", func() error { panic(errors.New(secret)) }, 500, exchange.ReasonInternal, "hunter2", ""},
		{"the operator's message", func() error {
			return &exchange.Error{Reason: exchange.ReasonConditionFailed, Description: "only \"staff\"\r\n<b>größer\\", Err: errors.New(secret)}
		}, 403, exchange.ReasonConditionFailed, "", "only 'staff'  <b>gr??er/"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWorld(t, withGrants(func(context.Context, *grant.Request) (*grant.Response, error) { return nil, row.fail() }))
			a := p.form("/oauth/token", exchangeParams("x", "client_id", "web"))
			p.want(a, row.status, row.code)
			for _, word := range []string{"hunter2", "eyJ", "cambio.db"} {
				if strings.Contains(a.text+fmt.Sprint(a.header), word) {
					t.Errorf("the caller reads %q: %s", word, a.text)
				}
			}
			says := row.says
			if says == "" {
				says = row.code.Response().Description
			}
			if a.str("error_description") != says || len(a.json) != 4 {
				t.Errorf("the caller reads %s", a.text)
			}
			if !strings.Contains(p.logged.String(), row.log) {
				t.Errorf("the operator reads %s", p.logged)
			}
			if row.log != "" && !strings.Contains(p.logged.String(), a.str("request_id")) {
				t.Error("the log does not name the request")
			}
			p.events()
			if row.status == 500 && strings.Contains(p.audited.String(), "hunter2") {
				t.Errorf("the audit log has an unknown error: %s", p.audited)
			}
		})
	}
}

// After a panic the place in flight is free again.
func TestAPanicTakesNoPlace(t *testing.T) {
	p := newWorld(t, withGrants(func(context.Context, *grant.Request) (*grant.Response, error) { panic("x") }),
		func(cfg *server.Config) { cfg.MaxInFlight, cfg.MaxQueued = 1, 1 })
	for range 5 {
		p.want(p.form("/oauth/token", exchangeParams("x", "client_id", "web")), 500, exchange.ReasonInternal)
	}
}

// A caller that leaves is no failure of the server.
func TestACallerThatLeaves(t *testing.T) {
	p := newWorld(t, withGrants(func(ctx context.Context, _ *grant.Request) (*grant.Response, error) {
		return nil, fmt.Errorf("committing: %w", ctx.Err())
	}))
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(ctx, "POST", "/oauth/token", strings.NewReader("client_id=web&grant_type=x"))
	r.Header.Set("Content-Type", formMedia)
	p.server.ServeHTTP(httptest.NewRecorder(), r)
	if strings.Contains(p.logged.String(), "request failed") {
		t.Errorf("logged: %s", p.logged)
	}
}

func TestHTTPServerHasLimits(t *testing.T) {
	h := server.HTTPServer(http.NotFoundHandler())
	if h.ReadHeaderTimeout != 10*time.Second || h.ReadTimeout != h.ReadHeaderTimeout || h.WriteTimeout == 0 || h.IdleTimeout == 0 || h.MaxHeaderBytes == 0 {
		t.Errorf("%+v", h)
	}
	p := newWorld(t)
	r := must(http.NewRequest("GET", p.url+"/livez", nil))
	r.Header.Set("X-Pad", strings.Repeat("x", 64<<10))
	res := must(http.DefaultTransport.RoundTrip(r))
	res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 64 KiB: %d", res.StatusCode)
	}
}

// One large body leaves nothing in later responses.
func TestBuffersHoldNothingBack(t *testing.T) {
	p := newWorld(t, patient)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				name := fmt.Sprintf("client-%d-%d-%s", i, j, strings.Repeat("x", j*100))
				a := p.post("/auth/refresh", fmt.Sprintf(`{"%s":"x"}`, name))
				if !json.Valid([]byte(a.text)) || !bytes.Contains([]byte(a.text), []byte(exchange.Clip(name)[:10])) {
					t.Errorf("got %s", a.text)
				}
			}
		})
	}
	all.Wait()
}

// A body that is sent slowly takes no place among the requests in flight.
func TestSlowBodyTakesNoPlace(t *testing.T) {
	p := newWorld(t, func(cfg *server.Config) { cfg.MaxInFlight, cfg.MaxQueued = 1, 1 })
	for range 3 {
		conn := must(net.Dial("tcp", strings.TrimPrefix(p.url, "http://")))
		defer conn.Close()
		fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", formMedia)
		line := must(bufio.NewReader(conn).ReadString('\n')) // sent when the server begins to read
		if !strings.Contains(line, "100 Continue") {
			t.Fatal(line)
		}
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
}
