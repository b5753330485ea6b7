package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/idempotency"
	"cambio/exchange/server"
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

// An answer counts for a day, and then the request is another one.
func TestStoredResponsesExpire(t *testing.T) {
	n := 0
	p := newWorld(t, withGrants(tokens(&n)))
	ask := func() answer { return p.keyed("k", "/auth/external/exchange", `{"token":"x"}`, webPage...) }
	first := ask()
	p.pass(24*time.Hour - time.Second)
	p.repeats(first, ask())
	p.pass(time.Second)
	if a := ask(); a.status != 200 || a.text == first.text {
		t.Errorf("got %s", a.text)
	}
}

// A refresh token that was used and comes again was stolen, and a session that
// has ended stays so, whatever key comes with the request.
func TestRefreshIsReplayedWhileItsTokenIsUnused(t *testing.T) {
	p := newWorld(t, patient)
	refresh := func(key, token string) answer {
		return p.keyed(key, "/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, token), webPage...)
	}
	begin := func() string {
		return p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), webPage...).str("refreshToken")
	}
	first := begin()
	second := refresh("k", first)
	p.want(second, 200, "")
	p.pass(time.Hour) // far beyond the grace
	p.repeats(second, refresh("k", first))
	third := refresh("l", second.str("refreshToken"))
	p.want(third, 200, "")
	p.pass(time.Minute)
	p.want(refresh("k", first), 400, exchange.ReasonRefreshTokenReused)
	p.want(refresh("m", third.str("refreshToken")), 400, exchange.ReasonSessionEnded)

	first = begin()
	p.want(refresh("n", first), 200, "")
	p.want(p.form("/oauth/revoke", []string{"token", first, "client_id", "web"}), 200, "")
	p.want(refresh("n", first), 400, exchange.ReasonSessionEnded)
}

// A thief of a public client's request, with its key, gets none of its
// tokens once these are used or over: its proof may have expired by then, or be
// for one use. A client that authenticates learns what was done all the same.
func TestStolenRequestGetsNoUsedTokens(t *testing.T) {
	for _, row := range []struct {
		name   string
		since  string // what happened: a path that the refresh token went to
		public bool   // a public client gets the answer again
	}{
		{"nothing happened", "", true},
		{"the refresh token was used", "/auth/refresh", false},
		{"the session was ended", "/auth/logout", false},
	} {
		for name, public := range map[string]bool{"web": true, "basic": false} {
			t.Run(row.name+", "+name, func(t *testing.T) {
				p := newWorld(t, patient)
				m := p.manifest()
				m.Issuers[0].SingleUse = true
				p.apply(m)
				headers := webPage
				if !public {
					headers = p.asBasic()
				}
				body := fmt.Sprintf(`{"token":%q}`, p.idToken())
				a := p.keyed("k", "/auth/external/exchange", body, headers...)
				p.want(a, 200, "")
				if row.since != "" {
					p.want(p.post(row.since, fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), headers...), 200, "")
				}
				p.pass(2 * time.Hour) // longer than the proof is valid
				b := p.keyed("k", "/auth/external/exchange", body, headers...)
				if !public || row.public {
					p.repeats(a, b)
				} else {
					p.want(b, 400, exchange.ReasonSubjectTokenExpired)
				}
			})
		}
	}
}

// kept is a store of responses that records what it is asked.
type kept struct {
	real  func(context.Context, idempotency.Request, time.Time) (*idempotency.Response, *idempotency.Lease, error)
	asked []idempotency.Request
}

func (k *kept) lookup(ctx context.Context, asked idempotency.Request, now time.Time) (*idempotency.Response, *idempotency.Lease, error) {
	asked.Fingerprint = slices.Clone(asked.Fingerprint)
	for i := range asked.Fingerprint { // the body is the server's
		asked.Fingerprint[i] = bytes.Clone(asked.Fingerprint[i])
	}
	k.asked = append(k.asked, asked)
	return k.real(ctx, asked, now)
}

// Nothing is reserved in the store for callers that proved nothing, and nothing kept
// of what failed.
func TestOnlyAuthenticatedCallersReserveInStore(t *testing.T) {
	k := &kept{}
	p := newWorld(t, patient, func(cfg *server.Config) { k.real, cfg.LookupResponse = cfg.LookupResponse, k.lookup })
	good := fmt.Sprintf(`{"token":%q}`, p.idToken())
	for _, row := range []struct {
		name, path, body string
		headers          []string
		begun, durable   bool
		kept             bool
	}{
		{"public", "/auth/external/exchange", good, webPage, true, false, true},
		{"public, refused", "/auth/external/exchange", `{"token":"x"}`, webPage, true, false, false},
		{"public, ending no session", "/auth/logout", `{"refreshToken":"x"}`, webPage, true, false, false},
		{"confidential", "/auth/external/exchange", good, p.asBasic(), true, true, true},
		{"confidential, refused", "/auth/external/exchange", `{"token":"x"}`, p.asBasic(), true, true, true},
		{"a wrong secret", "/auth/external/exchange", good, []string{"X-API-Key", "basic", "X-Server-Secret", "x"}, false, false, false},
		{"another page", "/auth/external/exchange", good, []string{"X-API-Key", "web", "Origin", otherPage}, false, false, false},
		{"malformed", "/auth/external/exchange", `{`, p.asBasic(), false, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			k.asked = nil
			p.keyed(`"`+row.name+`"`, row.path, row.body, row.headers...)
			if len(k.asked) != 0 != row.begun || row.begun && k.asked[0].Durable != row.durable {
				t.Fatalf("it asked for %v", k.asked)
			}
			if !row.begun {
				return
			}
			answer, turn, err := k.real(t.Context(), k.asked[0], p.clock())
			if err != nil || (answer != nil) != row.kept {
				t.Errorf("kept %v, %v", answer, err)
			}
			if turn != nil {
				turn.Release(t.Context())
			}
		})
	}
}

