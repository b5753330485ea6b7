package replay

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/storage"
	"cambio/storage/bolt"
)

var (
	ctx = context.Background()
	now = time.Unix(1_700_000_000, 0)
	key = []byte("0123456789abcdef0123456789abcdef")
)

func open(t testing.TB, path string) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(path, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// spend records the use of id and reports whether it is the first one.
func spend(t *testing.T, e storage.Engine, kind, id string, expires time.Time) bool {
	t.Helper()
	w, err := New(e, key).Once(ctx, kind, id, expires, now)
	if err == nil {
		err = e.Commit(ctx, w...)
	}
	if refused, ok := errors.AsType[*exchange.Error](err); ok && refused.Reason == exchange.ReasonSubjectTokenReplayed {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

func TestOnceRefusesSecondUse(t *testing.T) {
	e := open(t, filepath.Join(t.TempDir(), "db"))
	expires := now.Add(time.Hour)
	spend(t, e, "a", "bc", expires)
	for _, tc := range []struct {
		name, kind, id string
		expires        time.Time
		fresh          bool
	}{
		{"a second time", "a", "bc", expires, false},
		{"with a later end", "a", "bc", expires.Add(time.Hour), false},
		{"with an earlier end", "a", "bc", now, false},
		{"of another kind", "b", "bc", expires, true},
		{"with the border between kind and ID elsewhere", "ab", "c", expires, true},
		{"another", "a", "bd", expires, true},
		{"empty", "a", "", expires, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if fresh := spend(t, e, tc.kind, tc.id, tc.expires); fresh != tc.fresh {
				t.Fatalf("fresh: %v, want %v", fresh, tc.fresh)
			}
		})
	}
}

func TestOnceDoesNotCommit(t *testing.T) {
	e := open(t, filepath.Join(t.TempDir(), "db"))
	r := New(e, key)
	for range 2 { // the first write was never committed
		if _, err := r.Once(ctx, "a", "b", now, now); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUseSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	e := open(t, path)
	spend(t, e, "a", "b", now)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if spend(t, open(t, path), "a", "b", now) {
		t.Fatal("accepted again after the store was reopened")
	}
}

func TestOnceHasOneWinner(t *testing.T) {
	e := open(t, filepath.Join(t.TempDir(), "db"))
	r := New(e, key)
	var won, lost atomic.Int32
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			w, err := r.Once(ctx, "a", "b", now.Add(time.Hour), now)
			if err == nil {
				err = e.Commit(ctx, w...)
			}
			refused, ok := errors.AsType[*exchange.Error](err)
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, storage.ErrConflict), ok && refused.Reason == exchange.ReasonSubjectTokenReplayed:
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || lost.Load() != 63 {
		t.Fatalf("%d won and %d lost, want 1 and 63", won.Load(), lost.Load())
	}
}

func TestSweepKeepsUsesForRetention(t *testing.T) {
	e := open(t, filepath.Join(t.TempDir(), "db"))
	for _, id := range []string{"a", "b", "c"} {
		spend(t, e, "k", id, now)
	}
	spend(t, e, "k", "later", now.Add(time.Second))
	r := New(e, key)
	for _, tc := range []struct {
		name  string
		at    time.Time
		swept int
	}{
		{"expired less than the retention ago", now.Add(Retention), 0},
		{"expired longer ago", now.Add(Retention + time.Second), 3},
		{"swept already", now.Add(Retention + time.Second), 0},
	} {
		n, err := r.Sweep(ctx, tc.at, 2)
		if err != nil || n != tc.swept {
			t.Fatalf("%s: swept %d, %v, want %d", tc.name, n, err, tc.swept)
		}
	}
	if spend(t, e, "k", "later", now.Add(time.Second)) {
		t.Error("a use was deleted less than the retention after its end")
	}
	if n, err := r.Sweep(ctx, now.Add(Retention+2*time.Second), 256); err != nil || n != 1 {
		t.Errorf("swept %d, %v", n, err)
	}
	for r, err := range e.Scan(ctx, "replays", "", "", 0) {
		t.Errorf("%s is left, %v", r.Key, err)
	}
}

// An unavailable store is not reported as a replay.
func TestSpendReportsUnavailableStore(t *testing.T) {
	e := open(t, filepath.Join(t.TempDir(), "db"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	err := New(e, key).Spend(ctx, "a", "b", now, now)
	if refused := exchange.AsError(err); refused.Reason != exchange.ReasonStoreUnavailable {
		t.Errorf("refused by %s: %v", refused.Reason, err)
	}
}

func TestSpendHasOneWinner(t *testing.T) {
	r := New(open(t, filepath.Join(t.TempDir(), "db")), key)
	var won atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			err := r.Spend(ctx, "client assertion", "web jti", now.Add(time.Minute), now)
			if err == nil {
				won.Add(1)
			} else if reason := exchange.AsError(err).Reason; reason != exchange.ReasonSubjectTokenReplayed {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d uses succeeded, want 1", won.Load())
	}
}
