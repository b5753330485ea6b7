package session

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// A revocation ends what exists when it is committed, and nothing that is created
// later, whatever the clock said. Rows differ in the clock, as it was at the
// creation, at the revocation and at the later creation.
func TestRevocationsGoByCommitNotByClock(t *testing.T) {
	kinds := map[exchange.RevocationKind]string{
		exchange.RevocationUser: "user-1", exchange.RevocationClient: "app", exchange.RevocationIssuer: "acme",
		exchange.RevocationKey: "acme/acme-key", exchange.RevocationLink: exchange.LinkKey("acme", "alice"),
	}
	for _, clock := range []struct {
		name                    string
		created, revoked, later time.Duration
	}{
		{"stands still", 0, 0, 0},
		{"goes on", 0, time.Second, 2 * time.Second},
		{"is set back before the revocation", 0, -5 * time.Second, -4 * time.Second},
		{"is set back after the revocation", 0, time.Second, -time.Hour},
		{"was ahead at the creation", 2 * time.Hour, 0, time.Second},
		{"was ahead at the revocation", 0, 2 * time.Hour, time.Second},
	} {
		for kind, id := range kinds {
			t.Run(fmt.Sprintf("%s, %s", clock.name, kind), func(t *testing.T) {
				w := newWorld(t)
				_, before := w.start(start.Add(clock.created))
				free := w.stateless(start.Add(clock.created))
				if err := w.Revoke(t.Context(), exchange.Revocation{Kind: kind, ID: id, Time: start.Add(clock.revoked)}); err != nil {
					t.Fatal(err)
				}
				w.reopen()
				now := start.Add(clock.later)
				_, after := w.start(now)
				freeAfter := w.stateless(now)
				if _, err := w.refresh(before.RefreshToken, now); reason(t, err) != exchange.ReasonSessionEnded {
					t.Errorf("the session before: %v", err)
				}
				if _, err := w.refresh(after.RefreshToken, now); err != nil {
					t.Errorf("the session after: %v", err)
				}
				for token, want := range map[string]bool{before.AccessToken: false, free: false, after.AccessToken: true, freeAfter: true} {
					if in, err := w.Introspect(t.Context(), token, now); err != nil || in.Active != want {
						t.Errorf("introspection: %v, %v, want %v", in.Active, err, want)
					}
				}
			})
		}
	}
}

// Of two changes at once that revoke the same, the slower one has to be decided
// again: a session that was created between the two is revoked by it.
func TestSimultaneousRevocationsLoseNone(t *testing.T) {
	for _, other := range []string{"user-1", "user-2"} {
		t.Run(other, func(t *testing.T) {
			w := newWorld(t)
			mine := exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start}
			slow, err := w.Revocations(t.Context(), mine)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: other, Time: start}); err != nil {
				t.Fatal(err)
			}
			_, between := w.start(start)
			if err := w.engine.Commit(t.Context(), slow...); !errors.Is(err, storage.ErrConflict) {
				t.Fatalf("the slower change: %v", err)
			}
			if _, err := w.refresh(between.RefreshToken, start); err != nil {
				t.Errorf("created between the two: %v", err)
			}
			if slow, err = w.Revocations(t.Context(), mine); err == nil {
				err = w.engine.Commit(t.Context(), slow...)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.refresh(between.RefreshToken, start); reason(t, err) != exchange.ReasonSessionEnded {
				t.Errorf("after the slower change: %v", err)
			}
		})
	}
}

// What was decided before a revocation is revoked by it, also if it is committed
// afterwards.
func TestDecisionBeforeRevocationIsRevoked(t *testing.T) {
	for _, stored := range []bool{true, false} {
		t.Run(fmt.Sprintf("stored %v", stored), func(t *testing.T) {
			w := newWorld(t)
			token := aToken(start)
			var err error
			if token.Order, err = w.Order(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(-time.Hour)}); err != nil {
				t.Fatal(err)
			}
			tokens, err := w.Create(t.Context(), aSession(start), token, idle, stored, start)
			if err != nil {
				t.Fatal(err)
			}
			if in, err := w.Introspect(t.Context(), tokens.AccessToken, start); err != nil || in.Active {
				t.Errorf("active %v, %v", in.Active, err)
			}
		})
	}
}

// Sessions and revocations of an earlier version, which have no order, go by time;
// a new revocation revokes any of these sessions.
func TestRecordsWithoutOrderGoByTime(t *testing.T) {
	for _, tt := range []struct {
		name             string
		session, revoked uint64
		at               time.Duration
		ended            bool
	}{
		{"both old, revoked later", 0, 0, time.Second, true},
		{"both old, revoked before", 0, 0, -time.Second, false},
		{"new session, old revocation", firstOrder, 0, time.Second, false},
		{"old session, new revocation", 0, firstOrder + 1, -time.Second, true},
	} {
		c := creation{user: "u", at: start, order: tt.session}
		if ended := c.revokedBy(exchange.RevocationUser, revocation{start.Add(tt.at), tt.revoked}); ended != tt.ended {
			t.Errorf("%s: ended %v", tt.name, ended)
		}
	}
}

// A revocation is not swept while there is a session that it revokes, whatever the
// times of both are.
func TestSweepKeepsRevocationsOfLaterClocks(t *testing.T) {
	w := newWorld(t)
	const ahead = 20 * 24 * time.Hour
	_, tokens := w.start(start.Add(ahead)) // the clock was wrong
	if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey("acme", "alice"), Time: start}); err != nil {
		t.Fatal(err)
	}
	d := deleter{engine: w.engine}
	w.cursors.floor = 0
	for range 2 {
		if err := w.sweepRevocations(t.Context(), &d, start.Add(48*time.Hour)); err != nil || w.tables()["marks"] != 1 {
			t.Fatalf("%d revocations, %v", w.tables()["marks"], err)
		}
		if err := w.sweepSessions(t.Context(), &d, start.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.refresh(tokens.RefreshToken, start.Add(ahead)); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if _, err := w.Sweep(t.Context(), start.Add(2*ahead)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.tables(); n["sessions"] != 0 || n["marks"] != 0 {
		t.Errorf("left are %v", n)
	}
}
