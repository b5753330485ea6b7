package session

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/storage"
)

func TestRefresh(t *testing.T) {
	w := newWorld(t)
	s, first := w.start(start)
	commits := w.commits.Load()
	now := start.Add(10 * time.Minute)
	second, err := w.refresh(first.RefreshToken, now)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.commits.Load() - commits; got != 1 {
		t.Errorf("%d commits, want one", got)
	}
	if second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Error("a token was issued again")
	}
	got, err := w.Parse(t.Context(), second.AccessToken, now)
	if err != nil {
		t.Fatal(err)
	}
	want := aToken(now)
	want.Issuer, want.Session, want.ID = issuer, s.ID, got.ID
	want.IssuedAt, want.Expires = now.Truncate(time.Second), want.Expires.Truncate(time.Second)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := w.tables(); n["sessions"] != 1 || len(n) != 1 {
		t.Errorf("records %v", n)
	}
}

// Invariant 8: while its successor is unused, a spent token yields it again within
// the grace of its client, or without limit of time if the session is bound to a
// key; otherwise it revokes the session. Rows differ in what is presented, and when.
func TestSpentTokenWithinAndAfterGrace(t *testing.T) {
	const grace, day = time.Minute, 24 * time.Hour
	tests := []struct {
		name  string
		which int           // generation presented; the session is at 3
		after time.Duration // its last rotation
		want  exchange.Reason
		ends  bool
		edit  func(*world, *exchange.Session)
	}{
		{"the valid one", 3, time.Hour, "", false, nil},
		{"its predecessor at once", 2, 0, "", false, nil},
		{"its predecessor at the end of the grace", 2, grace, "", false, nil},
		{"its predecessor after the grace", 2, grace + 1, exchange.ReasonRefreshTokenReused, true, nil},
		{"its predecessor by a clock a little behind", 2, -time.Second, "", false, nil},
		{"its predecessor by a clock far behind", 2, -grace - 1, exchange.ReasonRefreshTokenReused, true, nil},
		{"an older one within the grace", 1, time.Second, exchange.ReasonRefreshTokenReused, true, nil},
		{"one that was not issued yet", 4, time.Second, exchange.ReasonRefreshTokenInvalid, false, nil},
		{"one before the first", 0, time.Second, exchange.ReasonRefreshTokenReused, true, nil},
		{"its predecessor within the client's grace", 2, day, "", false, graceOf(day)},
		{"its predecessor after the client's grace", 2, day + 1, exchange.ReasonRefreshTokenReused, true, graceOf(day)},
		{"its predecessor after a short grace", 2, 2 * time.Second, exchange.ReasonRefreshTokenReused, true, graceOf(time.Second)},
		{"an older one within the client's grace", 1, time.Second, exchange.ReasonRefreshTokenReused, true, graceOf(day)},
		{"its predecessor, bound to a key, after days", 2, 20 * day, "", false, bindToKey},
		{"its predecessor, bound to a key, by a clock far behind", 2, -day, "", false, bindToKey},
		{"an older one, bound to a key", 1, time.Second, exchange.ReasonRefreshTokenReused, true, bindToKey},
		{"its predecessor, bound to a key, once the session expired", 2, idle, exchange.ReasonRefreshTokenExpired, false, bindToKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, s := newWorld(t), aSession(start)
			if tt.edit != nil {
				tt.edit(w, s)
			}
			tokens, err := w.Create(t.Context(), s, aToken(start), idle, true, start)
			if err != nil {
				t.Fatal(err)
			}
			rotated := start
			for range 2 {
				rotated = rotated.Add(time.Hour)
				if tokens, err = w.refresh(tokens.RefreshToken, rotated); err != nil {
					t.Fatal(err)
				}
			}
			before, commits := w.dump(), w.commits.Load()
			now := rotated.Add(tt.after)
			got, err := w.refresh(w.refreshToken(s.ID, uint64(tt.which)), now)
			if reason(t, err) != tt.want {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err != nil && got != (exchange.Tokens{}) {
				t.Error("an error was returned with tokens")
			}
			if tt.want == "" && tt.which == 2 && got.RefreshToken != tokens.RefreshToken {
				t.Error("another successor")
			}
			if err == nil && got.Repeated != (tt.which == 2) {
				t.Errorf("repeated: %v", got.Repeated)
			}
			if tt.which != 3 && !tt.ends && (w.commits.Load() != commits || cmp.Diff(before, w.dump()) != "") {
				t.Error("something changed")
			}
			w.reopen()
			if tt.want == exchange.ReasonRefreshTokenExpired {
				return
			}
			good := tokens.RefreshToken
			if tt.which == 3 {
				good = got.RefreshToken
			}
			_, err = w.refresh(good, now.Add(time.Hour))
			if ended := reason(t, err) == exchange.ReasonSessionEnded; ended != tt.ends || !ended && err != nil {
				t.Errorf("ended: %v (%v), want %v", ended, err, tt.ends)
			}
			if in, err := w.Introspect(t.Context(), tokens.AccessToken, rotated); err != nil || in.Active == tt.ends {
				t.Errorf("its access token is active: %v, %v", in.Active, err)
			}
		})
	}
}

