package users_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/storage"
)

func TestDelete(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	w.merge(t, p.carol.ID, p.bob.ID)
	w.merge(t, p.bob.ID, p.alice.ID)
	dave := w.create(t, subject("dave"))
	revocation := storage.Write{Table: "revocations", Key: "user", Value: []byte("now")}
	if err := w.Delete(t.Context(), "unknown", revocation); !notFound(err) || w.dump(t)["revocations user"] != "" {
		t.Errorf("an unknown user: %v", err)
	}
	if err := w.Delete(t.Context(), p.alice.ID, revocation); err != nil {
		t.Fatal(err)
	}
	for key, value := range w.dump(t) {
		for _, id := range []string{p.alice.ID, p.bob.ID, p.carol.ID, "alice", "carol"} {
			if strings.Contains(key, id) || strings.Contains(value, id) {
				t.Errorf("%s contains %s", key, id)
			}
		}
	}
	if w.userOf(t, "dave") != dave.ID || w.dump(t)["revocations user"] != "now" {
		t.Error("another user was deleted, or the caller's write was not committed")
	}
	if err := w.Delete(t.Context(), p.alice.ID); !notFound(err) {
		t.Errorf("again: %v", err)
	}
	if next := w.create(t, subject("alice")); next.ID == p.alice.ID {
		t.Error("the subject got its former user again")
	}
}

// Whichever commits first, no user gets a link that escapes a deletion, a merge or
// a disabling.
func TestLinkingConflictsWithConcurrentChange(t *testing.T) {
	changes := map[string]func(*world, fixed) error{
		"delete":  func(w *world, p fixed) error { return w.Delete(t.Context(), p.alice.ID) },
		"disable": func(w *world, p fixed) error { return w.SetDisabled(t.Context(), p.alice.ID, true) },
		"merge": func(w *world, p fixed) error {
			_, err := w.Merge(t.Context(), p.alice.ID, p.bob.ID, "", "me", noon)
			return err
		},
		"merge into": func(w *world, p fixed) error {
			_, err := w.Merge(t.Context(), p.bob.ID, p.alice.ID, "", "me", noon)
			return err
		},
	}
	also := subject("alice")
	also.Identities = []exchange.Identity{{Issuer: "a", ID: "wallet"}}
	for name, change := range changes {
		t.Run(name+" first", func(t *testing.T) {
			w := newWorld(t)
			p := w.fixed(t)
			_, _, writes, err := w.Resolve(t.Context(), also, false, noon)
			if err == nil {
				err = change(w, p)
			}
			must(t, err)
			if err := w.engine.Commit(t.Context(), writes...); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("linked: %v", err)
			}
		})
		t.Run(name+" meanwhile", func(t *testing.T) {
			w := newWorld(t)
			p := w.fixed(t)
			between := &interrupted{Engine: w.engine}
			w.Store = users.New(between, recordKey)
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

func TestLink(t *testing.T) {
	for _, row := range []struct {
		name  string
		user  func(fixed) string
		id    string
		added bool
		want  func(error) bool
	}{
		{"new", func(p fixed) string { return p.alice.ID }, "new", true, nil},
		{"linked to the user already", func(p fixed) string { return p.alice.ID }, "alice", false, nil},
		{"linked to another user", func(p fixed) string { return p.alice.ID }, "bob", false, refused},
		{"an unknown user", func(fixed) string { return "unknown" }, "new", false, notFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			user := row.user(w.fixed(t))
			before := w.dump(t)
			l, added, err := w.Link(t.Context(), user, "a", row.id, noon)
			if added != row.added || (row.want == nil) != (err == nil) || row.want != nil && !row.want(err) {
				t.Fatalf("%+v, added %v, %v", l, added, err)
			}
			if !added && cmp.Diff(before, w.dump(t)) != "" {
				t.Error("something was changed")
			}
			if err == nil && (l.User != user || w.userOf(t, row.id) != user) {
				t.Errorf("%+v", l)
			}
		})
	}
}

func TestLinkOfDisabledUserIsRefused(t *testing.T) {
	w := newWorld(t)
	p := w.fixed(t)
	w.disable(t, p.alice.ID)
	w.link(t, p.alice.ID, "new")
	if got := w.linked("new"); got != "disabled" {
		t.Errorf("resolved to %q", got)
	}
	must(t, w.SetDisabled(t.Context(), p.alice.ID, false))
	if got := w.linked("new"); got != p.alice.ID {
		t.Errorf("enabled, resolved to %q", got)
	}
}

func TestListByIssuer(t *testing.T) {
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
		for next, first := "", true; first || next != ""; first = false {
			page, after, err := w.ListByIssuer(t.Context(), "a", next, size)
			if err != nil || len(page) > size {
				t.Fatalf("%d users, %v", len(page), err)
			}
			for _, u := range page {
				got = append(got, u.ID)
			}
			next = after
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q, want %q", size, got, want)
		}
	}
}

// linked returns the user that an exchange resolves a subject to, or "disabled".
func (w *world) linked(id string) string {
	u, _, _, err := w.Resolve(context.Background(), subject(id), false, noon)
	if err != nil && exchange.AsError(err).Reason == exchange.ReasonUserDisabled {
		return "disabled"
	}
	return u.ID
}
