package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/idempotency"
)

// keyed posts to a JSON endpoint with an Idempotency-Key.
func (p *world) keyed(key, path, body string, headers ...string) answer {
	p.Helper()
	return p.post(path, body, append([]string{"Idempotency-Key", key}, headers...)...)
}

// repeats demands that b be the answer a again, though not the same request.
func (p *world) repeats(a, b answer) {
	p.Helper()
	if a.status != b.status || a.text != b.text || a.header.Get("X-Request-Id") == b.header.Get("X-Request-Id") {
		p.Errorf("got %d %s, then %d %s", a.status, a.text, b.status, b.text)
	}
	if b.header.Get("Cache-Control") != "no-store" || b.header.Get("Content-Type") != "application/json" {
		p.Errorf("headers are %v", b.header)
	}
}

var webPage = []string{"X-API-Key", "web", "Origin", page}

func (p *world) asBasic() []string {
	return []string{"X-API-Key", "basic", "X-Server-Secret", p.secretOf("basic")}
}

// Every JSON endpoint replays its response, to public clients and to others.
func TestResponsesAreReplayed(t *testing.T) {
	p := newWorld(t)
	exchangeAt := func(headers ...string) answer {
		return p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), headers...)
	}
	for _, row := range []struct {
		name, path string
		body       func(headers ...string) string
		event      string
	}{
		{"exchange", "/auth/external/exchange", func(...string) string { return fmt.Sprintf(`{"token":%q}`, p.idToken()) }, "token"},
		{"refresh", "/auth/refresh", func(h ...string) string {
			return fmt.Sprintf(`{"refreshToken":%q}`, exchangeAt(h...).str("refreshToken"))
		}, "token"},
		{"logout", "/auth/logout", func(h ...string) string {
			return fmt.Sprintf(`{"refreshToken":%q}`, exchangeAt(h...).str("refreshToken"))
		}, "revoke"},
	} {
		for name, headers := range map[string][]string{"public": webPage, "confidential": p.asBasic()} {
			t.Run(row.name+" "+name, func(t *testing.T) {
				p := p.in(t)
				key, body := row.name+name, row.body(headers...)
				first := p.keyed(key, row.path, body, headers...)
				p.want(first, 200, "")
				again := p.keyed(`"`+key+`"`, row.path, body, headers...)
				p.repeats(first, again)
				if allowed := again.header.Get("Access-Control-Allow-Origin"); (allowed == page) != (name == "public") {
					t.Errorf("allows %q", allowed)
				}
				other := p.keyed(key, row.path, body+" ", headers...)
				p.want(other, 422, exchange.ReasonIdempotencyKeyReused)
				if elsewhere := map[string]string{"/auth/refresh": "/auth/logout", "/auth/logout": "/auth/refresh"}[row.path]; elsewhere != "" {
					p.want(p.keyed(key, elsewhere, body, headers...), 422, exchange.ReasonIdempotencyKeyReused)
				}
			})
		}
	}
	for _, path := range []string{"exchange", "refresh", "logout"} {
		if n := p.counted(""+path, "replayed"); n != 2 {
			t.Errorf("%s: %v replays are counted", path, n)
		}
	}
	p.replaysAreAudited()
}

// replaysAreAudited demands that each event of a replay name the request that it
// repeats, and to be about the same user and session.
func (p *world) replaysAreAudited() {
	p.Helper()
	byRequest, replays := map[any]map[string]any{}, 0
	for _, e := range p.events() {
		byRequest[e["request_id"]] = e
		first := byRequest[e["replays"]]
		if e["replays"] == nil {
			continue
		}
		replays++
		if first == nil || first["replays"] != nil || e["outcome"] != first["outcome"] || e["user"] != first["user"] || e["session"] != first["session"] || e["client"] != first["client"] || e["user"] == nil {
			p.Errorf("%v replays %v", e, first)
		}
	}
	if replays != 6 {
		p.Errorf("%d replays are audited", replays)
	}
}

