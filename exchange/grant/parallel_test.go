package grant_test

import (
	"sync"
	"sync/atomic"
	"testing"

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