func graceOf(grace time.Duration) func(*world, *exchange.Session) {
	return func(w *world, s *exchange.Session) { w.graces[s.Client] = grace }
}

func bindToKey(_ *world, s *exchange.Session) { s.JKT = "thumb" }

// Invariant 7: of 64 requests that present one token at once, one rotates it. The
// others get the same successor, since the client is the same.
func TestRotationHasOneWinner(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	other, otherTokens := w.start(start)
	now := start.Add(time.Hour)
	got := make([]exchange.Tokens, 64)
	commits := w.commits.Load()
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = w.refresh(tokens.RefreshToken, now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.commits.Load() - commits; n != 1 {
		t.Errorf("%d commits, want one", n)
	}
	at, err := w.sessions.Get(t.Context(), s.ID)
	if err != nil || at.Value.Rotation.Generation != 2 {
		t.Errorf("generation %d, %v, want 2", at.Value.Rotation.Generation, err)
	}
	access := map[string]bool{}
	for _, g := range got {
		if g.RefreshToken != got[0].RefreshToken {
			t.Error("two successors of one token")
		}
		access[g.AccessToken] = true
	}
	if len(access) != len(got) {
		t.Errorf("%d access tokens for %d requests", len(access), len(got))
	}

	// After the grace any of them revokes the session, and no other session.
	late := now.Add(exchange.DefaultGrace + 1)
	for range got {
		wg.Go(func() {
			if _, err := w.refresh(tokens.RefreshToken, late); err == nil {
				t.Error("a spent token was accepted after the grace")
			}
		})
	}
	wg.Wait()
	if _, err := w.refresh(got[0].RefreshToken, late); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("the successor: %v", err)
	}
	if _, err := w.refresh(otherTokens.RefreshToken, late); err != nil {
		t.Errorf("session %s ended too: %v", other.ID, err)
	}
}

// Invariant 13, for sessions: grace and revocation survive the process.
func TestGraceSurvivesReopening(t *testing.T) {
	w := newWorld(t)
	_, first := w.start(start)
	now := start.Add(time.Hour)
	second, err := w.refresh(first.RefreshToken, now)
	if err != nil {
		t.Fatal(err)
	}
	w.reopen()
	again, err := w.refresh(first.RefreshToken, now.Add(exchange.DefaultGrace))
	if err != nil || again.RefreshToken != second.RefreshToken {
		t.Fatalf("after reopening: another successor, %v", err)
	}
	if _, err := w.refresh(first.RefreshToken, now.Add(exchange.DefaultGrace+1)); reason(t, err) != exchange.ReasonRefreshTokenReused {
		t.Fatalf("after the grace: %v", err)
	}
	w.reopen()
	if _, err := w.refresh(second.RefreshToken, now.Add(exchange.DefaultGrace+2)); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("the revocation did not last: %v", err)
	}
}

