package registry_test

import (
	"errors"
	"testing"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

// dump is all that is stored of users.
func (w *world) dump(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, table := range []string{"users", "links", "user_links", "merges", "marks"} {
		for r, err := range w.engine.Scan(t.Context(), table, "", "", 0) {
			if err != nil {
				t.Fatal(err)
			}
			out[table+" "+r.Key] = string(r.Value)
		}
	}
	return out
}

// who is the user of a subject, empty if it is nobody.
func (w *world) who(t testing.TB, id string) string {
	t.Helper()
	u, _, _, err := w.Resolve(t.Context(), subject(id), false, noon)
	if err != nil && exchange.AsError(err).Reason != exchange.ReasonUserNotRegistered {
		t.Fatal(err)
	}
	return u.ID
}

func (w *world) link(t testing.TB, user, id string) {
	t.Helper()
	if _, added, err := w.AddLink(t.Context(), user, "a", id, noon); err != nil || !added {
		t.Fatalf("added %v: %v", added, err)
	}
}

func none([]exchange.Link) ([]storage.Write, error) { return nil, nil }

func refused(err error) bool {
	_, ok := errors.AsType[*registry.Refusal](err)
	return ok
}

// people are alice, who has two links, bob and carol.
type people struct{ alice, bob, carol exchange.User }

func (w *world) people(t testing.TB) people {
	t.Helper()
	p := people{w.first(t, subject("alice")), w.first(t, subject("bob")), w.first(t, subject("carol"))}
	w.link(t, p.alice.ID, "alice2")
	return p
}