// A question that changes nothing is answered as of now, whatever key it has,
// and the endpoints of the RFCs know no such keys.
func TestResponsesWithoutReplay(t *testing.T) {
	p := newWorld(t)
	body := fmt.Sprintf(`{"token":%q}`, p.idToken())
	ask := func(body string) answer { return p.keyed("k", "/auth/external/verify", body, p.asBasic()...) }
	if a := ask(body); a.json["active"] != true {
		t.Fatal(a.text)
	}
	if a := ask(`{"token":"x"}`); a.status != 200 || a.json["active"] != false {
		t.Error(a.text)
	}
	p.pass(24*time.Hour - time.Minute)
	if a := ask(body); a.json["active"] != false {
		t.Errorf("an expired token: %s", a.text)
	}
	p.want(p.post("/auth/external/verify", body, append(p.asBasic(), "Idempotency-Key", "")...), 400, exchange.ReasonParameterInvalid)
	params := exchangeParams(p.idToken(), "client_id", "web")
	a, b := p.form("/oauth/token", params, "Idempotency-Key", "k"), p.form("/oauth/token", params, "Idempotency-Key", "k")
	if a.status != 200 || b.status != 200 || a.text == b.text {
		t.Errorf("got %s, then %s", a.text, b.text)
	}
}

// A store that is down begins nothing.
func TestKeysWithoutAStore(t *testing.T) {
	n := 0
	p := newWorld(t, withGrants(tokens(&n)), func(cfg *server.Config) { cfg.LookupResponse = broken })
	p.want(p.keyed("k", "/auth/external/exchange", `{"token":"x"}`, p.asBasic()...), 503, exchange.ReasonStoreUnavailable)
	p.want(p.post("/auth/external/exchange", `{"token":"x"}`, p.asBasic()...), 200, "")
	if n != 1 {
		t.Errorf("answered %d times", n)
	}
}

func broken(context.Context, idempotency.Request, time.Time) (*idempotency.Response, *idempotency.Lease, error) {
	return nil, nil, exchange.Refuse(exchange.ReasonStoreUnavailable, nil)
}

// faulty is a response whose Header panics at one of its calls.
type faulty struct {
	*httptest.ResponseRecorder
	calls, panicsAt int
}

func (f *faulty) Header() http.Header {
	if f.calls++; f.calls == f.panicsAt {
		panic("no header")
	}
	return f.ResponseRecorder.Header()
}

// A panic after an endpoint has run is reported like one in it, and leaves nothing
// reserved.
func TestPanicsReserveNothing(t *testing.T) {
	p := newWorld(t)
	body := fmt.Sprintf(`{"token":%q}`, p.idToken())
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/auth/external/exchange", strings.NewReader(body))
	for name, value := range map[string]string{"Content-Type": "application/json", "X-Api-Key": "web", "Origin": page, "Idempotency-Key": "k"} {
		r.Header.Set(name, value)
	}
	w := &faulty{ResponseRecorder: httptest.NewRecorder(), panicsAt: 2}
	p.server.ServeHTTP(w, r)
	if w.Code != 500 || !strings.Contains(w.Body.String(), string(exchange.ReasonInternal)) || !strings.Contains(p.logged.String(), "no header") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	p.want(p.keyed("k", "/auth/external/exchange", body, webPage...), 200, "")
}

// A response that cannot be stored, even for a panic, is sent: what it reports is done.
func TestPanicInStoreKeepsResponse(t *testing.T) {
	p := newWorld(t)
	body := fmt.Sprintf(`{"token":%q}`, p.idToken())
	p.store.panicsAt.Store("answers")
	first := p.keyed("k", "/auth/external/exchange", body, webPage...)
	p.want(first, 200, "")
	p.store.panicsAt.Store("")
	second := p.keyed("k", "/auth/external/exchange", body, webPage...)
	p.want(second, 200, "")
	if first.str("sessionId") == second.str("sessionId") {
		t.Error("the first response was stored")
	}
}
