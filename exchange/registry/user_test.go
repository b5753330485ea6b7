package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

func subject(id string) *exchange.Subject {
	return &exchange.Subject{Issuer: "a", ID: id, Email: id + "@example.com", Name: "Name of " + id}
}

// first makes the user of a subject.
func (w *world) first(t testing.TB, s *exchange.Subject) exchange.User {
	t.Helper()
	u, isNew, writes, err := w.Resolve(t.Context(), s, true, noon)
	if err == nil {
		err = w.engine.Commit(t.Context(), writes...)
	}
	if err != nil || !isNew {
		t.Fatalf("new %v: %v", isNew, err)
	}
	return u
}

// counting counts what reaches an engine.
type counting struct {
	storage.Engine
	gets, commits atomic.Int32
}

func (c *counting) Get(ctx context.Context, table, key string) ([]byte, error) {
	c.gets.Add(1)
	return c.Engine.Get(ctx, table, key)
}

func (c *counting) Commit(ctx context.Context, w ...storage.Write) error {
	c.commits.Add(1)
	return c.Engine.Commit(ctx, w...)
}

func TestParallelFirstSightsMakeOneUser(t *testing.T) {
	w := newWorld(t)
	const callers = 64
	users, made := make([]string, callers), atomic.Int32{}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			<-start
			for {
				u, isNew, writes, err := w.Resolve(t.Context(), subject("alice"), true, noon)
				if err != nil {
					t.Error(err)
					return
				}
				own := storage.Write{Table: "sessions", Key: fmt.Sprint(n), Value: []byte(u.ID)}
				err = w.engine.Commit(t.Context(), append(writes, own)...)
				if errors.Is(err, storage.ErrConflict) {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				if isNew {
					made.Add(1)
				}
				users[n] = u.ID
				return
			}
		})
	}
	close(start)
	wg.Wait()
	if slices.Sort(users); users[0] == "" || users[0] != users[callers-1] || made.Load() != 1 {
		t.Errorf("%d users were made, of IDs %s to %s", made.Load(), users[0], users[callers-1])
	}
	all, _, err := w.Users(t.Context(), "", 10)
	links, _, linkErr := w.Links(t.Context(), "", 10)
	if len(all) != 1 || len(links) != 1 || err != nil || linkErr != nil {
		t.Errorf("%d users and %d links are stored: %v %v", len(all), len(links), err, linkErr)
	}
}

