package registry_test

import (
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
