package registry_test

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
	"cambio/storage"
)

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
	also.Identities = []exchange.Identity{{Issuer: "a", ID: "wallet"}}
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
