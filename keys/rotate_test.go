package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cambio/storage"
)

const day = 24 * time.Hour

func TestSchedule(t *testing.T) {
	s := schedule{algorithm: ES256, rotateEvery: 30 * day, publishAhead: day, retireAfter: time.Hour}
	ring := func() []member {
		return []member{
			{ID: "r", Algorithm: ES256, State: StateRetired, Retires: start.Add(40 * day)},
			{ID: "a", Algorithm: ES256, State: StateActive, Activated: start, Sealed: []byte{1}},
			{ID: "n", Algorithm: ES256, State: StateNext, Created: start, Sealed: []byte{2}},
		}
	}
	tests := []struct {
		name   string
		change func([]member)
		after  time.Duration
		want   string
	}{
		{"at once", nil, 0, "r:retired a:active n:next"},
		{"just before", nil, 30*day - 1, "r:retired a:active n:next"},
		{"when due", nil, 30 * day, "r:retired a:retired n:active"},
		{"the clock went back", nil, -100 * day, "r:retired a:active n:next"},
		{"next published too lately", func(m []member) { m[2].Created = start.Add(29*day + time.Hour) }, 30 * day, "r:retired a:active n:next"},
		{"next published for long enough", func(m []member) { m[2].Created = start.Add(29 * day) }, 30 * day, "r:retired a:retired n:active"},
		{"retired not yet over", nil, 40*day - 1, "r:retired a:retired n:active"},
		{"retired over", nil, 40 * day, "a:retired n:active"},
		{"algorithm changed", func(m []member) { m[1].Algorithm, m[2].Algorithm = RS256, RS256 }, 0, "r:retired a:active"},
		{"algorithm changed, next is young", func(m []member) { m[1].Algorithm = RS256 }, day - 1, "r:retired a:active n:next"},
		{"algorithm changed, next is known", func(m []member) { m[1].Algorithm = RS256 }, day, "r:retired a:retired n:active"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := ring()
			if tt.change != nil {
				tt.change(in)
			}
			now := start.Add(tt.after)
			var got []string
			for _, m := range s.tick(in, now) {
				got = append(got, m.ID+":"+m.State)
				if m.ID == "a" && m.State == StateRetired && (!m.Retires.Equal(now.Add(time.Hour)) || m.Sealed != nil) {
					t.Errorf("retired key: removed at %s, private half %v", m.Retires, m.Sealed)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
			if in[1].State != StateActive || in[2].State != StateNext {
				t.Error("the argument was changed")
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	tests := []struct {
		state string
		want  string
		old   bool // does a token signed before still verify?
	}{
		{StateActive, "active retired next", false},
		{StateNext, "active retired next", true},
		{StateRetired, "active next", true},
	}
	for _, tt := range tests {
		t.Run(tt.state, func(t *testing.T) {
			r := open(t, openStore(t))
			if err := r.Rotate(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			token := sign(t, r, "x")
			was := map[string]string{}
			for _, i := range r.List() {
				was[i.State] = i.ID
			}
			if err := r.Revoke(t.Context(), was[tt.state], start); err != nil {
				t.Fatal(err)
			}
			if got := states(r); got != tt.want {
				t.Errorf("states %s, want %s", got, tt.want)
			}
			if body, _ := r.JWKS(); bytes.Contains(body, []byte(was[tt.state])) {
				t.Error("still published")
			}
			if now := r.List()[0].ID; tt.state == StateActive && now != was[StateNext] {
				t.Error("the next key did not become active")
			}
			if _, err := r.Verify(token, "at+jwt"); (err == nil) != tt.old {
				t.Errorf("token from before: %v", err)
			}
			if _, err := r.Verify(sign(t, r, "y"), "at+jwt"); err != nil {
				t.Errorf("token from after: %v", err)
			}
			if len(open(t, r.engine).List()) != len(r.List()) {
				t.Error("the store has other keys")
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		r := open(t, openStore(t))
		if err := r.Revoke(t.Context(), "unknown", start); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if states(r) != "active next" {
			t.Error("something changed")
		}
	})
}

// Tokens are verified by the server and by an API that fetched the JWK Set before
// the rotation.
func TestRotationFailsNoRequest(t *testing.T) {
	r := open(t, openStore(t), func(c *Config) { c.RotateEvery, c.PublishAhead = time.Minute, time.Second })
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var served atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				token, err := r.Sign("at+jwt", fmt.Appendf(nil, `{"jti":"%d-%d"}`, w, i))
				if err == nil {
					_, err = r.Verify(token, "at+jwt")
				}
				if err != nil {
					t.Errorf("request failed: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	now := start
	for range 20 {
		known, _ := r.JWKS()
		before, active := served.Load(), r.List()[0].ID
		now = now.Add(time.Minute)
		if err := r.Tick(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if r.List()[0].ID == active {
			t.Fatal("not rotated")
		}
		for served.Load() < before+8 && !t.Failed() {
			token := sign(t, r, fmt.Sprint(served.Load()))
			verifyWith(t, known, token)
		}
	}
	stop()
	wg.Wait()
	if got := strings.Count(states(r), StateRetired); got != 20 {
		t.Errorf("%d retired keys are published, want all 20: their tokens are valid", got)
	}
}

// The last token of a retired key is accepted until it has expired.
func TestRunRotatesOnSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openStore(t)
		r, err := Open(t.Context(), e, Config{KEK: kek, RotateEvery: 6 * time.Hour, PublishAhead: time.Hour, Logger: config().Logger})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })
		first, next := r.List()[0].ID, r.List()[1].ID

		time.Sleep(6*time.Hour - time.Second)
		synctest.Wait()
		last := sign(t, r, "last")
		if r.List()[0].ID != first {
			t.Error("rotated too early")
		}
		time.Sleep(tickEvery)
		synctest.Wait()
		if r.List()[0].ID != next {
			t.Error("not rotated")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := r.Verify(last, "at+jwt"); err != nil {
			t.Errorf("the last token, an hour later: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := r.Verify(last, "at+jwt"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("the key is still published after all its tokens expired: %v", err)
		}
		stop()
		wg.Wait()
		e.Close()
	})
}

// While the clock is not steady no key is rotated or removed, at a start neither;
// what another node changed is adopted.
func TestUnsteadyClockRotatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openStore(t)
		var steady atomic.Bool
		cfg := Config{KEK: kek, RotateEvery: 6 * time.Hour, PublishAhead: time.Hour, Logger: config().Logger}
		other, err := Open(t.Context(), e, cfg)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * 24 * time.Hour)
		cfg.Steady = steady.Load
		r, err := Open(t.Context(), e, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })
		first := other.List()[0].ID
		time.Sleep(2 * tickEvery)
		synctest.Wait()
		if r.List()[0].ID != first {
			t.Error("rotated by a clock that is not steady")
		}
		if err := other.Rotate(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * tickEvery)
		synctest.Wait()
		if got, want := r.List()[0].ID, other.List()[0].ID; got != want || got == first {
			t.Errorf("active is %s, want %s, which an operator activated", got, want)
		}
		steady.Store(true)
		time.Sleep(7 * time.Hour)
		synctest.Wait()
		if r.List()[0].ID == other.List()[0].ID {
			t.Error("not rotated by a steady clock")
		}
		stop()
		wg.Wait()
		e.Close()
	})
}

func TestNodesAdoptRotations(t *testing.T) {
	e := openStore(t)
	a, b := open(t, e), open(t, e)
	ahead := sign(t, b, "signed by the one that does not know yet")
	if err := a.Rotate(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	token := sign(t, a, "signed by the new key")
	for r, tok := range map[*Ring]string{a: ahead, b: token} {
		if _, err := r.Verify(tok, "at+jwt"); err != nil {
			t.Errorf("before the nodes agree: %v", err)
		}
	}
	commits := e.commits.Load()
	if err := b.Tick(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	if e.commits.Load() != commits {
		t.Error("adopting committed something")
	}
	if a.List()[0] != b.List()[0] {
		t.Error("the nodes sign with different keys")
	}
}

func TestRotationDueOnManyNodesHappensOnce(t *testing.T) {
	e := openStore(t)
	rings := make([]*Ring, 6)
	for i := range rings {
		rings[i] = open(t, e)
	}
	next := rings[0].List()[1].ID
	var wg sync.WaitGroup
	for _, r := range rings {
		wg.Go(func() {
			if err := r.Tick(t.Context(), start.Add(30*day)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range rings {
		if got := states(r); got != "active retired next" || r.List()[0].ID != next {
			t.Errorf("states %s, active %s, want %s", got, r.List()[0].ID, next)
		}
	}
}

func TestNewAlgorithmIsPublishedBeforeItSigns(t *testing.T) {
	e := openStore(t)
	open(t, e)
	r := open(t, e, algorithm(EdDSA))
	if l := r.List(); l[0].Algorithm != ES256 || l[1].Algorithm != EdDSA || len(l) != 2 {
		t.Fatalf("after the change: %+v", l)
	}
	if err := r.Tick(t.Context(), start.Add(day)); err != nil {
		t.Fatal(err)
	}
	if l := r.List(); l[0].Algorithm != EdDSA || l[0].State != StateActive {
		t.Errorf("a day later: %+v", l)
	}
	if got := strings.Join(r.Algorithms(), " "); got != "EdDSA ES256" {
		t.Errorf("algorithms %s", got)
	}
}

func TestFailedCommitChangesNothing(t *testing.T) {
	e := openStore(t)
	r := open(t, e)
	body, _ := r.JWKS()
	e.full = true
	for what, change := range map[string]func() error{
		"rotate": func() error { return r.Rotate(t.Context(), start) },
		"tick":   func() error { return r.Tick(t.Context(), start.Add(30*day)) },
		"revoke": func() error { return r.Revoke(t.Context(), r.List()[0].ID, start) },
	} {
		if err := change(); !errors.Is(err, storage.ErrFull) {
			t.Errorf("%s: %v", what, err)
		}
		if after, _ := r.JWKS(); !bytes.Equal(after, body) {
			t.Errorf("%s: publishes a key that is not stored", what)
		}
	}
	if _, err := r.Verify(sign(t, r, "x"), "at+jwt"); err != nil {
		t.Errorf("no longer signs: %v", err)
	}
}
