package users_test

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
	"cambio/exchange/users"
	"cambio/storage"
)

// counting counts the calls of an engine.
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

func TestConcurrentFirstExchangesCreateOneUser(t *testing.T) {
	w := newWorld(t)
	const callers = 64
	ids, created := make([]string, callers), atomic.Int32{}
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
					created.Add(1)
				}
				ids[n] = u.ID
				return
			}
		})
	}
	close(start)
	wg.Wait()
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[callers-1] || created.Load() != 1 {
		t.Errorf("%d users were created, of IDs %s to %s", created.Load(), ids[0], ids[callers-1])
	}
	if n, links := w.count(t, "users"), w.count(t, "user_links"); n != 1 || links != 1 {
		t.Errorf("%d users and %d links are stored", n, links)
	}
}

func TestKnownSubjectCostsOneRead(t *testing.T) {
	w := newWorld(t)
	alice := w.create(t, subject("alice"))
	engine := &counting{Engine: w.engine}
	w.Store = users.New(engine, recordKey)
	s := subject("alice")
	s.Email, s.Name = "new@example.com", "New Name"
	u, isNew, writes, err := w.Resolve(t.Context(), s, true, noon.Add(time.Hour))
	if err != nil || isNew || len(writes) != 0 || u.ID != alice.ID {
		t.Errorf("got %v new %v, %d writes, %v", u, isNew, len(writes), err)
	}
	if u.Email != s.Email || u.Name != s.Name {
		t.Errorf("e-mail and name are not those of the proof: %v", u)
	}
	if engine.gets.Load() != 1 || engine.commits.Load() != 0 {
		t.Errorf("%d reads and %d commits", engine.gets.Load(), engine.commits.Load())
	}
	if stored, err := w.Find(t.Context(), u.ID); err != nil || stored.Email != "alice@example.com" || !stored.Created.Equal(noon) {
		t.Errorf("stored %v %v", stored, err)
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	alice := w.create(t, subject("alice"))
	disabled := w.create(t, subject("mallory"))
	if err := w.SetDisabled(t.Context(), disabled.ID, true); err != nil {
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
		{"known, no users created", subject("alice"), false, false, ""},
		{"unknown", subject("bob"), true, true, ""},
		{"unknown, no users created", subject("bob"), false, false, exchange.ReasonUserNotRegistered},
		{"disabled", subject("mallory"), true, false, exchange.ReasonUserDisabled},
		{"the same subject at another issuer", elsewhere, true, true, ""},
		{"another subject with the same e-mail", sameMail, true, true, ""},
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
	alice := w.create(t, subject("alice"))
	revocation := storage.Write{Table: "revocations", Key: "user", Value: []byte("now")}
	if err := w.SetDisabled(t.Context(), alice.ID, true, revocation); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Get(t.Context(), "revocations", "user"); err != nil {
		t.Errorf("the caller's write: %v", err)
	}
	if u, err := w.Find(t.Context(), alice.ID); err != nil || !u.Disabled {
		t.Errorf("found %v %v", u, err)
	}
	if _, _, _, err := w.Resolve(t.Context(), subject("alice"), true, noon); exchange.AsError(err).Reason != exchange.ReasonUserDisabled {
		t.Errorf("disabled: %v", err)
	}
	if err := w.SetDisabled(t.Context(), alice.ID, false); err != nil {
		t.Fatal(err)
	}
	if u, _, _, err := w.Resolve(t.Context(), subject("alice"), false, noon); err != nil || u.ID != alice.ID {
		t.Errorf("enabled again: %v %v", u, err)
	}
	if u, err := w.Find(t.Context(), alice.ID); err != nil || u.Disabled {
		t.Errorf("found %v %v", u, err)
	}
	if err := w.SetDisabled(t.Context(), "unknown", true); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
}

func TestUnlink(t *testing.T) {
	w := newWorld(t)
	alice := w.create(t, subject("alice"))
	w.create(t, subject("bob"))
	if links, err := w.LinksOf(t.Context(), alice.ID); err != nil || len(links) != 1 || links[0].Subject != "alice" {
		t.Fatalf("links %v %v", links, err)
	}
	if l, err := w.FindLink(t.Context(), "a", "alice"); err != nil || l.User != alice.ID {
		t.Errorf("link %v %v", l, err)
	}
	taken := storage.Write{Table: "revocations", Key: "link", Value: []byte("now"), If: storage.IfEqual, Old: []byte("other")}
	if err := w.Unlink(t.Context(), "a", "alice", true, taken); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if err := w.Unlink(t.Context(), "a", "alice", true); err != nil {
		t.Fatal(err)
	}
	if links, err := w.LinksOf(t.Context(), alice.ID); err != nil || len(links) != 0 {
		t.Errorf("links %v %v", links, err)
	}
	if err := w.Unlink(t.Context(), "a", "alice", true); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unlinking again: %v", err)
	}
	if _, _, _, err := w.Resolve(t.Context(), subject("alice"), false, noon); exchange.AsError(err).Reason != exchange.ReasonUserNotRegistered {
		t.Errorf("got %v", err)
	}
	if _, err := w.Find(t.Context(), alice.ID); err != nil {
		t.Errorf("the user: %v", err)
	}
	if next := w.create(t, subject("alice")); next.ID == alice.ID {
		t.Error("the subject got its former user again")
	}
}

func TestListIsPagedInOrder(t *testing.T) {
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
		for next, first := "", true; first || next != ""; first = false {
			page, after, err := w.List(t.Context(), next, size)
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

// The only login of a user is removed on demand alone, also where the last two are
// removed at once.
func TestUnlinkKeepsTheOnlyLogin(t *testing.T) {
	w := newWorld(t)
	alice := w.create(t, subject("alice"))
	refusal := func(id string) error { return w.Unlink(t.Context(), "a", id, false) }
	if last, ok := errors.AsType[*users.LastLogin](refusal("alice")); !ok || last.User != alice.ID {
		t.Errorf("refused with %v", last)
	}
	for range 20 {
		if _, _, err := w.Link(t.Context(), alice.ID, "a", "alice2", noon); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, id := range []string{"alice", "alice2"} {
			wg.Go(func() { _ = refusal(id) })
		}
		wg.Wait()
		links, err := w.LinksOf(t.Context(), alice.ID)
		if err != nil || len(links) != 1 {
			t.Fatalf("links %v %v", links, err)
		}
		if links[0].Subject == "alice2" {
			_, _, err := w.Link(t.Context(), alice.ID, "a", "alice", noon)
			if err = errors.Join(err, refusal("alice2")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Unlink(t.Context(), "a", "alice", true); err != nil {
		t.Error(err)
	}
}

func TestConcurrentUnlinksHaveOneWinner(t *testing.T) {
	w := newWorld(t)
	w.create(t, subject("alice"))
	var wg sync.WaitGroup
	var done atomic.Int32
	for range 16 {
		wg.Go(func() {
			err := w.Unlink(t.Context(), "a", "alice", true)
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("%d unlinks succeeded", done.Load())
	}
}
