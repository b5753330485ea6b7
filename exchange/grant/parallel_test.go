package grant_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/session"
)

const many = 64

// Concurrent first exchanges of one subject create one user.
func TestParallelLoginsCreateOneUser(t *testing.T) {
	for _, client := range []string{"spa", "plain"} {
		t.Run(client, func(t *testing.T) {
			w := newWorld(t)
			var users sync.Map
			var made atomic.Int32
			w.parallel(func() {
				resp, err := w.token(w.exchange(client))
				if err != nil {
					t.Error(err)
					return
				}
				users.Store(resp.User.ID, true)
				if resp.User.IsNew {
					made.Add(1)
				}
			})
			seen := 0
			users.Range(func(any, any) bool { seen++; return true })
			if seen != 1 || made.Load() != 1 || w.userCount() != 1 {
				t.Errorf("%d users answered, %d of them new, %d stored; want 1 each", seen, made.Load(), w.userCount())
			}
		})
	}
}

// Concurrent uses of one token create one session.
func TestSingleUseTokenHasOneWinner(t *testing.T) {
	w := newWorld(t)
	w.changeIssuer("one", func(i *exchange.Issuer) { i.SingleUse = true })
	text := w.issuer.Sign(w.claims("spa"))
	var won, lost atomic.Int32
	w.parallel(func() {
		req := w.exchange("spa")
		req.SubjectToken = text
		switch _, err := w.token(req); {
		case err == nil:
			won.Add(1)
		case exchange.AsError(err).Reason == exchange.ReasonSubjectTokenReplayed:
			lost.Add(1)
		default:
			t.Error(err)
		}
	})
	if won.Load() != 1 || lost.Load() != many-1 {
		t.Errorf("%d won and %d lost", won.Load(), lost.Load())
	}
	if n := len(w.list()); n != 1 || w.userCount() != 1 {
		t.Errorf("%d sessions and %d users, want 1 each", n, w.userCount())
	}
}

// Concurrent refreshes with one token get the same successor.
func TestParallelRefreshesGetOneSuccessor(t *testing.T) {
	w := newWorld(t)
	created, _ := w.granted(w.exchange("spa"))
	before := w.engine.commits.Load()
	var next sync.Map
	w.parallel(func() {
		resp, err := w.token(w.refresh("spa", created.RefreshToken))
		if err != nil {
			t.Error(err)
			return
		}
		next.Store(resp.RefreshToken, true)
	})
	seen := 0
	next.Range(func(any, any) bool { seen++; return true })
	if n := w.engine.commits.Load() - before; seen != 1 || n != 1 {
		t.Errorf("%d successors in %d commits, want 1 in 1", seen, n)
	}
}

// parallel runs f many times concurrently.
func (w *world) parallel(f func()) {
	var group sync.WaitGroup
	for range many {
		group.Go(f)
	}
	group.Wait()
}

func (w *world) list() []session.Info {
	w.Helper()
	page, _, err := w.sessions.List(ctx, session.Filter{Limit: 1000})
	must(w, err)
	return page
}

// A single-use token is identified by its issuer and its jti: another token with the
// same jti is spent too, whatever its exp is and whether records were swept, for as
// long as it could have been issued before. Rows differ in the second token.
func TestSpentTokenIsIdentifiedByJTI(t *testing.T) {
	for _, tc := range []struct {
		name   string
		after  time.Duration // the first use; records are swept then
		issuer string
		change []any // of the second token's claims
		want   exchange.Reason
	}{
		{"the same exp", 0, "one", nil, exchange.ReasonSubjectTokenReplayed},
		{"a later exp", 0, "one", []any{"exp", time.Hour}, exchange.ReasonSubjectTokenReplayed},
		{"an earlier exp", 0, "one", []any{"exp", time.Minute}, exchange.ReasonSubjectTokenReplayed},
		{"a fraction of a second", 0, "one", []any{"exp", 90500 * time.Millisecond}, exchange.ReasonSubjectTokenReplayed},
		{"another subject", 0, "one", []any{"sub", "bob"}, exchange.ReasonSubjectTokenReplayed},
		{"a later exp, after the first one expired", time.Hour, "one", []any{"exp", 23 * time.Hour}, exchange.ReasonSubjectTokenReplayed},
		{"another jti", 0, "one", []any{"jti", "second"}, ""},
		{"another issuer's", 0, "other", nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.changeIssuer("one", func(i *exchange.Issuer) { i.SingleUse = true })
			w.changeIssuer("other", func(i *exchange.Issuer) { i.SingleUse = true })
			spa := w.registry.Snapshot().Client("spa")
			first := w.claims("spa", "jti", "first", "iat", w.now.Unix(), "exp", w.now.Add(5*time.Minute).Unix())
			w.granted(presenting(spa, w.issuer.Sign(first)))
			issuer, second := w.issuer, edited(w.issuer.Claims("alice", "spa"), []any{
				"jti", "first", "iat", w.now.Unix(), "exp", w.now.Add(5 * time.Minute).Unix(),
			})
			if tc.issuer == "other" {
				issuer, second["iss"] = w.other, w.other.URL
			}
			for i := 0; i < len(tc.change); i += 2 {
				second[tc.change[i].(string)] = tc.change[i+1]
				if d, ok := tc.change[i+1].(time.Duration); ok {
					second["exp"] = float64(w.now.Add(d).UnixMilli()) / 1000
				}
			}
			w.now = w.now.Add(tc.after)
			if _, err := w.replays.Sweep(ctx, w.now, 256); err != nil {
				t.Fatal(err)
			}
			req := presenting(spa, issuer.Sign(second))
			if tc.want == "" {
				w.granted(req)
				return
			}
			w.refused(req, tc.want)
		})
	}
}
