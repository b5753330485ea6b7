package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		also.Also = append(also.Also, exchange.Identity{Issuer: "a", ID: fmt.Sprintf("%s %d", strings.Repeat("\u0001", 200), n)})
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
	also.Also = []exchange.Identity{{Issuer: "a", ID: "one more"}}
	if u, _, writes, err := w.Resolve(t.Context(), also, true, noon); err == nil || exchange.AsError(err).Reason != exchange.ReasonLinkedElsewhere || u.ID != "" || len(writes) > 0 {
		t.Errorf("one more by a proof: %v, %d writes, %v", u, len(writes), err)
	}
	also.Also[0].ID = "alice"
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

func TestUnmerge(t *testing.T) {
	const late = registry.UndoWithin
	for _, row := range []struct {
		name     string
		meantime func(*world, people)
		after    time.Duration
		kept     int
		alice    bool // is "alice" the restored user's again?
		alice2   bool
		want     func(error) bool // nil: it is undone
	}{
		{"at once", func(*world, people) {}, 0, 0, true, true, nil},
		{"at the last moment", func(*world, people) {}, late - 1, 0, true, true, nil},
		{"too late", func(*world, people) {}, late, 0, false, false, refused},
		{"a link was removed", func(w *world, _ people) { w.unlink(t, "alice2") }, 0, 1, true, false, nil},
		{"a link was moved elsewhere", func(w *world, p people) {
			w.unlink(t, "alice2")
			w.link(t, p.carol.ID, "alice2")
		}, 0, 1, true, false, nil},
		{"all links were moved elsewhere", func(w *world, p people) {
			for _, id := range []string{"alice", "alice2"} {
				w.unlink(t, id)
				w.link(t, p.carol.ID, id)
			}
		}, 0, 2, false, false, nil},
		{"a link went and came back", func(w *world, p people) {
			w.unlink(t, "alice2")
			w.link(t, p.bob.ID, "alice2")
		}, 0, 0, true, true, nil},
		{"the other user has a link more", func(w *world, p people) { w.link(t, p.bob.ID, "bob2") }, 0, 0, true, true, nil},
		{"the other user is disabled", func(w *world, p people) { w.disable(t, p.bob.ID) }, 0, 0, false, false, refused},
		{"the other user was merged on", func(w *world, p people) { w.merge(t, p.bob.ID, p.carol.ID) }, 0, 0, false, false, refused},
		{"the other user was deleted", func(w *world, p people) { must(t, w.RemoveUser(t.Context(), p.bob.ID)) }, 0, 0, false, false, notFound},
		{"it was swept", func(w *world, _ people) {
			_, err := w.SweepMerges(t.Context(), noon.Add(late+time.Millisecond), 10)
			must(t, err)
		}, 0, 0, false, false, notFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.people(t)
			m := w.merge(t, p.alice.ID, p.bob.ID)
			row.meantime(w, p)
			before := w.dump(t)
			var told []exchange.Link
			u, err := w.Unmerge(t.Context(), m.ID, noon.Add(row.after), func(l []exchange.Link) ([]storage.Write, error) {
				told = l
				return []storage.Write{{Table: "marks", Key: "link", Value: []byte("now")}}, nil
			})
			if row.want != nil {
				if !row.want(err) || cmp.Diff(before, w.dump(t)) != "" {
					t.Errorf("got %v, changed: %s", err, cmp.Diff(before, w.dump(t)))
				}
				return
			}
			if err != nil || u.Kept != row.kept || len(u.Restored) != 2-row.kept || !slices.Equal(told, u.Restored) || w.dump(t)["marks link"] == "" {
				t.Fatalf("%+v, told %v, %v", u, told, err)
			}
			if got, err := w.User(t.Context(), p.alice.ID); err != nil || got != p.alice {
				t.Errorf("restored %+v, %v", got, err)
			}
			for id, want := range map[string]bool{"alice": row.alice, "alice2": row.alice2} {
				if got := w.who(t, id) == p.alice.ID; got != want {
					t.Errorf("%s is the restored user's: %v, want %v", id, got, want)
				}
			}
			if w.who(t, "bob") != p.bob.ID || w.who(t, "carol") != p.carol.ID {
				t.Error("links of others changed")
			}
			if links, err := w.LinksOf(t.Context(), p.alice.ID); err != nil || !slices.Equal(links, u.Restored) {
				t.Errorf("its links are %v, %v", links, err)
			}
			if _, err := w.Unmerge(t.Context(), m.ID, noon, none); !notFound(err) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Merges that build on each other are undone last first, and then all is as it
// was.
func TestUnmergeInReverse(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	who := func() (all []string) {
		for _, id := range []string{"alice", "alice2", "bob", "carol"} {
			all = append(all, w.who(t, id))
		}
		return all
	}
	before := who()
	first, second := w.merge(t, p.alice.ID, p.bob.ID), w.merge(t, p.bob.ID, p.carol.ID)
	if all, err := w.Merges(t.Context(), p.carol.ID, noon); err != nil || len(all) != 2 {
		t.Errorf("what led to the last user: %v, %v", all, err)
	}
	if all, err := w.Merges(t.Context(), p.bob.ID, noon); err != nil || len(all) != 1 || all[0].ID != first.ID {
		t.Errorf("what led to the one between: %v, %v", all, err)
	}
	if all, err := w.Merges(t.Context(), "", noon.Add(registry.UndoWithin)); err != nil || len(all) != 0 {
		t.Errorf("too late, but told of: %v, %v", all, err)
	}
	if _, err := w.Unmerge(t.Context(), first.ID, noon, none); !refused(err) || !strings.Contains(err.Error(), second.ID) {
		t.Errorf("first first: %v", err)
	}
	for _, m := range []registry.Merge{second, first} {
		if _, err := w.Unmerge(t.Context(), m.ID, noon, none); err != nil {
			t.Fatal(err)
		}
	}
	if got := who(); !slices.Equal(got, before) {
		t.Errorf("%v, want %v", got, before)
	}
}

// One of many restores the user.
func TestOneOfManyUnmerges(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	m := w.merge(t, p.alice.ID, p.bob.ID)
	var wg sync.WaitGroup
	var done atomic.Int32
	for range 16 {
		wg.Go(func() {
			if _, err := w.Unmerge(t.Context(), m.ID, noon, none); err == nil {
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 || w.who(t, "alice") != p.alice.ID {
		t.Errorf("%d restored it", done.Load())
	}
}

func TestSweepMerges(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	w.merge(t, p.alice.ID, p.bob.ID)
	if n, err := w.SweepMerges(t.Context(), noon.Add(registry.UndoWithin-time.Millisecond), 10); err != nil || n != 0 {
		t.Errorf("too soon: %d swept, %v", n, err)
	}
	if n, err := w.SweepMerges(t.Context(), noon.Add(registry.UndoWithin+time.Millisecond), 10); err != nil || n != 1 {
		t.Errorf("%d swept, %v", n, err)
	}
	for key, value := range w.dump(t) {
		if strings.Contains(key, p.alice.ID) || strings.Contains(value, p.alice.ID) {
			t.Errorf("%s still tells of the merged user", key)
		}
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

func TestRemoveUser(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	w.merge(t, p.carol.ID, p.bob.ID)
	w.merge(t, p.bob.ID, p.alice.ID)
	dave := w.first(t, subject("dave"))
	mark := storage.Write{Table: "marks", Key: "user", Value: []byte("now")}
	if err := w.RemoveUser(t.Context(), "nobody", mark); !notFound(err) || w.dump(t)["marks user"] != "" {
		t.Errorf("an unknown user: %v", err)
	}
	if err := w.RemoveUser(t.Context(), p.alice.ID, mark); err != nil {
		t.Fatal(err)
	}
	for key, value := range w.dump(t) {
		for _, id := range []string{p.alice.ID, p.bob.ID, p.carol.ID, "alice", "carol"} {
			if strings.Contains(key, id) || strings.Contains(value, id) {
				t.Errorf("%s tells of %s", key, id)
			}
		}
	}
	if w.who(t, "dave") != dave.ID || w.dump(t)["marks user"] != "now" {
		t.Error("another user is gone, or the caller's write is not there")
	}
	if err := w.RemoveUser(t.Context(), p.alice.ID); !notFound(err) {
		t.Errorf("again: %v", err)
	}
	if next := w.first(t, subject("alice")); next.ID == p.alice.ID {
		t.Error("the subject became the user again")
	}
}

// Whichever commits first, nobody is given a link that a deletion, a merge or a
// disabling does not know of.
func TestLinkingRacesChanges(t *testing.T) {
	changes := map[string]func(*world, people) error{
		"delete":  func(w *world, p people) error { return w.RemoveUser(t.Context(), p.alice.ID) },
		"disable": func(w *world, p people) error { return w.Disable(t.Context(), p.alice.ID, true) },
		"merge": func(w *world, p people) error {
			_, err := w.Merge(t.Context(), p.alice.ID, p.bob.ID, "", "me", noon)
			return err
		},
		"merge into": func(w *world, p people) error {
			_, err := w.Merge(t.Context(), p.bob.ID, p.alice.ID, "", "me", noon)
			return err
		},
	}
	also := subject("alice")
	also.Also = []exchange.Identity{{Issuer: "a", ID: "wallet"}}
	for name, change := range changes {
		t.Run(name+" first", func(t *testing.T) {
			w := newWorld(t)
			p := w.people(t)
			_, _, writes, err := w.Resolve(t.Context(), also, false, noon)
			if err == nil {
				err = change(w, p)
			}
			must(t, err)
			if err := w.engine.Commit(t.Context(), writes...); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("linked all the same: %v", err)
			}
		})
		t.Run(name+" meanwhile", func(t *testing.T) {
			w := newWorld(t)
			p := w.people(t)
			between := &interrupted{Engine: w.engine}
			w.engine = between
			w.Registry = w.another(t)
			between.before = func() {
				_, _, writes, err := w.Resolve(t.Context(), also, false, noon)
				if err == nil {
					err = between.Engine.Commit(t.Context(), writes...)
				}
				must(t, err)
			}
			err := change(w, p)
			if strings.HasPrefix(name, "merge") != errors.Is(err, storage.ErrConflict) {
				t.Errorf("got %v", err)
			}
			if user := w.linked("wallet"); name == "delete" && user != "" || name == "disable" && user != "disabled" || strings.HasPrefix(name, "merge") && user != p.alice.ID {
				t.Errorf("the new link says %q", user)
			}
		})
	}
}

// linked is what exchanges read of a subject's link.
func (w *world) linked(id string) string {
	u, _, _, err := w.Resolve(context.Background(), subject(id), false, noon)
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonUserDisabled {
		return "disabled"
	}
	return u.ID
}

// interrupted calls before once, before a commit.
type interrupted struct {
	storage.Engine
	before func()
}

func (i *interrupted) Commit(ctx context.Context, w ...storage.Write) error {
	if f := i.before; f != nil {
		i.before = nil
		f()
	}
	return i.Engine.Commit(ctx, w...)
}

func TestAddLink(t *testing.T) {
	for _, row := range []struct {
		name  string
		user  func(people) string
		id    string
		added bool
		want  func(error) bool
	}{
		{"new", func(p people) string { return p.alice.ID }, "new", true, nil},
		{"the user's already", func(p people) string { return p.alice.ID }, "alice", false, nil},
		{"another user's", func(p people) string { return p.alice.ID }, "bob", false, refused},
		{"an unknown user", func(people) string { return "nobody" }, "new", false, notFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			user := row.user(w.people(t))
			before := w.dump(t)
			l, added, err := w.AddLink(t.Context(), user, "a", row.id, noon)
			if added != row.added || (row.want == nil) != (err == nil) || row.want != nil && !row.want(err) {
				t.Fatalf("%+v, added %v, %v", l, added, err)
			}
			if !added && cmp.Diff(before, w.dump(t)) != "" {
				t.Error("something was changed")
			}
			if err == nil && (l.User != user || w.who(t, row.id) != user) {
				t.Errorf("%+v", l)
			}
		})
	}
}

// A disabled user gets no login that lets it in.
func TestAddLinkToDisabled(t *testing.T) {
	w := newWorld(t)
	p := w.people(t)
	w.disable(t, p.alice.ID)
	w.link(t, p.alice.ID, "new")
	if got := w.linked("new"); got != "disabled" {
		t.Errorf("it is user %q", got)
	}
	must(t, w.Disable(t.Context(), p.alice.ID, false))
	if got := w.linked("new"); got != p.alice.ID {
		t.Errorf("enabled, it is user %q", got)
	}
}

func TestUsersAt(t *testing.T) {
	w := newWorld(t)
	var want []string
	for n := range 6 {
		s := subject(fmt.Sprint(n))
		if n%2 == 1 {
			s.Issuer = "b"
		}
		u, _, writes, err := w.Resolve(t.Context(), s, true, noon.Add(time.Duration(n)*time.Millisecond))
		if err == nil {
			err = w.engine.Commit(t.Context(), writes...)
		}
		must(t, err)
		if n%2 == 0 {
			want = append(want, u.ID)
			w.link(t, u.ID, fmt.Sprint("again ", n))
		}
	}
	for _, size := range []int{1, 2, 3, 10} {
		var got []string
		for next, page := "", 0; page == 0 || next != ""; page++ {
			users, after, err := w.UsersAt(t.Context(), "a", next, size)
			if err != nil || len(users) > size {
				t.Fatalf("%d users, %v", len(users), err)
			}
			for _, u := range users {
				got = append(got, u.ID)
			}
			next = after
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q, want %q", size, got, want)
		}
	}
}