func TestKnownSubjectCostsOneRead(t *testing.T) {
	w := newWorld(t)
	made := w.first(t, subject("alice"))
	engine := &counting{Engine: w.engine}
	w.engine = engine
	w.Registry = w.another(t)
	engine.gets.Store(0)
	s := subject("alice")
	s.Email, s.Name = "new@example.com", "New Name"
	u, isNew, writes, err := w.Resolve(t.Context(), s, true, noon.Add(time.Hour))
	if err != nil || isNew || len(writes) != 0 || u.ID != made.ID {
		t.Errorf("got %v new %v, %d writes, %v", u, isNew, len(writes), err)
	}
	if u.Email != s.Email || u.Name != s.Name {
		t.Errorf("e-mail and name are not the proof's: %v", u)
	}
	if engine.gets.Load() != 1 || engine.commits.Load() != 0 {
		t.Errorf("%d reads and %d commits", engine.gets.Load(), engine.commits.Load())
	}
	if kept, err := w.User(t.Context(), u.ID); err != nil || kept.Email != "alice@example.com" || !kept.Created.Equal(noon) {
		t.Errorf("stored %v %v", kept, err)
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	alice := w.first(t, subject("alice"))
	disabled := w.first(t, subject("mallory"))
	if err := w.Disable(t.Context(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	elsewhere := subject("alice")
	elsewhere.Issuer = "b"
	sameMail := subject("alice2")
	sameMail.Email = "alice@example.com"
	for _, row := range []struct {
		name    string
		subject *exchange.Subject
		create  bool
		isNew   bool
		reason  exchange.Reason
	}{
		{"known", subject("alice"), true, false, ""},
		{"known where nobody is created", subject("alice"), false, false, ""},
		{"unknown", subject("bob"), true, true, ""},
		{"unknown where nobody is created", subject("bob"), false, false, exchange.ReasonUserNotRegistered},
		{"disabled", subject("mallory"), true, false, exchange.ReasonUserDisabled},
		{"the same at another issuer", elsewhere, true, true, ""},
		{"another with the same e-mail", sameMail, true, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			u, isNew, writes, err := w.Resolve(t.Context(), row.subject, row.create, noon)
			if row.reason != "" {
				if exchange.AsError(err).Reason != row.reason || u.ID != "" || writes != nil {
					t.Errorf("got %v %v", u, err)
				}
				return
			}
			if err != nil || isNew != row.isNew || (u.ID == alice.ID) == isNew || (len(writes) > 0) != isNew {
				t.Errorf("got %v, new %v, %d writes, %v", u, isNew, len(writes), err)
			}
		})
	}
}

func TestDisableAndEnable(t *testing.T) {
	w := newWorld(t)
	alice := w.first(t, subject("alice"))
	mark := storage.Write{Table: "marks", Key: "user", Value: []byte("now")}
	if err := w.Disable(t.Context(), alice.ID, true, mark); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Get(t.Context(), "marks", "user"); err != nil {
		t.Errorf("the caller's write: %v", err)
	}
	if u, err := w.User(t.Context(), alice.ID); err != nil || !u.Disabled {
		t.Errorf("shown as %v %v", u, err)
	}
	if _, _, _, err := w.Resolve(t.Context(), subject("alice"), true, noon); exchange.AsError(err).Reason != exchange.ReasonUserDisabled {
		t.Errorf("disabled: %v", err)
	}
	if err := w.Disable(t.Context(), alice.ID, false); err != nil {
		t.Fatal(err)
	}
	if u, _, _, err := w.Resolve(t.Context(), subject("alice"), false, noon); err != nil || u.ID != alice.ID {
		t.Errorf("enabled again: %v %v", u, err)
	}
	if u, err := w.User(t.Context(), alice.ID); err != nil || u.Disabled {
		t.Errorf("shown as %v %v", u, err)
	}
	if err := w.Disable(t.Context(), "nobody", true); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
}

func TestUnlink(t *testing.T) {
	w := newWorld(t)
	alice := w.first(t, subject("alice"))
	w.first(t, subject("bob"))
	if links, err := w.LinksOf(t.Context(), alice.ID); err != nil || len(links) != 1 || links[0].Subject != "alice" {
		t.Fatalf("links %v %v", links, err)
	}
	if l, err := w.Link(t.Context(), "a", "alice"); err != nil || l.User != alice.ID {
		t.Errorf("link %v %v", l, err)
	}
	taken := storage.Write{Table: "marks", Key: "link", Value: []byte("now"), If: storage.IfEqual, Old: []byte("other")}
	if err := w.Unlink(t.Context(), "a", "alice", taken); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if err := w.Unlink(t.Context(), "a", "alice"); err != nil {
		t.Fatal(err)
	}
	if links, err := w.LinksOf(t.Context(), alice.ID); err != nil || len(links) != 0 {
		t.Errorf("links %v %v", links, err)
	}
	if err := w.Unlink(t.Context(), "a", "alice"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unlinking again: %v", err)
	}
	if _, _, _, err := w.Resolve(t.Context(), subject("alice"), false, noon); exchange.AsError(err).Reason != exchange.ReasonUserNotRegistered {
		t.Errorf("got %v", err)
	}
	if _, err := w.User(t.Context(), alice.ID); err != nil {
		t.Errorf("the user: %v", err)
	}
	if next := w.first(t, subject("alice")); next.ID == alice.ID {
		t.Error("the subject became the user again")
	}
}

func TestUsersArePagedInOrder(t *testing.T) {
	w := newWorld(t)
	var want []string
	for n := range 7 {
		u, _, writes, err := w.Resolve(t.Context(), subject(fmt.Sprint(n)), true, noon.Add(time.Duration(n)*time.Millisecond))
		if err == nil {
			err = w.engine.Commit(t.Context(), writes...)
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, u.ID)
	}
	w.reopen(t)
	for _, size := range []int{1, 3, 7, 8} {
		var got []string
		links := 0
		for next, page := "", 0; page == 0 || next != ""; page++ {
			users, after, err := w.Users(t.Context(), next, size)
			if err != nil || len(users) > size {
				t.Fatalf("%d users, %v", len(users), err)
			}
			for _, u := range users {
				got = append(got, u.ID)
			}
			next = after
		}
		for next, page := "", 0; page == 0 || next != ""; page++ {
			some, after, err := w.Links(t.Context(), next, size)
			if err != nil {
				t.Fatal(err)
			}
			links, next = links+len(some), after
		}
		if !slices.Equal(got, want) || links != len(want) {
			t.Errorf("pages of %d: %q and %d links, want %q", size, got, links, want)
		}
	}
}

func TestRemovedIssuersUsersComeBackWithIt(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a")), false)
	alice := w.first(t, subject("alice"))
	if err := w.RemoveIssuer(t.Context(), "a", noon); err != nil {
		t.Fatal(err)
	}
	w.apply(t, manifest(issuer("a")), false)
	if u, isNew, _, err := w.Resolve(t.Context(), subject("alice"), true, noon); err != nil || isNew || u.ID != alice.ID {
		t.Errorf("got %v, new %v, %v", u, isNew, err)
	}
}

func TestOneOfManyUnlinks(t *testing.T) {
	w := newWorld(t)
	w.first(t, subject("alice"))
	var wg sync.WaitGroup
	var done atomic.Int32
	for range 16 {
		wg.Go(func() {
			err := w.Unlink(t.Context(), "a", "alice")
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("%d unlinked the subject", done.Load())
	}
}
