package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/idempotency"
	"cambio/exchange/server"
)

// A stored response is replayed for a day; the request is a new one then.
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

// A question that changes nothing is answered as of now, whatever key it has. So are
// introspection and revocation, which know no such keys.
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
	headers := []string{"Authorization", basicAuth("basic", p.secretOf("basic")), "Idempotency-Key", ""}
	token := []string{"token", p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), p.asBasic()...).str("accessToken")}
	if a := p.form("/oauth/introspect", token, headers...); a.json["active"] != true {
		t.Errorf("got %s", a.text)
	}
	p.want(p.form("/oauth/revoke", token, headers...), 200, "")
	if a := p.form("/oauth/introspect", token, headers...); a.json["active"] != false {
		t.Errorf("got %s", a.text)
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
	n := 0
	p := newWorld(t, withGrants(tokens(&n)))
	for _, panics := range []bool{true, false} {
		p.store.panics.Store(panics)
		p.want(p.keyed("k", "/auth/external/exchange", `{"token":"x"}`, webPage...), 200, "")
	}
	if n != 2 {
		t.Errorf("%d responses", n)
	}
}
