package registry_test

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
	"cambio/exchange/registry"
	"cambio/storage"
)

// sound says what is not right about what is stored of users, whatever led
// there: every link is shown with one user, who is there and is let in or not as
// the link says.
func (w *world) sound(t testing.TB) error {
	t.Helper()
	var users, links, shown = map[string]bool{}, map[string]string{}, 0
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
			users[key] = u.Disabled
		case "user_links":
			var l exchange.Link
			must(t, json.Unmarshal(text, &l))
			links[key] = l.User
			if key != l.User+"/"+exchange.LinkKey(l.Issuer, l.Subject) {
				bad("link %s is shown as %+v", key, l)
			}
		case "merges":
			var m struct{ From exchange.User }
			must(t, json.Unmarshal(text, &m))
			if _, there := users[m.From.ID]; there {
				bad("user %s was merged and is there", m.From.ID)
			}
		case "links":
			var l struct {
				User     string
				Disabled bool
			}
			must(t, json.Unmarshal(text, &l))
			disabled, there := users[l.User]
			if shown++; !there || disabled != l.Disabled || links[l.User+"/"+key] != l.User {
				bad("link %s says %+v; its user is there: %v, disabled: %v, shown: %q", key, l, there, disabled, links[l.User+"/"+key])
			}
		}
	}
	if shown != len(links) {
		bad("%d links, of which %d are shown", shown, len(links))
	}
	return errors.Join(wrong...)
}

// hands does to users what exchanges and operators do.
type hands struct {
	*world
	t    testing.TB
	pick func(n int) int // less than n
	now  time.Time
}

func (h *hands) subject() string { return fmt.Sprintf("s%d", h.pick(6)) }

// user is the ID of somebody who is or was there.
func (h *hands) user(known []string) string {
	if len(known) == 0 {
		return "nobody"
	}
	return known[h.pick(len(known))]
}

// act does one thing to the users known and returns whom it made. It fails with
// what may happen while others do something too.
func (h *hands) act(known []string) (made string, err error) {
	ctx, now := h.t.Context(), h.now
	switch h.pick(8) {
	case 0, 1: // an exchange, perhaps with a second identity
		s := subject(h.subject())
		if h.pick(2) == 0 {
			s.Identities = []exchange.Identity{{Issuer: "a", ID: h.subject(), FindsUser: h.pick(2) == 0, Relink: h.pick(2) == 0}}
		}
		u, isNew, writes, err := h.Resolve(ctx, s, true, now)
		if err == nil && len(s.Identities) > 0 && s.Identities[0].ID == s.ID {
			return "", nil // no proof says so
		}
		if err == nil {
			err = h.engine.Commit(ctx, writes...)
		}
		if err != nil || !isNew {
			return "", err
		}
		return u.ID, nil
	case 2:
		_, _, err = h.AddLink(ctx, h.user(known), "a", h.subject(), now)
	case 3:
		err = h.Unlink(ctx, "a", h.subject())
	case 4:
		_, err = h.Merge(ctx, h.user(known), h.user(known), "", "me", now)
	case 5:
		all, listErr := h.Merges(ctx, "", now)
		if err = listErr; err == nil && len(all) > 0 {
			_, err = h.Unmerge(ctx, all[h.pick(len(all))].ID, now, none)
		}
	case 6:
		err = h.Disable(ctx, h.user(known), h.pick(2) == 0)
	case 7:
		err = h.RemoveUser(ctx, h.user(known))
	}
	return "", err
}

// fair says whether an error is one that others can cause.
func fair(err error) bool {
	_, refused := errors.AsType[*exchange.Error](err)
	_, denied := errors.AsType[*registry.Refusal](err)
	return err == nil || refused || denied || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict)
}

// Whatever is done to users in whatever order, what is stored of them agrees.
func TestUsersModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.engine.Close()
		h := &hands{world: w, t: t, now: noon, pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }}
		var known []string
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			made, err := h.act(known)
			if !fair(err) || errors.Is(err, storage.ErrConflict) {
				rt.Fatal(err)
			}
			if made != "" {
				known = append(known, made)
			}
			if err := w.sound(t); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// So does what many do at once.
func TestUsersInParallel(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var known []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			h := &hands{world: w, t: t, now: noon, pick: rand.IntN}
			for range 60 {
				mu.Lock()
				seen := slices.Clone(known)
				mu.Unlock()
				made, err := h.act(seen)
				if !fair(err) {
					t.Error(err)
				}
				if made != "" {
					mu.Lock()
					known = append(known, made)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := w.sound(t); err != nil {
		t.Error(err)
	}
	if len(known) == 0 {
		t.Error("nobody was made")
	}
}
