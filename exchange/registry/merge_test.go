package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

func TestMerge(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	before, err := w.LinksOf(t.Context(), p.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := w.PlanMerge(t.Context(), p.alice.ID, p.bob.ID)
	if err != nil || plan.From != p.alice || plan.Into != p.bob || !slices.Equal(plan.Links, before) || len(before) != 2 {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	mark := storage.Write{Table: "marks", Key: "user", Value: []byte("now")}
	made, err := w.Merge(t.Context(), p.alice.ID, p.bob.ID, plan.Version, "me", noon, mark)
	if err != nil || made.From != p.alice || made.Into != p.bob.ID || len(made.Links) != 2 || made.By != "me" || !made.Time.Equal(noon) {
		t.Fatalf("merge %+v, %v", made, err)
	}
	if w.dump(t)["marks user"] != "now" {
		t.Error("the caller's write was not committed")
	}
	w.reopen(t)
	for id, want := range map[string]string{"alice": p.bob.ID, "alice2": p.bob.ID, "bob": p.bob.ID, "carol": p.carol.ID} {
		if got := w.who(t, id); got != want {
			t.Errorf("%s is user %s, want %s", id, got, want)
		}
	}
	if _, err := w.User(t.Context(), p.alice.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the merged user: %v", err)
	}
	if links, err := w.LinksOf(t.Context(), p.alice.ID); err != nil || len(links) != 0 {
		t.Errorf("it has links %v, %v", links, err)
	}
	if links, err := w.LinksOf(t.Context(), p.bob.ID); err != nil || len(links) != 3 {
		t.Errorf("the other one has links %v, %v", links, err)
	}
	if m, err := w.MergedFrom(t.Context(), p.alice.ID); err != nil || m.ID != made.ID {
		t.Errorf("where it went: %+v, %v", m, err)
	}
}

// What is refused changes nothing at all.
func TestMergeRefused(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(*world, people) (from, into, version string)
		want    func(error) bool
	}{
		{"itself", func(_ *world, p people) (string, string, string) { return p.alice.ID, p.alice.ID, "" }, refused},
		{"an unknown user", func(_ *world, p people) (string, string, string) { return "nobody", p.bob.ID, "" }, notFound},
		{"into an unknown user", func(_ *world, p people) (string, string, string) { return p.alice.ID, "nobody", "" }, notFound},
		{"a disabled user", func(w *world, p people) (string, string, string) {
			w.disable(t, p.alice.ID)
			return p.alice.ID, p.bob.ID, ""
		}, refused},
		{"into a disabled user", func(w *world, p people) (string, string, string) {
			w.disable(t, p.bob.ID)
			return p.alice.ID, p.bob.ID, ""
		}, refused},
		{"the other way than planned", func(w *world, p people) (string, string, string) {
			return p.bob.ID, p.alice.ID, w.version(t, p.alice.ID, p.bob.ID)
		}, refused},
		{"a link more than planned", func(w *world, p people) (string, string, string) {
			version := w.version(t, p.alice.ID, p.bob.ID)
			w.link(t, p.alice.ID, "alice3")
			return p.alice.ID, p.bob.ID, version
		}, refused},
		{"a link less than planned", func(w *world, p people) (string, string, string) {
			version := w.version(t, p.alice.ID, p.bob.ID)
			w.unlink(t, "alice2")
			return p.alice.ID, p.bob.ID, version
		}, refused},
		{"disabled and enabled since planned", func(w *world, p people) (string, string, string) {
			version := w.version(t, p.alice.ID, p.bob.ID)
			w.disable(t, p.bob.ID)
			if err := w.Disable(t.Context(), p.bob.ID, false); err != nil {
				t.Error(err)
			}
			return p.alice.ID, p.bob.ID, version
		}, refused},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			from, into, version := row.prepare(w, w.people(t))
			before := w.dump(t)
			if _, err := w.Merge(t.Context(), from, into, version, "me", noon); !row.want(err) {
				t.Errorf("got %v", err)
			}
			if d := cmp.Diff(before, w.dump(t)); d != "" {
				t.Errorf("something was changed: %s", d)
			}
		})
	}
}

func notFound(err error) bool { return errors.Is(err, storage.ErrNotFound) }

