package users_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/storage"
	"cambio/storage/bolt"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var recordKey = []byte(strings.Repeat("r", 32))

// world is the users of a real store.
type world struct {
	*users.Store
	engine storage.Engine
	path   string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{path: filepath.Join(t.TempDir(), "cambio.db")}
	w.open(t)
	return w
}

func (w *world) open(t testing.TB) {
	t.Helper()
	e, err := bolt.Open(w.path, bolt.Options{NoSync: true})
	must(t, err)
	t.Cleanup(func() { e.Close() })
	w.engine, w.Store = e, users.New(e, recordKey)
}

// reopen closes the file and opens it again.
func (w *world) reopen(t testing.TB) {
	t.Helper()
	must(t, w.engine.Close())
	w.open(t)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dump returns all stored records of users, and of the callers' own writes.
func (w *world) dump(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, table := range []string{"users", "links", "user_links", "merges", "revocations"} {
		for r, err := range w.engine.Scan(t.Context(), table, "", "", 0) {
			must(t, err)
			out[table+" "+r.Key] = string(r.Value)
		}
	}
	return out
}

// count returns how many records a table has.
func (w *world) count(t testing.TB, table string) (n int) {
	t.Helper()
	for key := range w.dump(t) {
		if strings.HasPrefix(key, table+" ") {
			n++
		}
	}
	return n
}

func subject(id string) *exchange.Subject {
	return &exchange.Subject{Issuer: "a", ID: id, Email: id + "@example.com", Name: "Name of " + id}
}

// create makes the user of an unknown subject.
func (w *world) create(t testing.TB, s *exchange.Subject) exchange.User {
	t.Helper()
	u, isNew, _, err := w.resolve(t, s, true)
	if err != nil || !isNew {
		t.Fatalf("new %v: %v", isNew, err)
	}
	return u
}

// resolve resolves a subject and commits the writes, of which it returns the
// number.
func (w *world) resolve(t testing.TB, s *exchange.Subject, create bool) (u exchange.User, isNew bool, writes int, err error) {
	t.Helper()
	u, isNew, list, err := w.Resolve(t.Context(), s, create, noon)
	if err == nil && len(list) > 0 {
		err = w.engine.Commit(t.Context(), list...)
	}
	return u, isNew, len(list), err
}

// userOf returns the ID of a subject's user, empty if it has none.
func (w *world) userOf(t testing.TB, id string) string {
	t.Helper()
	u, _, _, err := w.Resolve(t.Context(), subject(id), false, noon)
	if err != nil && exchange.AsError(err).Reason != exchange.ReasonUserNotRegistered {
		t.Fatal(err)
	}
	return u.ID
}

func (w *world) link(t testing.TB, user, id string) {
	t.Helper()
	if _, added, err := w.Link(t.Context(), user, "a", id, noon); err != nil || !added {
		t.Fatalf("added %v: %v", added, err)
	}
}

func (w *world) unlink(t testing.TB, id string) {
	t.Helper()
	must(t, w.Unlink(t.Context(), "a", id, true))
}

func (w *world) disable(t testing.TB, id string) {
	t.Helper()
	must(t, w.SetDisabled(t.Context(), id, true))
}

// none is the further writes of an Unmerge that has none.
func none([]exchange.Link) ([]storage.Write, error) { return nil, nil }

func refused(err error) bool {
	_, ok := errors.AsType[users.Refusal](err)
	return ok
}

func notFound(err error) bool { return errors.Is(err, storage.ErrNotFound) }

// fixed is three users: alice, with the logins alice and alice2, bob and carol.
type fixed struct{ alice, bob, carol exchange.User }

func (w *world) fixed(t testing.TB) fixed {
	t.Helper()
	p := fixed{w.create(t, subject("alice")), w.create(t, subject("bob")), w.create(t, subject("carol"))}
	w.link(t, p.alice.ID, "alice2")
	return p
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