// counted is how many requests of an endpoint had an outcome.
func (p *world) counted(endpoint, outcome string) float64 {
	for _, family := range must(p.metrics.Gather()) {
		if family.GetName() != "cambio_requests_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["endpoint"] == endpoint && labels["outcome"] == outcome {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// tokens returns responses that differ, for which it does not matter whether tokens in
// them are still good.
func tokens(n *int) grants {
	var mu sync.Mutex
	return func(context.Context, *grant.Request) (*grant.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		*n++
		return &grant.Response{Session: fmt.Sprint("session-", *n), TokenType: "Bearer"}, nil
	}
}

func TestIdempotencyKeys(t *testing.T) {
	n := 0
	p := newWorld(t, patient, withGrants(tokens(&n)))
	const path, body = "/auth/external/exchange", `{"token":"x"}`
	first := p.keyed("k", path, body, webPage...)
	p.want(first, 200, "")
	for _, row := range []struct {
		name    string
		headers []string
		path    string
		status  int
		code    exchange.Reason
		same    bool
	}{
		{"the same", append([]string{"Idempotency-Key", "k"}, webPage...), path, 200, "", true},
		{"as a string", append([]string{"Idempotency-Key", `"k"`}, webPage...), path, 200, "", true},
		{"without a browser", []string{"Idempotency-Key", "k", "X-API-Key", "web"}, path, 200, "", true},
		{"none", webPage, path, 200, "", false},
		{"another key", append([]string{"Idempotency-Key", "K"}, webPage...), path, 200, "", false},
		{"another client's", []string{"Idempotency-Key", "k", "X-API-Key", "other"}, path, 200, "", false},
		{"a confidential client's", append([]string{"Idempotency-Key", "k"}, p.asBasic()...), path, 200, "", false},
		{"another client's page", []string{"Idempotency-Key", "k", "X-API-Key", "web", "Origin", otherPage}, path, 403, exchange.ReasonOriginNotAllowed, false},
		{"a page of no client", []string{"Idempotency-Key", "k", "X-API-Key", "web", "Origin", evil}, path, 403, exchange.ReasonOriginNotAllowed, false},
		{"no client", []string{"Idempotency-Key", "k"}, path, 401, exchange.ReasonClientUnknown, false},
		{"a wrong secret", []string{"Idempotency-Key", "k", "X-API-Key", "basic", "X-Server-Secret", "x"}, path, 401, exchange.ReasonClientAuthenticationFailed, false},
		{"another client session", append([]string{"Idempotency-Key", "k", "X-Client-Session-Id", "s"}, webPage...), path, 422, exchange.ReasonIdempotencyKeyReused, false},
		{"twice", append([]string{"Idempotency-Key", "k", "Idempotency-Key", "k"}, webPage...), path, 400, exchange.ReasonRequestMalformed, false},
		{"empty", append([]string{"Idempotency-Key", ""}, webPage...), path, 400, exchange.ReasonParameterInvalid, false},
		{"too long", append([]string{"Idempotency-Key", strings.Repeat("k", 256)}, webPage...), path, 400, exchange.ReasonParameterInvalid, false},
		{"not ASCII", append([]string{"Idempotency-Key", "schlüssel"}, webPage...), path, 400, exchange.ReasonParameterInvalid, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, before := p.in(t), n
			a := p.post(row.path, body, row.headers...)
			if p.want(a, row.status, row.code); (a.text == first.text) != row.same {
				t.Errorf("got %s", a.text)
			}
			if done := n - before; done > 0 && (row.same || row.status != 200) {
				t.Errorf("it was done %d times", done)
			}
		})
	}
}

// Of concurrent callers one gets a response, and the others are told to come
// back; then they read what it read.
func TestParallelCallersWithOneKey(t *testing.T) {
	for _, public := range []bool{true, false} {
		t.Run(fmt.Sprintf("public %v", public), func(t *testing.T) {
			entered, release := make(chan struct{}), make(chan struct{})
			n := 0
			give := tokens(&n)
			p := newWorld(t, withGrants(func(ctx context.Context, r *grant.Request) (*grant.Response, error) {
				close(entered) // a second one would panic
				<-release
				return give(ctx, r)
			}))
			headers := webPage
			if !public {
				headers = p.asBasic()
			}
			ask := func() answer { return p.keyed("k", "/auth/external/exchange", `{"token":"x"}`, headers...) }
			first := make(chan answer)
			go func() { first <- ask() }()
			<-entered
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					a := ask()
					p.want(a, 409, exchange.ReasonIdempotencyKeyInProgress)
					if a.header.Get("Retry-After") != "1" || public && a.header.Get("Access-Control-Allow-Origin") != page {
						t.Errorf("headers are %v", a.header)
					}
				})
			}
			all.Wait()
			close(release)
			a := <-first
			p.want(a, 200, "")
			p.repeats(a, ask())
		})
	}
}

// Concurrent exchanges with real parts and one key make one session.
func TestParallelExchangesWithOneKey(t *testing.T) {
	p := newWorld(t)
	body := fmt.Sprintf(`{"token":%q}`, p.idToken())
	var mu sync.Mutex
	sessions := map[string]int{}
	var all sync.WaitGroup
	for i := range 16 {
		headers := webPage
		if i%2 == 0 {
			headers = p.asBasic()
		}
		all.Go(func() {
			a := p.keyed("k", "/auth/external/exchange", body, headers...)
			if a.status == 409 && a.str("code") == string(exchange.ReasonIdempotencyKeyInProgress) {
				return
			}
			p.want(a, 200, "")
			mu.Lock()
			defer mu.Unlock()
			sessions[a.str("sessionId")]++
		})
	}
	all.Wait()
	if len(sessions) != 2 {
		t.Errorf("two clients got the sessions %v", sessions)
	}
}

