package users_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/storage"
)

func TestUnmerge(t *testing.T) {
	const late = users.UndoWithin
	for _, row := range []struct {
		name     string
		meantime func(*world, fixed)
		after    time.Duration
		kept     int
		alice    bool // "alice" is the restored user's again
		alice2   bool
		want     func(error) bool // nil: it is undone
	}{
		{"at once", func(*world, fixed) {}, 0, 0, true, true, nil},
		{"just in time", func(*world, fixed) {}, late - 1, 0, true, true, nil},
		{"too late", func(*world, fixed) {}, late, 0, false, false, refused},
		{"a link was removed", func(w *world, _ fixed) { w.unlink(t, "alice2") }, 0, 1, true, false, nil},
		{"a link was moved to a third user", func(w *world, p fixed) {
			w.unlink(t, "alice2")
			w.link(t, p.carol.ID, "alice2")
		}, 0, 1, true, false, nil},
		{"all links were moved to a third user", func(w *world, p fixed) {
			for _, id := range []string{"alice", "alice2"} {
				w.unlink(t, id)
				w.link(t, p.carol.ID, id)
			}
		}, 0, 2, false, false, nil},
		{"a link was removed and added again", func(w *world, p fixed) {
			w.unlink(t, "alice2")
			w.link(t, p.bob.ID, "alice2")
		}, 0, 0, true, true, nil},
		{"the other user got another link", func(w *world, p fixed) { w.link(t, p.bob.ID, "bob2") }, 0, 0, true, true, nil},
		{"the other user is disabled", func(w *world, p fixed) { w.disable(t, p.bob.ID) }, 0, 0, false, false, refused},
		{"the other user was merged itself", func(w *world, p fixed) { w.merge(t, p.bob.ID, p.carol.ID) }, 0, 0, false, false, refused},
		{"the other user was deleted", func(w *world, p fixed) { must(t, w.Delete(t.Context(), p.bob.ID)) }, 0, 0, false, false, notFound},
		{"it was swept", func(w *world, _ fixed) {
			_, err := w.SweepMerges(t.Context(), noon.Add(late+time.Millisecond), 10)
			must(t, err)
		}, 0, 0, false, false, notFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.fixed(t)
			m := w.merge(t, p.alice.ID, p.bob.ID)
			row.meantime(w, p)
			before := w.dump(t)
			var moved []exchange.Link
			u, err := w.Unmerge(t.Context(), m.ID, noon.Add(row.after), func(l []exchange.Link) ([]storage.Write, error) {
				moved = l
				return []storage.Write{{Table: "revocations", Key: "link", Value: []byte("now")}}, nil
			})
			if row.want != nil {
				if !row.want(err) || cmp.Diff(before, w.dump(t)) != "" {
					t.Errorf("got %v, changed: %s", err, cmp.Diff(before, w.dump(t)))
				}
				return
			}
			if err != nil || u.Kept != row.kept || len(u.Restored) != 2-row.kept || !slices.Equal(moved, u.Restored) || w.dump(t)["revocations link"] == "" {
				t.Fatalf("%+v, moved %v, %v", u, moved, err)
			}
			if got, err := w.Find(t.Context(), p.alice.ID); err != nil || got != p.alice {
				t.Errorf("restored %+v, %v", got, err)
			}
			for id, want := range map[string]bool{"alice": row.alice, "alice2": row.alice2} {
				if got := w.userOf(t, id) == p.alice.ID; got != want {
					t.Errorf("%s is the restored user's: %v, want %v", id, got, want)
				}
			}
			if w.userOf(t, "bob") != p.bob.ID || w.userOf(t, "carol") != p.carol.ID {
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

// Merges that build on each other can be undone, the last one first.
func TestUnmergeRestoresInReverseOrder(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	resolved := func() (all []string) {
		for _, id := range []string{"alice", "alice2", "bob", "carol"} {
			all = append(all, w.userOf(t, id))
		}
		return all
	}
	before := resolved()
	first, second := w.merge(t, p.alice.ID, p.bob.ID), w.merge(t, p.bob.ID, p.carol.ID)
	if all, err := w.Merges(t.Context(), p.carol.ID, noon); err != nil || len(all) != 2 {
		t.Errorf("merges that led to the last user: %v, %v", all, err)
	}
	if all, err := w.Merges(t.Context(), p.bob.ID, noon); err != nil || len(all) != 1 || all[0].ID != first.ID {
		t.Errorf("merges that led to the middle user: %v, %v", all, err)
	}
	if all, err := w.Merges(t.Context(), "", noon.Add(users.UndoWithin)); err != nil || len(all) != 0 {
		t.Errorf("listed too late: %v, %v", all, err)
	}
	if _, err := w.Unmerge(t.Context(), first.ID, noon, none); !refused(err) || !strings.Contains(err.Error(), second.ID) {
		t.Errorf("the first one first: %v", err)
	}
	for _, m := range []users.Merge{second, first} {
		if _, err := w.Unmerge(t.Context(), m.ID, noon, none); err != nil {
			t.Fatal(err)
		}
	}
	if got := resolved(); !slices.Equal(got, before) {
		t.Errorf("%v, want %v", got, before)
	}
}

func TestConcurrentUnmergesHaveOneWinner(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
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
	if done.Load() != 1 || w.userOf(t, "alice") != p.alice.ID {
		t.Errorf("%d unmerges succeeded", done.Load())
	}
}

func TestSweepMerges(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	w.merge(t, p.alice.ID, p.bob.ID)
	if n, err := w.SweepMerges(t.Context(), noon.Add(users.UndoWithin-time.Millisecond), 10); err != nil || n != 0 {
		t.Errorf("too soon: %d swept, %v", n, err)
	}
	if n, err := w.SweepMerges(t.Context(), noon.Add(users.UndoWithin+time.Millisecond), 10); err != nil || n != 1 {
		t.Errorf("%d swept, %v", n, err)
	}
	for key, value := range w.dump(t) {
		if strings.Contains(key, p.alice.ID) || strings.Contains(value, p.alice.ID) {
			t.Errorf("%s still contains the merged user", key)
		}
	}
}
