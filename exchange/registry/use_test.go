package registry_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/registry"
)

// used returns when the n-th secret of a client was last used.
func (w *world) used(t *testing.T, id string, n int) time.Time {
	t.Helper()
	c := *w.Snapshot().Client(id).Client
	c.Secrets = append([]exchange.ClientSecret{}, c.Secrets...)
	if err := w.LastUses(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	return c.Secrets[n].LastUsed
}

func (w *world) flush(t *testing.T) {
	t.Helper()
	if err := w.FlushUses(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLastUses(t *testing.T) {
	w := newWorld(t)
	engine := &failing{Engine: w.engine}
	w.engine = engine
	w.Registry = w.another(t)
	w.apply(t, manifest(confidential("c"), confidential("d")), false)
	w.newSecret(t, "c", noon)
	w.newSecret(t, "c", noon)
	w.newSecret(t, "d", noon)
	first, second := w.Snapshot().Client("c").Client.Secrets[0].ID, w.Snapshot().Client("c").Client.Secrets[1].ID
	if at := w.used(t, "c", 0); !at.IsZero() {
		t.Errorf("used at %v before it was", at)
	}
	commits := engine.commits.Load()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			w.SecretUsed("c", first, noon.Add(time.Minute+time.Millisecond))
			w.SecretUsed("c", second, noon.Add(2*time.Minute))
		})
	}
	all.Wait()
	if n := engine.commits.Load() - commits; n != 0 {
		t.Errorf("%d commits by uses", n)
	}
	for range 3 {
		w.flush(t)
	}
	if n := engine.commits.Load() - commits; n != 1 {
		t.Errorf("%d commits, want 1 for what changed", n)
	}
	w.SecretUsed("c", first, noon.Add(time.Hour))
	if at := w.used(t, "c", 0); !at.Equal(noon.Add(time.Hour)) {
		t.Errorf("before it is stored: %v", at)
	}
	w.reopen(t)
	for n, want := range []time.Time{noon.Add(time.Minute), noon.Add(2 * time.Minute)} {
		if at := w.used(t, "c", n); !at.Equal(want) {
			t.Errorf("secret %d after reopening: %v, want %v", n, at, want)
		}
	}
	if at := w.used(t, "d", 0); !at.IsZero() {
		t.Errorf("another client's secret: %v", at)
	}
	if p := w.apply(t, w.Snapshot().Manifest(), true); p.Changes() {
		t.Errorf("uses are changes of a registration: %v", p)
	}
}

// rows returns how many last uses are stored.
func (w *world) rows(t *testing.T) (n int) {
	t.Helper()
	for _, err := range w.engine.Scan(t.Context(), "secret_uses", "", "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestLastUsesAreRemovedWithTheirSecrets(t *testing.T) {
	for name, remove := range map[string]func(*world) error{
		"revoked": func(w *world) error {
			return w.RevokeSecret(t.Context(), "c", w.Snapshot().Client("c").Client.Secrets[0].ID, noon)
		},
		"client removed": func(w *world) error { return w.Remove(t.Context(), registry.KindClient, "c", noon) },
		"client public": func(w *world) error {
			_, _, err := w.Apply(t.Context(), manifest(client("c")), false, noon, nil)
			return err
		},
		"rotated twice": func(w *world) error {
			_, _, err := w.NewSecret(t.Context(), "c", noon)
			if err == nil {
				_, _, err = w.NewSecret(t.Context(), "c", noon)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t, manifest(confidential("c")), false)
			w.newSecret(t, "c", noon)
			id := w.Snapshot().Client("c").Client.Secrets[0].ID
			w.SecretUsed("c", id, noon)
			w.flush(t)
			if n := w.rows(t); n != 1 {
				t.Fatalf("%d uses are stored", n)
			}
			w.SecretUsed("c", id, noon.Add(time.Minute)) // by a concurrent request
			if err := remove(w); err != nil {
				t.Fatal(err)
			}
			w.flush(t)
			if n := w.rows(t); n != 0 {
				t.Errorf("%d uses are stored", n)
			}
		})
	}
}

func TestManyUsesAreStored(t *testing.T) {
	w := newWorld(t)
	var clients []exchange.Client
	for n := range 300 {
		clients = append(clients, confidential(fmt.Sprintf("c%d", n)))
	}
	w.apply(t, exchange.Manifest{Clients: clients}, false)
	for _, c := range clients {
		w.newSecret(t, c.ID, noon)
		w.SecretUsed(c.ID, w.Snapshot().Client(c.ID).Client.Secrets[0].ID, noon)
	}
	w.flush(t)
	if n := w.rows(t); n != len(clients) {
		t.Errorf("%d uses are stored", n)
	}
}

func TestFailedFlushIsRepeated(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(confidential("c")), false)
	w.newSecret(t, "c", noon)
	w.SecretUsed("c", w.Snapshot().Client("c").Client.Secrets[0].ID, noon)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := w.FlushUses(ended); err == nil || w.rows(t) != 0 {
		t.Fatalf("%d uses are stored: %v", w.rows(t), err)
	}
	w.flush(t)
	if n := w.rows(t); n != 1 {
		t.Errorf("%d uses are stored", n)
	}
}