// What another try may change is really tried again, and so is whatever was
// asked by a caller that has proved nothing.
func TestWhichResponsesAreStored(t *testing.T) {
	refuse := func(r exchange.Reason) error { return exchange.Refuse(r, nil) }
	n, fail := 0, func() error { return nil }
	p := newWorld(t, withGrants(func(context.Context, *grant.Request) (*grant.Response, error) {
		if n++; n == 1 {
			return nil, fail()
		}
		return &grant.Response{AccessToken: "a", TokenType: "Bearer"}, nil
	}), patient)
	for _, row := range []struct {
		name string
		fail func() error
		kept bool
	}{
		{"an expired token", func() error { return refuse(exchange.ReasonSubjectTokenExpired) }, true},
		{"a wrong code", func() error { return refuse(exchange.ReasonCodeWrong) }, true},
		{"a token that counts later", func() error { return refuse(exchange.ReasonSubjectTokenNotYetValid) }, false},
		{"a scope that an operator can give", func() error { return refuse(exchange.ReasonScopeNotAllowed) }, false},
		{"an issuer that an operator can add", func() error { return refuse(exchange.ReasonIssuerUnknown) }, false},
		{"a user that can be registered", func() error { return refuse(exchange.ReasonUserNotRegistered) }, false},
		{"too soon", func() error { return refuse(exchange.ReasonMailTooSoon) }, false},
		{"an issuer that is down", func() error { return refuse(exchange.ReasonIssuerUnavailable) }, false},
		{"the store", func() error { return refuse(exchange.ReasonStoreUnavailable) }, false},
		{"an unknown error", func() error { return errors.New("x") }, false},
		{"a panic", func() error { panic("x") }, false},
	} {
		for _, proven := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, proven %v", row.name, proven), func(t *testing.T) {
				p, headers := p.in(t), webPage
				n, fail = 0, row.fail
				if proven {
					headers = p.asBasic()
				}
				ask := func() answer {
					return p.keyed(`"`+row.name+`"`, "/auth/external/exchange", `{"token":"x"}`, headers...)
				}
				first := ask()
				if first.status < 400 {
					t.Fatal(first.text)
				}
				if again := ask(); row.kept && proven {
					p.repeats(first, again)
				} else {
					p.want(again, 200, "")
				}
			})
		}
	}
}

// An answer that is too long is sent and not kept.
func TestLongResponsesAreNotStored(t *testing.T) {
	n := 0
	p := newWorld(t, withGrants(func(context.Context, *grant.Request) (*grant.Response, error) {
		n++
		return &grant.Response{AccessToken: strings.Repeat("a", idempotency.MaxBody), TokenType: "Bearer"}, nil
	}))
	for range 2 {
		p.want(p.keyed("k", "/auth/external/exchange", `{"token":"x"}`, p.asBasic()...), 200, "")
	}
	if n != 2 || strings.Contains(p.logged.String(), "not kept") {
		t.Errorf("answered %d times, logged %s", n, p.logged)
	}
}

// A caller that leaves before the response, which is what a key is for, gets it later.
func TestWorkOutlastsCaller(t *testing.T) {
	for _, public := range []bool{true, false} {
		t.Run(fmt.Sprintf("public %v", public), func(t *testing.T) {
			entered, left, done := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
			n := 0
			p := newWorld(t, withGrants(func(ctx context.Context, _ *grant.Request) (*grant.Response, error) {
				n++
				close(entered)
				<-left
				defer func() { done <- struct{}{} }()
				if _, ok := ctx.Deadline(); !ok {
					t.Error("the work has no end")
				}
				return &grant.Response{Session: "s", TokenType: "Bearer"}, ctx.Err()
			}))
			headers := webPage
			if !public {
				headers = p.asBasic()
			}
			ctx, leave := context.WithCancel(t.Context())
			r := must(http.NewRequestWithContext(ctx, "POST", p.url+"/auth/external/exchange", strings.NewReader(`{"token":"x"}`)))
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "k")
			go func() {
				<-entered
				leave()
			}()
			if _, err := http.DefaultTransport.RoundTrip(r); err == nil {
				t.Fatal("it was answered")
			}
			close(left)
			<-done
			var again answer
			for again.status == 0 || again.status == 409 { // until the answer is kept
				again = p.keyed("k", "/auth/external/exchange", `{"token":"x"}`, headers...)
			}
			if p.want(again, 200, ""); again.str("sessionId") != "s" || n != 1 {
				t.Errorf("answered %d times: %s", n, again.text)
			}
		})
	}
}
