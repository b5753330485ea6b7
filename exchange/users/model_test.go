package users_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/storage"
)

// checkConsistent returns the inconsistencies of the stored records: every link is
// listed at one user, which exists and is disabled exactly if the link says so.
func (w *world) checkConsistent(t testing.TB) error {
	t.Helper()
	disabled, listed, links := map[string]bool{}, map[string]string{}, 0
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	all := w.dump(t)
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(all))) { // users, user_links, merges, links
		table, key, _ := strings.Cut(at, " ")
		text := []byte(all[at][32:]) // after its MAC
		switch table {
		case "users":
			var u exchange.User
			must(t, json.Unmarshal(text, &u))
			disabled[key] = u.Disabled
		case "user_links":
			var l exchange.Link
			must(t, json.Unmarshal(text, &l))
			listed[key] = l.User
			if key != l.User+"/"+exchange.LinkKey(l.Issuer, l.Subject) {
				bad("link %s is listed as %+v", key, l)
			}
		case "merges":
			var m struct{ From exchange.User }
			must(t, json.Unmarshal(text, &m))
			if _, exists := disabled[m.From.ID]; exists {
				bad("user %s was merged and exists", m.From.ID)
			}
		case "links":
			var l struct {
				User     string
				Disabled bool
			}
			must(t, json.Unmarshal(text, &l))
			off, exists := disabled[l.User]
			if links++; !exists || off != l.Disabled || listed[l.User+"/"+key] != l.User {
				bad("link %s is %+v; its user exists: %v, disabled: %v, listed: %q", key, l, exists, off, listed[l.User+"/"+key])
			}
		}
	}
	if links != len(listed) {
		bad("%d links, of which %d are listed", links, len(listed))
	}
	return errors.Join(wrong...)
}

// actor does to users what exchanges and operators do.
type actor struct {
	*world
	t    testing.TB
	pick func(n int) int // 0 ≤ result < n
	now  time.Time
}

func (a *actor) subject() string { return fmt.Sprintf("s%d", a.pick(6)) }

// user returns the ID of a user that exists or existed.
func (a *actor) user(known []string) string {
	if len(known) == 0 {
		return "unknown"
	}
	return known[a.pick(len(known))]
}

// act does one thing to the known users and returns the ID of a user that it
// created. It may fail as a concurrent act makes it fail.
func (a *actor) act(known []string) (created string, err error) {
	ctx, now := a.t.Context(), a.now
	switch a.pick(8) {
	case 0, 1: // an exchange, perhaps with a second identity
		s := subject(a.subject())
		if a.pick(2) == 0 {
			s.Identities = []exchange.Identity{{Issuer: "a", ID: a.subject(), FindsUser: a.pick(2) == 0, Relink: a.pick(2) == 0}}
		}
		u, isNew, writes, err := a.Resolve(ctx, s, true, now)
		if err == nil && len(s.Identities) > 0 && s.Identities[0].ID == s.ID {
			return "", nil // no proof has the same identity twice
		}
		if err == nil {
			err = a.engine.Commit(ctx, writes...)
		}
		if err != nil || !isNew {
			return "", err
		}
		return u.ID, nil
	case 2:
		_, _, err = a.Link(ctx, a.user(known), "a", a.subject(), now)
	case 3:
		err = a.Unlink(ctx, "a", a.subject(), true)
	case 4:
		_, err = a.Merge(ctx, a.user(known), a.user(known), "", "me", now)
	case 5:
		all, listErr := a.Merges(ctx, "", now)
		if err = listErr; err == nil && len(all) > 0 {
			_, err = a.Unmerge(ctx, all[a.pick(len(all))].ID, now, none)
		}
	case 6:
		err = a.SetDisabled(ctx, a.user(known), a.pick(2) == 0)
	case 7:
		err = a.Delete(ctx, a.user(known))
	}
	return "", err
}

// expected reports whether another act, before or concurrent, can cause err.
func expected(err error) bool {
	_, refused := errors.AsType[*exchange.Error](err)
	_, denied := errors.AsType[users.Refusal](err)
	return err == nil || refused || denied || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict)
}

func TestRecordsStayConsistentInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.engine.Close()
		a := &actor{world: w, t: t, now: noon, pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }}
		var known []string
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			created, err := a.act(known)
			if !expected(err) || errors.Is(err, storage.ErrConflict) {
				rt.Fatal(err)
			}
			if created != "" {
				known = append(known, created)
			}
			if err := w.checkConsistent(t); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func TestRecordsStayConsistentUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var known []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a := &actor{world: w, t: t, now: noon, pick: rand.IntN}
			for range 60 {
				mu.Lock()
				seen := slices.Clone(known)
				mu.Unlock()
				created, err := a.act(seen)
				if !expected(err) {
					t.Error(err)
				}
				if created != "" {
					mu.Lock()
					known = append(known, created)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := w.checkConsistent(t); err != nil {
		t.Error(err)
	}
	if len(known) == 0 {
		t.Error("no user was created")
	}
}
