package users_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/storage"
)

// Namespaces of identities in these tests.
const (
	keySpace    = "key:c"
	mailSpace   = "mail:c"
	walletSpace = "wallet:c"
)

// byKey returns a subject proven by a key, with further identities.
func byKey(key string, further ...exchange.Identity) *exchange.Subject {
	return &exchange.Subject{Issuer: keySpace, ID: key, Email: "p@example.com", Identities: further}
}

func mail(address string) exchange.Identity {
	return exchange.Identity{Issuer: mailSpace, ID: address, FindsUser: true}
}

func wallet(account string) exchange.Identity {
	return exchange.Identity{Issuer: walletSpace, ID: account}
}

func relinked(i exchange.Identity) exchange.Identity {
	i.Relink = true
	return i
}

// linkedTo returns the user that an identity is linked to, empty if there is none.
func (w *world) linkedTo(t *testing.T, i exchange.Identity) string {
	t.Helper()
	l, err := w.FindLink(t.Context(), i.Issuer, i.ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return l.User
}

// populated returns a world of three users: alice has key k-alice, mail m-alice
// and wallet w-alice; bob has mail m-bob and wallet w-bob; mallory, which is
// disabled, has mail m-mallory.
func populated(t *testing.T) (w *world, ids map[string]string) {
	t.Helper()
	w, ids = newWorld(t), map[string]string{}
	for name, s := range map[string]*exchange.Subject{
		"alice":   byKey("k-alice", mail("m-alice"), wallet("w-alice")),
		"bob":     {Issuer: mailSpace, ID: "m-bob", Identities: []exchange.Identity{wallet("w-bob")}},
		"mallory": {Issuer: mailSpace, ID: "m-mallory"},
	} {
		u, isNew, _, err := w.resolve(t, s, true)
		if err != nil || !isNew {
			t.Fatal(isNew, err)
		}
		ids[name] = u.ID
	}
	if err := w.SetDisabled(t.Context(), ids["mallory"], true); err != nil {
		t.Fatal(err)
	}
	return w, ids
}

func TestResolveAll(t *testing.T) {
	for _, row := range []struct {
		name    string
		subject *exchange.Subject
		noNew   bool   // the client creates no users
		user    string // empty for a new one
		free    bool   // without writes
		reason  exchange.Reason
	}{
		{name: "all identities known", subject: byKey("k-alice", mail("m-alice"), wallet("w-alice")), user: "alice", free: true},
		{name: "all identities known, no users created", subject: byKey("k-alice", mail("m-alice")), noNew: true, user: "alice", free: true},
		{name: "one identity unlinked", subject: byKey("k-alice", wallet("w-new")), user: "alice"},
		{name: "one identity unlinked, no users created", subject: byKey("k-alice", wallet("w-new")), noNew: true, user: "alice"},
		{name: "unknown, found by its mail", subject: byKey("k-new", mail("m-bob")), user: "bob"},
		{name: "unknown, found by its mail, no users created", subject: byKey("k-new", mail("m-bob")), noNew: true, user: "bob"},
		{name: "all identities unknown", subject: byKey("k-new", mail("m-new"), wallet("w-new"))},
		{name: "all identities unknown, no users created", subject: byKey("k-new", mail("m-new")), noNew: true, reason: exchange.ReasonUserNotRegistered},
		{name: "a wallet finds no user", subject: byKey("k-new", wallet("w-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "a wallet finds no user, no users created", subject: byKey("k-new", wallet("w-bob")), noNew: true, reason: exchange.ReasonUserNotRegistered},
		{name: "linked to another user", subject: byKey("k-alice", wallet("w-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "mail of another user", subject: byKey("k-alice", mail("m-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "found by mail, wallet of a third user", subject: byKey("k-new", mail("m-bob"), wallet("w-alice")), reason: exchange.ReasonLinkedElsewhere},
		{name: "relinked from another user", subject: byKey("k-alice", relinked(wallet("w-bob"))), user: "alice"},
		{name: "relinked to a new user", subject: byKey("k-new", mail("m-new"), relinked(wallet("w-bob")))},
		{name: "one may be relinked, one may not", subject: byKey("k-alice", relinked(wallet("w-bob")), mail("m-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "relinked, and already linked", subject: byKey("k-alice", relinked(wallet("w-alice"))), user: "alice", free: true},
		{name: "relinked from a disabled user", subject: byKey("k-alice", relinked(exchange.Identity{Issuer: mailSpace, ID: "m-mallory"})), reason: exchange.ReasonUserDisabled},
		{name: "relinked from a disabled to a new user", subject: byKey("k-new", relinked(exchange.Identity{Issuer: mailSpace, ID: "m-mallory"})), reason: exchange.ReasonUserDisabled},
		{name: "mail of a disabled user", subject: byKey("k-new", mail("m-mallory")), reason: exchange.ReasonUserDisabled},
		{name: "disabled user", subject: &exchange.Subject{Issuer: mailSpace, ID: "m-mallory", Identities: []exchange.Identity{wallet("w-new")}}, reason: exchange.ReasonUserDisabled},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, ids := populated(t)
			engine := &counting{Engine: w.engine}
			w.engine, w.Store = engine, users.New(engine, recordKey)
			u, isNew, writes, err := w.resolve(t, row.subject, !row.noNew)
			if row.reason != "" {
				if exchange.AsError(err).Reason != row.reason || u.ID != "" || writes != 0 {
					t.Errorf("got %v, %d writes, %v", u, writes, err)
				}
				w.checkUnchanged(t, ids)
				return
			}
			if err != nil || isNew != (row.user == "") || (writes == 0) != row.free || row.user != "" && u.ID != ids[row.user] {
				t.Fatalf("got %v, new %v, %d writes, %v", u, isNew, writes, err)
			}
			if row.free != (engine.commits.Load() == 0) {
				t.Errorf("%d commits", engine.commits.Load())
			}
			w.checkLinked(t, u.ID, row.subject)
		})
	}
}

// checkLinked checks that all identities of a subject are linked to a user and
// listed at it.
func (w *world) checkLinked(t *testing.T, user string, s *exchange.Subject) {
	t.Helper()
	links, err := w.LinksOf(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range append([]exchange.Identity{{Issuer: s.Issuer, ID: s.ID}}, s.Identities...) {
		listed := slices.ContainsFunc(links, func(l exchange.Link) bool { return l.Issuer == i.Issuer && l.Subject == i.ID && l.User == user })
		if got := w.linkedTo(t, i); got != user || !listed {
			t.Errorf("%s of %s is linked to %q, listed at its user: %v", i.ID, i.Issuer, got, listed)
		}
		if again, isNew, writes, err := w.resolve(t, &exchange.Subject{Issuer: i.Issuer, ID: i.ID}, false); err != nil || isNew || writes != 0 || again.ID != user {
			t.Errorf("by %s alone: %v, %v", i.ID, again, err)
		}
	}
}

// checkUnchanged checks that the users and links are those of populated.
func (w *world) checkUnchanged(t *testing.T, ids map[string]string) {
	t.Helper()
	if users, links := w.count(t, "users"), w.count(t, "user_links"); users != 3 || links != 6 {
		t.Errorf("%d users and %d links", users, links)
	}
	for i, name := range map[exchange.Identity]string{
		mail("m-alice"): "alice", wallet("w-alice"): "alice", mail("m-bob"): "bob", wallet("w-bob"): "bob", mail("m-mallory"): "mallory",
	} {
		if got := w.linkedTo(t, i); got != ids[name] {
			t.Errorf("%s is user %s now", i.ID, got)
		}
	}
}

func TestRelinkedIdentityLeavesItsUser(t *testing.T) {
	w, ids := populated(t)
	if _, _, _, err := w.resolve(t, byKey("k-alice", relinked(wallet("w-bob"))), true); err != nil {
		t.Fatal(err)
	}
	links, err := w.LinksOf(t.Context(), ids["bob"])
	if err != nil || len(links) != 1 || links[0].Subject != "m-bob" {
		t.Errorf("bob has %v, %v", links, err)
	}
}

// Whatever happens to the user between Resolve and the commit, nothing is linked
// to a deleted or disabled user.
func TestLinkingConflictsWithChangeOfUser(t *testing.T) {
	for name, change := range map[string]func(w *world, user string) error{
		"disabled": func(w *world, user string) error { return w.SetDisabled(t.Context(), user, true) },
		"deleted":  func(w *world, user string) error { return w.Delete(t.Context(), user) },
		"unlinked and linked to another": func(w *world, _ string) error {
			if err := w.Unlink(t.Context(), walletSpace, "w-bob", true); err != nil {
				return err
			}
			_, _, _, err := w.resolve(t, &exchange.Subject{Issuer: walletSpace, ID: "w-bob"}, true)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, ids := populated(t)
			s := byKey("k-alice", wallet("w-new"))
			if name == "unlinked and linked to another" {
				s = byKey("k-alice", relinked(wallet("w-bob")))
			}
			_, _, writes, err := w.Resolve(t.Context(), s, true, noon)
			if err == nil {
				err = change(w, ids["alice"])
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.engine.Commit(t.Context(), writes...); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("got %v, want a conflict", err)
			}
			if got := w.linkedTo(t, wallet("w-new")); got != "" {
				t.Errorf("linked to %s", got)
			}
		})
	}
}

// Concurrent first exchanges by different keys of one mail create one user.
func TestConcurrentFirstExchangesOfOneMailCreateOneUser(t *testing.T) {
	w := newWorld(t)
	const callers = 32
	ids, created := make([]string, callers), atomic.Int32{}
	start := make(chan struct{})
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			<-start
			for {
				u, isNew, writes, err := w.Resolve(t.Context(), byKey("k-"+string(rune('a'+n%4)), mail("m")), true, noon)
				if err == nil && len(writes) > 0 {
					err = w.engine.Commit(t.Context(), writes...)
				}
				switch {
				case errors.Is(err, storage.ErrConflict):
					continue
				case err != nil:
					t.Error(err)
				case isNew:
					created.Add(1)
				}
				ids[n] = u.ID
				return
			}
		})
	}
	close(start)
	all.Wait()
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[callers-1] || created.Load() != 1 || w.count(t, "links") != 5 {
		t.Errorf("created %d times, IDs %s to %s, %d links", created.Load(), ids[0], ids[callers-1], w.count(t, "links"))
	}
}

// An identity that may be relinked from one user is not relinked from another;
// the refusal says what the proof lacks.
func TestRelinkFromNamedUserOnly(t *testing.T) {
	w, ids := populated(t)
	from := func(user string) *exchange.Subject {
		i := relinked(wallet("w-bob"))
		i.RelinkFrom, i.LinkedElsewhere = user, "prove more"
		return byKey("k-alice", i)
	}
	for _, user := range []string{ids["alice"], ids["mallory"], "unknown"} {
		_, _, _, err := w.resolve(t, from(user), true)
		if e := exchange.AsError(err); e.Reason != exchange.ReasonLinkedElsewhere || e.Description != "prove more" {
			t.Errorf("from %s: %v", user, err)
		}
	}
	w.checkUnchanged(t, ids)
	if u, _, _, err := w.resolve(t, from(ids["bob"]), true); err != nil || u.ID != ids["alice"] {
		t.Fatal(u, err)
	}
	w.checkLinked(t, ids["alice"], from(ids["bob"]))
}