// A store that was restored from a backup is behind the tokens that were issued.
func TestTokenAheadOfTheStoreIsInvalid(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	backup, err := w.sessions.Get(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	ahead, err := w.refresh(tokens.RefreshToken, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	restored, err := w.sessions.Put(s.ID, backup.Value)
	if err == nil {
		err = w.engine.Commit(t.Context(), restored)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := w.dump()
	if _, err := w.refresh(ahead.RefreshToken, start.Add(2*time.Minute)); reason(t, err) != exchange.ReasonRefreshTokenInvalid {
		t.Errorf("got %v", err)
	}
	if cmp.Diff(before, w.dump()) != "" {
		t.Error("something changed")
	}
}

// A session that expired only by a clock that may be ahead is refused for now.
func TestExpiryByUntrustedClockIsTemporary(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name         string
		after, ahead time.Duration
		want         exchange.Reason
	}{
		{"expired by a clock that may be ahead", 30*day + time.Hour, 2 * time.Hour, exchange.ReasonClockUnsteady},
		{"expired by any clock", 30*day + time.Hour, time.Hour, exchange.ReasonRefreshTokenExpired},
		{"expired by a trusted clock", 30*day + time.Hour, 0, exchange.ReasonRefreshTokenExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, tokens := w.start(start)
			w.ahead = tt.ahead
			if _, err := w.refresh(tokens.RefreshToken, start.Add(tt.after)); reason(t, err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, err := w.refresh(tokens.RefreshToken, start.Add(time.Hour)); err != nil {
				t.Errorf("by the right clock: %v", err)
			}
		})
	}
}

func TestSessionExpiresByIdleTimeAndRules(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	tests := []struct {
		name  string
		after time.Duration
		life  time.Duration // of the access token, as evaluated
		idle  time.Duration // as evaluated
		want  exchange.Reason
		exp   time.Duration // after creation
	}{
		{"in time", hour, hour, 30 * day, "", 2 * hour},
		{"just before the idle limit", 30*day - 1, hour, 30 * day, "", 30*day + hour - 1},
		{"at the idle limit", 30 * day, hour, 31 * day, exchange.ReasonRefreshTokenExpired, 0},
		{"idle for longer than today's rules allow", 2 * day, hour, 2 * day, exchange.ReasonRefreshTokenExpired, 0},
		{"today's rules end it now", hour, 0, 30 * day, exchange.ReasonRefreshTokenExpired, 0},
		{"today's rules ended it in the past", hour, -hour, 30 * day, exchange.ReasonRefreshTokenExpired, 0},
		{"no second left", hour, 400 * time.Millisecond, 30 * day, exchange.ReasonRefreshTokenExpired, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, tokens := w.start(start)
			before := w.dump()
			now := start.Add(tt.after)
			got, err := w.Refresh(t.Context(), tokens.RefreshToken, now, func(s *exchange.Session) (*exchange.AccessToken, time.Duration, error) {
				tok := aToken(now)
				tok.Expires = now.Add(tt.life)
				return tok, tt.idle, nil
			})
			if reason(t, err) != tt.want {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if err == nil && !got.Expires.Equal(start.Add(tt.exp)) {
				t.Errorf("expires %s after creation, want %s", got.Expires.Sub(start), tt.exp)
			}
			if err != nil && cmp.Diff(before, w.dump()) != "" {
				t.Error("something changed")
			}
		})
	}
}

// However often it is refreshed, a session ends at NotAfter.
func TestSessionEndsAtNotAfter(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	now, err := start, error(nil)
	for now.Before(s.NotAfter.Add(-time.Minute)) {
		now = now.Add(20 * 24 * time.Hour)
		if now.After(s.NotAfter) {
			now = s.NotAfter.Add(-time.Minute)
		}
		if tokens, err = w.refresh(tokens.RefreshToken, now); err != nil {
			t.Fatal(err)
		}
		if tokens.Expires.After(s.NotAfter) {
			t.Errorf("a token outlives the session by %s", tokens.Expires.Sub(s.NotAfter))
		}
	}
	if _, err := w.refresh(tokens.RefreshToken, s.NotAfter); reason(t, err) != exchange.ReasonRefreshTokenExpired {
		t.Errorf("at the end: %v", err)
	}
}

func TestRefusedEvaluationChangesNothing(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.start(start)
	before := w.dump()
	no := exchange.Refuse(exchange.ReasonConditionFailed, errors.New("no"))
	_, err := w.Refresh(t.Context(), tokens.RefreshToken, start, func(*exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		return nil, 0, no
	})
	if !errors.Is(err, no) || cmp.Diff(before, w.dump()) != "" {
		t.Errorf("got %v, or something changed", err)
	}
	if _, err := w.refresh(tokens.RefreshToken, start); err != nil {
		t.Errorf("the token was spent: %v", err)
	}
}

// A spent token presented by another client neither refreshes nor revokes the
// session; presented by its own client it revokes it.
func TestSpentTokenOfAnotherClientChangesNothing(t *testing.T) {
	w := newWorld(t)
	_, first := w.start(start)
	second, err := w.refresh(first.RefreshToken, start)
	if err != nil {
		t.Fatal(err)
	}
	before, late := w.dump(), start.Add(time.Hour)
	_, err = w.Refresh(t.Context(), first.RefreshToken, late, func(*exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		return nil, 0, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, errors.New("another client's"))
	})
	if reason(t, err) != exchange.ReasonRefreshTokenInvalid || cmp.Diff(before, w.dump()) != "" {
		t.Errorf("got %v, or something changed", err)
	}
	third, err := w.refresh(second.RefreshToken, late)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Refresh(t.Context(), first.RefreshToken, late, func(*exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		return nil, 0, exchange.Refuse(exchange.ReasonScopeNotAllowed, errors.New("its own, asking for too much"))
	})
	if reason(t, err) != exchange.ReasonRefreshTokenReused {
		t.Errorf("its own client: %v", err)
	}
	if _, err := w.refresh(third.RefreshToken, late); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("the session is still active: %v", err)
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	access := w.stateless(start)
	w.close()
	errs := map[string]error{}
	_, errs["start"] = w.Create(t.Context(), aSession(start), aToken(start), idle, true, start)
	_, errs["refresh"] = w.refresh(tokens.RefreshToken, start)
	_, errs["reuse"] = w.refresh(w.refreshToken(s.ID, 0), start)
	_, errs["parse"] = w.Parse(t.Context(), access, start)
	_, errs["introspect"] = w.Introspect(t.Context(), access, start)
	_, errs["introspect refresh"] = w.Introspect(t.Context(), tokens.RefreshToken, start)
	_, errs["revoke"] = w.RevokeToken(t.Context(), tokens.RefreshToken, "app", start)
	errs["end"] = w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start})
	for name, err := range errs {
		if reason(t, err) != exchange.ReasonStoreUnavailable || !errors.Is(err, storage.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
