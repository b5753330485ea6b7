package server_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
)

// attempt is an exchange that is about to be sent, good but for what rows break.
type attempt struct {
	path, media string
	headers     []string
	members     map[string]string
}

// breaks breaks a row of ARCHITECTURE.md, which the first code in it names. Its
// code is the one that is then expected.
var breaks = map[string]struct {
	code exchange.Reason
	do   func(p *world, a *attempt)
}{
	"AUDIT_UNAVAILABLE": {"", func(p *world, _ *attempt) { p.breakAudit() }},
	"NOT_FOUND":         {"", func(_ *world, a *attempt) { a.path = "/nowhere" }},
	"SERVER_SECRET_IN_BROWSER": {"", func(_ *world, a *attempt) {
		a.headers = append(a.headers, "Sec-Fetch-Site", "cross-site", "X-Server-Secret", "x")
	}},
	"ORIGIN_NOT_ALLOWED":       {"", func(_ *world, a *attempt) { a.headers = append(a.headers, "Origin", evil) }},
	"MEDIA_TYPE_NOT_SUPPORTED": {"", func(_ *world, a *attempt) { a.media = "text/plain" }},
	"OVERLOADED":               {"", (*world).fill},
	"PARAMETER_MISSING":        {"", func(_ *world, a *attempt) { delete(a.members, "token") }},
	"CLIENT_UNKNOWN":           {"", func(_ *world, a *attempt) { a.headers[1] = "unknown" }},
	"PARAMETER_INVALID":        {"", func(_ *world, a *attempt) { a.headers = append(a.headers, "Dpop", "x") }},
	"IDEMPOTENCY_KEY_REUSED": {"", func(p *world, a *attempt) {
		a.headers = append(a.headers, "Idempotency-Key", "k")
		p.want(p.post(a.path, `{"token":"`+p.idToken()+`","scope":"read"}`, "X-API-Key", "web", "Idempotency-Key", "k"), 200, "")
	}},
	"SUBJECT_TOKEN_EXPIRED": {"", func(p *world, a *attempt) {
		claims := p.issuer.Claims("alice", "web")
		claims["exp"] = p.clock().Add(-time.Hour).Unix()
		a.members["token"] = p.issuer.Sign(claims)
	}},
	"SUBJECT_TOKEN_TYPE_NOT_ACCEPTED": {exchange.ReasonScopeNotAllowed, func(_ *world, a *attempt) { a.members["scope"] = "admin" }},
	"LINKED_ELSEWHERE": {exchange.ReasonUserDisabled, func(p *world, a *attempt) {
		first := p.post(a.path, `{"token":"`+p.idToken()+`"}`, "X-API-Key", "web")
		p.want(first, 200, "")
		if err := p.users.SetDisabled(context.Background(), first.user("id").(string), true); err != nil {
			p.Fatal(err)
		}
	}},
	"SUBJECT_TOKEN_REPLAYED": {"", func(p *world, a *attempt) {
		m := p.manifest()
		m.Issuers[0].SingleUse = true
		p.apply(m)
		claims := p.issuer.Claims("alice", "web")
		claims["jti"] = "once"
		a.members["token"] = p.issuer.Sign(claims)
		p.want(p.post(a.path, `{"token":"`+a.members["token"]+`"}`, "X-API-Key", "web"), 200, "")
	}},
}

// fill takes the one place in flight and the one in the queue.
func (p *world) fill(*attempt) {
	for range 2 {
		go p.form("/oauth/token", exchangeParams("wait", "client_id", "web"))
	}
	for p.gauge("cambio_requests_queued") != 1 {
		time.Sleep(time.Millisecond)
	}
}

// documentedRows returns the codes in each row of the table.
func documentedRows(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	numbered, code := regexp.MustCompile(`^\| \d+ \| .* \| (.*) \| .*\|$`), regexp.MustCompile("`([A-Z_]+)`")
	_, table, found := strings.Cut(string(text), "TestRefusalsComeInTheDocumentedOrder")
	if !found {
		t.Fatal("ARCHITECTURE.md has no table of the order")
	}
	var rows [][]string
	for line := range strings.Lines(table) {
		cells := numbered.FindStringSubmatch(strings.TrimSpace(line))
		if cells == nil && len(rows) > 0 {
			break
		}
		if cells != nil {
			var codes []string
			for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
				codes = append(codes, m[1])
			}
			rows = append(rows, codes)
		}
	}
	return rows
}

// A request that breaks two neighbouring rows of the table gets the refusal of the
// first, so that the documented order is the served one.
func TestRefusalsComeInTheDocumentedOrder(t *testing.T) {
	rows := documentedRows(t)
	if len(rows) != len(breaks) {
		t.Errorf("%d rows are documented, %d can be broken", len(rows), len(breaks))
	}
	for i := range len(rows) - 1 {
		first, second := rows[i][0], rows[i+1][0]
		t.Run(first+" before "+second, func(t *testing.T) {
			waiting := make(chan struct{})
			p := newWorld(t, func(cfg *server.Config) {
				cfg.MaxInFlight, cfg.MaxQueued = 1, 1
				next := cfg.GrantTokens
				cfg.GrantTokens = func(ctx context.Context, r *grant.Request, now time.Time) (*grant.Response, error) {
					if r.SubjectToken == "wait" {
						<-waiting
					}
					return next(ctx, r, now)
				}
			})
			t.Cleanup(func() { close(waiting) })
			a := &attempt{
				path: "/auth/external/exchange", media: "application/json", headers: []string{"X-API-Key", "web"},
				members: map[string]string{"token": p.idToken()},
			}
			for _, name := range []string{second, first} { // what the first changes last is sent
				b, known := breaks[name]
				if !known {
					t.Fatalf("nothing breaks the row of %s", name)
				}
				b.do(p, a)
			}
			want := string(breaks[first].code)
			if want == "" {
				want = first
			}
			body := must(json.Marshal(a.members))
			got := p.do("POST", a.path, string(body), append([]string{"Content-Type", a.media}, a.headers...)...)
			if got.str("code") != want || !slices.Contains(rows[i], want) {
				t.Errorf("got %d %s, documented first is %s", got.status, got.text, rows[i])
			}
		})
	}
}
