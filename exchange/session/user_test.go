package session

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/storage"
)

// create stores a session of a user at a client and returns its ID and its tokens.
func (w *world) create(user, client string, now time.Time) (string, exchange.Tokens) {
	w.t.Helper()
	s, token := aSession(now), aToken(now)
	s.User, s.Client, token.User, token.Client = user, client, user, client
	tokens, err := w.Create(w.t.Context(), s, token, idle, true, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.ID, tokens
}

// index returns the IDs in the index of a user's sessions at a client.
func (w *world) index(user, client string) []string {
	w.t.Helper()
	ids, err := w.indexed(w.t.Context(), userPrefix(user, client), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// Of a user's sessions at a client the newest are active; others of the user, and of
// other users, are not touched.
func TestOldestSessionEnds(t *testing.T) {
	w := newWorld(t)
	w.most = 3
	_, other := w.create("user-2", "app", start)
	_, elsewhere := w.create("user-1", "other", start)
	_, longer := w.create("user-10", "app", start)
	var ids []string
	var all []exchange.Tokens
	for i := range 6 {
		before := w.commits.Load()
		id, tokens := w.create("user-1", "app", start.Add(time.Duration(i)*time.Second))
		if n := w.commits.Load() - before; n != 1 {
			t.Errorf("%d commits", n)
		}
		want := ""
		if i >= 3 {
			want = ids[i-3]
		}
		if tokens.Ended != want {
			t.Errorf("session %d ended %q, want %q", i, tokens.Ended, want)
		}
		ids, all = append(ids, id), append(all, tokens)
	}
	now := start.Add(time.Minute)
	for i, tokens := range all {
		if in, err := w.Introspect(t.Context(), tokens.AccessToken, now); err != nil || in.Active == (i < 3) {
			t.Errorf("session %d: access token is active %v, %v", i, in.Active, err)
		}
		_, err := w.refresh(tokens.RefreshToken, now)
		if ended := reason(t, err) == exchange.ReasonSessionEnded; ended != (i < 3) || !ended && err != nil {
			t.Errorf("session %d: %v", i, err)
		}
	}
	for _, tokens := range []exchange.Tokens{other, elsewhere, longer} {
		if _, err := w.refresh(tokens.RefreshToken, now); err != nil {
			t.Error(err)
		}
	}
	if d := cmp.Diff(ids[3:], w.index("user-1", "app")); d != "" {
		t.Error(d)
	}
}

// Only active sessions count: one that ended, whichever way, leaves its place to a
// new one.
func TestEndedSessionsMakeRoom(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w *world, id string, tokens exchange.Tokens) error
		at   time.Duration
	}{
		{"logged out", func(w *world, _ string, k exchange.Tokens) error {
			_, err := w.RevokeToken(w.t.Context(), k.RefreshToken, "app", start)
			return err
		}, time.Second},
		{"revoked by an operator", func(w *world, id string, _ exchange.Tokens) error {
			return w.Revoke(w.t.Context(), exchange.Revocation{Kind: exchange.RevocationSession, ID: id, Time: start})
		}, time.Second},
		{"its issuer's key revoked", func(w *world, _ string, _ exchange.Tokens) error {
			return w.Revoke(w.t.Context(), exchange.Revocation{Kind: exchange.RevocationKey, ID: "acme/other", Time: start})
		}, time.Second},
		{"its token reused", func(w *world, _ string, k exchange.Tokens) error {
			next, err := w.refresh(k.RefreshToken, start)
			if err == nil {
				_, err = w.refresh(next.RefreshToken, start)
			}
			_, _ = w.refresh(k.RefreshToken, start)
			return err
		}, time.Second},
		{"expired", func(*world, string, exchange.Tokens) error { return nil }, idle},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.most = 2
			oldestID, oldest := w.create("user-1", "app", start.Add(-time.Second))
			s := aSession(start)
			s.Key = "other"
			newer, err := w.Create(t.Context(), s, aToken(start), idle, true, start)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.end(w, s.ID, newer); err != nil {
				t.Fatal(err)
			}
			now := start.Add(tt.at)
			if tt.at == idle {
				if oldest, err = w.refresh(oldest.RefreshToken, start); err == nil { // it lasts longer
					oldest, err = w.refresh(oldest.RefreshToken, start.Add(time.Hour))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, tokens := w.create("user-1", "app", now); tokens.Ended != "" {
				t.Errorf("it ended %s", tokens.Ended)
			}
			if _, err := w.refresh(oldest.RefreshToken, now); err != nil {
				t.Errorf("the oldest: %v", err)
			}
			if ids := w.index("user-1", "app"); !slices.Contains(ids, oldestID) || slices.Contains(ids, s.ID) || len(ids) != 2 {
				t.Errorf("the index has %q", ids)
			}
		})
	}
}

// Creations at once do not conflict; the next one makes up for what they were too
// many. A lower limit ends all that are too many.
func TestLimitOfSessionsIsRestored(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	w.most = 8
	for i := range 32 {
		all.Go(func() { w.create("user-1", "app", start.Add(time.Duration(i)*time.Millisecond)) })
	}
	all.Wait()
	w.create("user-1", "app", start.Add(time.Second))
	if n := len(w.index("user-1", "app")); n != 8 {
		t.Errorf("%d sessions, want 8", n)
	}
	w.most = 2
	_, tokens := w.create("user-1", "app", start.Add(2*time.Second))
	if n := len(strings.Fields(tokens.Ended)); n != 7 || len(w.index("user-1", "app")) != 2 {
		t.Errorf("ended %d, left %d", n, len(w.index("user-1", "app")))
	}
}

// The index is swept with the sessions.
func TestIndexIsSwept(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.create(fmt.Sprint("user-", i), "app", start)
	}
	if n, err := w.Sweep(t.Context(), start.Add(idle+retention+time.Second)); err != nil || n != 3 {
		t.Fatalf("swept %d, %v", n, err)
	}
	for r, err := range w.engine.Scan(t.Context(), userSessionsTable, "", "", 0) {
		t.Errorf("left is %s, %v", r.Key, err)
	}
}

// Sessions of one millisecond are told apart by their IDs, which ascend.
func TestIDsAscend(t *testing.T) {
	w := newWorld(t)
	last := ""
	for range 1000 {
		id := w.newID(start)
		if id <= last || len(id) != storage.IDSize || !storage.CreatedAt(id).Equal(start.Truncate(time.Millisecond)) {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
	if id := w.newID(start.Add(-time.Second)); id >= last {
		t.Errorf("%s of an earlier time is after %s", id, last)
	}
}
