package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// lineage holds the refresh tokens that a client received for one session: the
// first and, if it was rotated before the crash, its successor.
type lineage struct{ first, second string }

// TestAcknowledgedSessionsSurviveKill kills the server under load, again and again:
// every session that it acknowledged is active afterwards.
func TestAcknowledgedSessionsSurviveKill(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	const workers = 8
	var tokens [workers]string // one user each
	for i := range tokens {
		tokens[i] = issuer.Sign(issuer.Claims(fmt.Sprint("user-", i), app))
	}
	for round := range 3 {
		acknowledged := loadUntilKilled(t, s, tokens[:])
		s.restart()
		active := 0
		for _, l := range acknowledged {
			if continues(t, s, l) {
				active++
			}
		}
		t.Logf("round %d: %d of %d sessions are active", round, active, len(acknowledged))
	}
}

// loadUntilKilled creates sessions and refreshes each once until the server, which
// is killed meanwhile, stops responding. It returns all acknowledged sessions.
func loadUntilKilled(t *testing.T, s *server, tokens []string) (acknowledged []lineage) {
	t.Helper()
	const enough = 60
	var complete atomic.Int64
	lists := make([][]lineage, len(tokens))
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		each(t.Context(), len(tokens), func(ctx context.Context, i int) {
			for {
				created, err := s.post(ctx, "/oauth/token", exchangeForm(tokens[i]))
				if err != nil {
					return
				}
				if created.RefreshToken == "" {
					t.Errorf("exchange returned %s", created)
					return
				}
				next, err := s.post(ctx, "/oauth/token", refreshForm(created.RefreshToken))
				lists[i] = append(lists[i], lineage{created.RefreshToken, next.RefreshToken})
				if err != nil {
					return
				}
				complete.Add(1)
			}
		})
	}()
	await(t, "enough sessions", func() bool { return complete.Load() >= enough })
	s.kill(t)
	<-loaded
	for _, l := range lists {
		acknowledged = append(acknowledged, l...)
	}
	return acknowledged
}

// continues reports whether the session continues from what its client knows. The
// grace of 60 s survives the crash: a rotated token yields the same successor.
func continues(t *testing.T, s *server, l lineage) bool {
	t.Helper()
	if l.second == "" { // no client knows whether that refresh was committed
		l.second = s.refresh(l.first).RefreshToken
	}
	again := s.refresh(l.first)
	next := s.refresh(l.second)
	repeated := s.refresh(l.second)
	if again.RefreshToken != l.second || next.RefreshToken == "" || repeated.RefreshToken != next.RefreshToken {
		t.Errorf("after the crash: %s\n%s\n%s", again, next, repeated)
		return false
	}
	return true
}
