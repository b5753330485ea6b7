package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// lineage is what a client was told of one session: its first refresh token
// and, if that was exchanged before the crash, its successor.
type lineage struct{ first, second string }

// TestCrash kills the server under load, again and again: whatever it had
// answered holds afterwards.
func TestCrash(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	const workers = 8
	var tokens [workers]string // one user each
	for i := range tokens {
		tokens[i] = issuer.Sign(issuer.Claims(fmt.Sprint("user-", i), app))
	}
	for round := range 3 {
		told := loadUntilKilled(t, s, tokens[:])
		s.restart()
		holding := 0
		for _, l := range told {
			if holds(t, s, l) {
				holding++
			}
		}
		t.Logf("round %d: %d of %d sessions hold", round, holding, len(told))
	}
}

// loadUntilKilled starts sessions and refreshes each once, until the server,
// which is killed meanwhile, answers no more. It returns all that was answered.
func loadUntilKilled(t *testing.T, s *server, tokens []string) (told []lineage) {
	t.Helper()
	const enough = 60
	var complete atomic.Int64
	lists := make([][]lineage, len(tokens))
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		each(t.Context(), len(tokens), func(ctx context.Context, i int) {
			for {
				born, err := s.post(ctx, "/oauth/token", exchangeForm(tokens[i]))
				if err != nil {
					return
				}
				if born.RefreshToken == "" {
					t.Errorf("exchange answered %s", born)
					return
				}
				next, err := s.post(ctx, "/oauth/token", refreshForm(born.RefreshToken))
				lists[i] = append(lists[i], lineage{born.RefreshToken, next.RefreshToken})
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
		told = append(told, l...)
	}
	return told
}

// holds says whether the session goes on where its client is. The grace of 30 s
// survives the crash: a token that was exchanged yields the same successor.
func holds(t *testing.T, s *server, l lineage) bool {
	t.Helper()
	if l.second == "" { // whether that refresh was committed, nobody was told
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