func (w *world) disable(t testing.TB, id string) {
	t.Helper()
	if err := w.Disable(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
}

func (w *world) unlink(t testing.TB, id string) {
	t.Helper()
	if err := w.Unlink(t.Context(), "a", id); err != nil {
		t.Fatal(err)
	}
}

func (w *world) version(t testing.TB, from, into string) string {
	t.Helper()
	p, err := w.PlanMerge(t.Context(), from, into)
	if err != nil {
		t.Fatal(err)
	}
	return p.Version
}

func (w *world) merge(t testing.TB, from, into string) registry.Merge {
	t.Helper()
	m, err := w.Merge(t.Context(), from, into, "", "me", noon)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Of many merges of one user exactly one happens, and no link is lost.
func TestOneOfManyMerges(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	var wg sync.WaitGroup
	var won atomic.Pointer[registry.Merge]
	var done atomic.Int32
	for n := range 32 {
		into := []string{p.bob.ID, p.carol.ID}[n%2]
		wg.Go(func() {
			m, err := w.Merge(t.Context(), p.alice.ID, into, "", "me", noon)
			if err == nil {
				done.Add(1)
				won.Store(&m)
			} else if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Fatalf("%d merged the user", done.Load())
	}
	for _, id := range []string{"alice", "alice2"} {
		if got := w.who(t, id); got != won.Load().Into {
			t.Errorf("%s is user %s, want %s", id, got, won.Load().Into)
		}
	}
	if all, err := w.Merges(t.Context(), "", noon); err != nil || len(all) != 1 {
		t.Errorf("%d merges, %v", len(all), err)
	}
}

// Two users are merged into each other at once: one of them is left, with all
// links.
func TestMergesIntoEachOther(t *testing.T) {
	for range 8 {
		w := newWorld(t)
		p := w.people(t)
		var wg sync.WaitGroup
		var done atomic.Int32
		for _, pair := range [][2]string{{p.alice.ID, p.bob.ID}, {p.bob.ID, p.alice.ID}} {
			wg.Go(func() {
				if _, err := w.Merge(t.Context(), pair[0], pair[1], "", "me", noon); err == nil {
					done.Add(1)
				}
			})
		}
		wg.Wait()
		if a, b := w.who(t, "alice"), w.who(t, "bob"); done.Load() != 1 || a == "" || a != b {
			t.Fatalf("%d merges; alice is %q, bob %q", done.Load(), a, b)
		}
	}
}

func TestMergeOfManyLinks(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.first(t, subject("alice")), w.first(t, subject("bob"))
	also := subject("alice")
	for n := range registry.MostLinks - 2 {
		also.Identities = append(also.Identities, exchange.Identity{Issuer: "a", ID: fmt.Sprintf("%s %d", strings.Repeat("\u0001", 200), n)})
	}
	_, _, writes, err := w.Resolve(t.Context(), also, false, noon)
	if err == nil {
		err = w.engine.Commit(t.Context(), writes...)
	}
	must(t, err)
	w.link(t, bob.ID, "bob2")
	if _, err := w.PlanMerge(t.Context(), alice.ID, bob.ID); !refused(err) {
		t.Errorf("one too many: %v", err)
	}
	w.unlink(t, "bob2")
	m := w.merge(t, alice.ID, bob.ID)
	if links, err := w.LinksOf(t.Context(), bob.ID); err != nil || len(links) != registry.MostLinks {
		t.Errorf("%d links, %v", len(links), err)
	}
	before := w.dump(t)
	if _, _, err := w.AddLink(t.Context(), bob.ID, "a", "one more", noon); !refused(err) {
		t.Errorf("a link more than a user may have: %v", err)
	}
	also = subject("alice")
	also.Identities = []exchange.Identity{{Issuer: "a", ID: "one more"}}
	if u, _, writes, err := w.Resolve(t.Context(), also, true, noon); err == nil || exchange.AsError(err).Reason != exchange.ReasonLinkedElsewhere || u.ID != "" || len(writes) > 0 {
		t.Errorf("one more by a proof: %v, %d writes, %v", u, len(writes), err)
	}
	also.Identities[0].ID = "alice"
	if u, _, writes, err := w.Resolve(t.Context(), also, true, noon); err != nil || u.ID != bob.ID || len(writes) > 0 {
		t.Errorf("a proof of what is linked: %v, %d writes, %v", u, len(writes), err)
	}
	if cmp.Diff(before, w.dump(t)) != "" {
		t.Error("something was changed")
	}
	if u, err := w.Unmerge(t.Context(), m.ID, noon, none); err != nil || len(u.Restored) != registry.MostLinks-1 || u.Kept != 0 {
		t.Errorf("undone: %d links, %d kept, %v", len(u.Restored), u.Kept, err)
	}
	if err := w.RemoveUser(t.Context(), alice.ID); err != nil || w.who(t, "alice") != "" || w.who(t, "bob") != bob.ID {
		t.Errorf("deleted: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A damaged record of a merge keeps nobody from being deleted.
func TestDamagedMerge(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	m := w.merge(t, p.alice.ID, p.bob.ID)
	must(t, w.engine.Commit(t.Context(), storage.Write{Table: "merges", Key: m.ID, Value: []byte("damaged")}))
	if _, err := w.Unmerge(t.Context(), m.ID, noon, none); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("undone: %v", err)
	}
	if all, err := w.Merges(t.Context(), "", noon); err != nil || len(all) != 0 {
		t.Errorf("told of: %v, %v", all, err)
	}
	must(t, w.RemoveUser(t.Context(), p.carol.ID))
}
