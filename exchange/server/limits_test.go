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
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
)

func TestTenFailedExchangesThenOneAMinute(t *testing.T) {
	p := newWorld(t)
	attempt := func(token string) answer {
		return p.form("/oauth/token", exchangeParams(token, "client_id", "web"), "Origin", page)
	}
	for range 20 {
		p.want(attempt(p.idToken()), 200, "")
	}
	for range 10 {
		p.want(attempt("x"), 400, exchange.ReasonSubjectTokenMalformed)
	}
	a := attempt(p.idToken())
	p.want(a, 429, exchange.ReasonTooManyFailures)
	if a.header.Get("Retry-After") != "60" || a.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("headers are %v", a.header)
	}
	for _, path := range []string{"/oauth/revoke", "/oauth/introspect"} {
		p.want(p.form(path, []string{"token", "x", "client_id", "web"}), 429, exchange.ReasonTooManyFailures)
	}
	for _, path := range []string{"/auth/external/exchange", "/auth/refresh", "/auth/logout", "/auth/external/verify"} {
		p.want(p.post(path, `{}`), 429, exchange.ReasonTooManyFailures)
	}
	if a := p.do("GET", "/.well-known/jwks.json", ""); a.status != 200 {
		t.Error("public documents are limited")
	}
	p.pass(time.Minute)
	p.want(attempt("x"), 400, exchange.ReasonSubjectTokenMalformed)
	p.want(attempt(p.idToken()), 429, exchange.ReasonTooManyFailures)
	p.pass(time.Minute)
	p.want(attempt(p.idToken()), 200, "")
}

// A refusal to a client that has authenticated does not count: the
// expired tokens of some of its users must not lock out the others.
func TestFailuresOfProvenClientsDoNotCount(t *testing.T) {
	p := newWorld(t)
	auth := []string{"Authorization", basicAuth("basic", p.secretOf("basic"))}
	for range 20 {
		p.want(p.form("/oauth/token", exchangeParams("x"), auth...), 400, exchange.ReasonSubjectTokenMalformed)
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken()), auth...), 200, "")
	for range 10 {
		p.want(p.form("/oauth/token", exchangeParams("x"), "Authorization", basicAuth("basic", "guess")), 401, exchange.ReasonClientAuthenticationFailed)
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken()), auth...), 429, exchange.ReasonTooManyFailures)
}

func TestWhoseFailuresCountTogether(t *testing.T) {
	trust := func(cfg *server.Config) { cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
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
				options = append(options, trust)
			}
			p := newWorld(t, options...)
			fail(p, row.failing)
			a := p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web"), "X-Forwarded-For", row.other)
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
