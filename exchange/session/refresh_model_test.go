package session

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cambio/exchange"
	"cambio/storage"
)

// model predicts what a session does.
type model struct {
	w       *world
	tokens  []string // of each generation, from 1
	rotated time.Time
	now     time.Time
	ended   bool
	expires time.Time
}

func (m *model) present(t *rapid.T, generation int) {
	good := len(m.tokens)
	got, err := m.w.refresh(m.tokens[generation-1], m.now)
	var want exchange.Reason
	repeated := generation == good-1 && m.now.Sub(m.rotated) <= exchange.DefaultGrace
	switch {
	case m.ended:
		want = exchange.ReasonSessionEnded
	case !m.now.Before(m.expires):
		want = exchange.ReasonRefreshTokenExpired
	case generation != good && !repeated:
		want, m.ended = exchange.ReasonRefreshTokenReused, true
	}
	if err == nil != (want == "") || err != nil && exchange.AsError(err).Reason != want {
		t.Fatalf("generation %d of %d, %s after the rotation: %v, want %q", generation, good, m.now.Sub(m.rotated), err, want)
	}
	switch {
	case err != nil:
	case repeated:
		if got.RefreshToken != m.tokens[good-1] {
			t.Fatal("another successor")
		}
	default:
		m.tokens = append(m.tokens, got.RefreshToken)
		m.rotated, m.expires = m.now, m.now.Add(idle)
	}
}

func TestRefreshModel(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		_, tokens := w.start(start)
		m := &model{w: w, tokens: []string{tokens.RefreshToken}, rotated: start, now: start, expires: start.Add(idle)}
		rt.Repeat(map[string]func(*rapid.T){
			"good": func(t *rapid.T) { m.present(t, len(m.tokens)) },
			"earlier": func(t *rapid.T) {
				m.present(t, rapid.IntRange(max(1, len(m.tokens)-2), len(m.tokens)).Draw(t, "generation"))
			},
			"seconds": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 61).Draw(t, "seconds")) * time.Second)
			},
			"days": func(t *rapid.T) {
				if m.now.Sub(start) < 50*24*time.Hour { // the absolute limit has its own test
					m.now = m.now.Add(time.Duration(rapid.IntRange(1, 31).Draw(t, "days")) * 24 * time.Hour)
				}
			},
		})
	})
}

// overtaken calls by between a commit's decision and the commit.
type overtaken struct {
	storage.Engine
	by func()
}

func (o *overtaken) Commit(ctx context.Context, writes ...storage.Write) error {
	if by := o.by; by != nil {
		o.by = nil
		by()
	}
	return o.Engine.Commit(ctx, writes...)
}

// A refresh that two others overtake does not move the generation back: neither
// the first refresh of a session nor a later one.
func TestSlowRotationNeverMovesBack(t *testing.T) {
	for _, before := range []uint64{1, 2} {
		t.Run(fmt.Sprintf("at generation %d", before), func(t *testing.T) {
			w := newWorld(t)
			s, tokens := w.start(start)
			now := start.Add(time.Hour)
			good := func(token string) string {
				next, err := w.refresh(token, now)
				if err != nil {
					t.Fatal(err)
				}
				return next.RefreshToken
			}
			token := tokens.RefreshToken
			for range before - 1 {
				token = good(token)
			}
			var last string
			w.engine = &overtaken{Engine: w.engine, by: func() { last = good(good(token)) }}
			// By now the slow one's token was spent two rotations ago.
			if _, err := w.refresh(token, now); reason(t, err) != exchange.ReasonRefreshTokenReused {
				t.Errorf("the slow one: %v", err)
			}
			at, err := w.sessions.Get(t.Context(), s.ID)
			if err != nil || at.Value.Rotation.Generation != before+2 {
				t.Errorf("generation %d, %v, want %d", at.Value.Rotation.Generation, err, before+2)
			}
			if _, err := w.refresh(last, now); reason(t, err) != exchange.ReasonSessionEnded {
				t.Errorf("after a token that was spent twice: %v", err)
			}
		})
	}
}
