package users_test

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
	"cambio/exchange/users"
	"cambio/storage"
)

func TestMerge(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	before, err := w.LinksOf(t.Context(), p.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := w.PlanMerge(t.Context(), p.alice.ID, p.bob.ID)
	if err != nil || plan.From != p.alice || plan.Into != p.bob || !slices.Equal(plan.Links, before) || len(before) != 2 {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	revocation := storage.Write{Table: "revocations", Key: "user", Value: []byte("now")}
	m, err := w.Merge(t.Context(), p.alice.ID, p.bob.ID, plan.Version, "me", noon, revocation)
	if err != nil || m.From != p.alice || m.Into != p.bob.ID || m.Links != 2 || m.By != "me" || !m.Time.Equal(noon) {
		t.Fatalf("merge %+v, %v", m, err)
	}
	if w.dump(t)["revocations user"] != "now" {
		t.Error("the caller's write was not committed")
	}
	w.reopen(t)
	for id, want := range map[string]string{"alice": p.bob.ID, "alice2": p.bob.ID, "bob": p.bob.ID, "carol": p.carol.ID} {
		if got := w.userOf(t, id); got != want {
			t.Errorf("%s resolves to user %s, want %s", id, got, want)
		}
	}
	if _, err := w.Find(t.Context(), p.alice.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the merged user: %v", err)
	}
	if links, err := w.LinksOf(t.Context(), p.alice.ID); err != nil || len(links) != 0 {
		t.Errorf("it has links %v, %v", links, err)
	}
	if links, err := w.LinksOf(t.Context(), p.bob.ID); err != nil || len(links) != 3 {
		t.Errorf("the other one has links %v, %v", links, err)
	}
	if from, err := w.MergedFrom(t.Context(), p.alice.ID); err != nil || from.ID != m.ID {
		t.Errorf("merged by %+v, %v", from, err)
	}
}

func TestRefusedMergeChangesNothing(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(*world, fixed) (from, into, version string)
		want    func(error) bool
	}{
		{"itself", func(_ *world, p fixed) (string, string, string) { return p.alice.ID, p.alice.ID, "" }, refused},
		{"an unknown user", func(_ *world, p fixed) (string, string, string) { return "unknown", p.bob.ID, "" }, notFound},
		{"into an unknown user", func(_ *world, p fixed) (string, string, string) { return p.alice.ID, "unknown", "" }, notFound},
		{"a disabled user", func(w *world, p fixed) (string, string, string) {
			w.disable(t, p.alice.ID)
			return p.alice.ID, p.bob.ID, ""
		}, refused},
		{"into a disabled user", func(w *world, p fixed) (string, string, string) {
			w.disable(t, p.bob.ID)
			return p.alice.ID, p.bob.ID, ""
		}, refused},
		{"the other way round than planned", func(w *world, p fixed) (string, string, string) {
			return p.bob.ID, p.alice.ID, w.version(t, p.alice.ID, p.bob.ID)
		}, refused},
		{"a link more than planned", func(w *world, p fixed) (string, string, string) {
			version := w.version(t, p.alice.ID, p.bob.ID)
			w.link(t, p.alice.ID, "alice3")
			return p.alice.ID, p.bob.ID, version
		}, refused},
		{"a link less than planned", func(w *world, p fixed) (string, string, string) {
			version := w.version(t, p.alice.ID, p.bob.ID)
			w.unlink(t, "alice2")
			return p.alice.ID, p.bob.ID, version
		}, refused},
		{"disabled and enabled since planned", func(w *world, p fixed) (string, string, string) {
			version := w.version(t, p.alice.ID, p.bob.ID)
			w.disable(t, p.bob.ID)
			if err := w.SetDisabled(t.Context(), p.bob.ID, false); err != nil {
				t.Error(err)
			}
			return p.alice.ID, p.bob.ID, version
		}, refused},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			from, into, version := row.prepare(w, w.fixed(t))
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

func (w *world) version(t testing.TB, from, into string) string {
	t.Helper()
	p, err := w.PlanMerge(t.Context(), from, into)
	if err != nil {
		t.Fatal(err)
	}
	return p.Version
}

func (w *world) merge(t testing.TB, from, into string) users.Merge {
	t.Helper()
	m, err := w.Merge(t.Context(), from, into, "", "me", noon)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// No link is lost.
func TestConcurrentMergesHaveOneWinner(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	var wg sync.WaitGroup
	var won atomic.Pointer[users.Merge]
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
		t.Fatalf("%d merges succeeded", done.Load())
	}
	for _, id := range []string{"alice", "alice2"} {
		if got := w.userOf(t, id); got != won.Load().Into {
			t.Errorf("%s resolves to user %s, want %s", id, got, won.Load().Into)
		}
	}
	if all, err := w.Merges(t.Context(), "", noon); err != nil || len(all) != 1 {
		t.Errorf("%d merges, %v", len(all), err)
	}
}

// Two users are concurrently merged into each other: one of them remains, with all
// links.
func TestConcurrentMergesIntoEachOther(t *testing.T) {
	for range 8 {
		w := newWorld(t)
		p := w.fixed(t)
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
		if a, b := w.userOf(t, "alice"), w.userOf(t, "bob"); done.Load() != 1 || a == "" || a != b {
			t.Fatalf("%d merges; alice is %q, bob %q", done.Load(), a, b)
		}
	}
}

func TestMergeOfManyLinks(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.create(t, subject("alice")), w.create(t, subject("bob"))
	s := subject("alice")
	for n := range users.MostLinks - 2 {
		s.Identities = append(s.Identities, exchange.Identity{Issuer: "a", ID: fmt.Sprintf("%s %d", strings.Repeat("\u0001", 200), n)})
	}
	_, _, writes, err := w.Resolve(t.Context(), s, false, noon)
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
	if links, err := w.LinksOf(t.Context(), bob.ID); err != nil || len(links) != users.MostLinks {
		t.Errorf("%d links, %v", len(links), err)
	}
	before := w.dump(t)
	if _, _, err := w.Link(t.Context(), bob.ID, "a", "one more", noon); !refused(err) {
		t.Errorf("a link more than a user may have: %v", err)
	}
	s = subject("alice")
	s.Identities = []exchange.Identity{{Issuer: "a", ID: "one more"}}
	if u, _, writes, err := w.Resolve(t.Context(), s, true, noon); err == nil || exchange.AsError(err).Reason != exchange.ReasonLinkedElsewhere || u.ID != "" || len(writes) > 0 {
		t.Errorf("one more by an exchange: %v, %d writes, %v", u, len(writes), err)
	}
	s.Identities[0].ID = "alice"
	if u, _, writes, err := w.Resolve(t.Context(), s, true, noon); err != nil || u.ID != bob.ID || len(writes) > 0 {
		t.Errorf("an exchange by linked identities: %v, %d writes, %v", u, len(writes), err)
	}
	if cmp.Diff(before, w.dump(t)) != "" {
		t.Error("something was changed")
	}
	if u, err := w.Unmerge(t.Context(), m.ID, noon, none); err != nil || len(u.Restored) != users.MostLinks-1 || u.Kept != 0 {
		t.Errorf("undone: %d links, %d kept, %v", len(u.Restored), u.Kept, err)
	}
	if err := w.Delete(t.Context(), alice.ID); err != nil || w.userOf(t, "alice") != "" || w.userOf(t, "bob") != bob.ID {
		t.Errorf("deleted: %v", err)
	}
}

func TestCorruptMergeKeepsNoUserFromDeletion(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	m := w.merge(t, p.alice.ID, p.bob.ID)
	must(t, w.engine.Commit(t.Context(), storage.Write{Table: "merges", Key: m.ID, Value: []byte("damaged")}))
	if _, err := w.Unmerge(t.Context(), m.ID, noon, none); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("undone: %v", err)
	}
	if all, err := w.Merges(t.Context(), "", noon); err != nil || len(all) != 0 {
		t.Errorf("listed: %v, %v", all, err)
	}
	must(t, w.Delete(t.Context(), p.carol.ID))
}
