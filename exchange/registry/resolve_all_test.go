package registry_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"cambio/exchange"
	"cambio/storage"
)

// Namespaces of identities in these tests.
const (
	keySpace    = "key:c"
	mailSpace   = "mail:c"
	walletSpace = "wallet:c"
)

// proven is a subject by a key that is also other identities.
func proven(key string, also ...exchange.Identity) *exchange.Subject {
	return &exchange.Subject{Issuer: keySpace, ID: key, Email: "p@example.com", Identities: also}
}

func naming(mail string) exchange.Identity {
	return exchange.Identity{Issuer: mailSpace, ID: mail, FindsUser: true}
}

func joining(account string) exchange.Identity {
	return exchange.Identity{Issuer: walletSpace, ID: account}
}

func moving(i exchange.Identity) exchange.Identity {
	i.Relink = true
	return i
}

// resolve resolves a subject and commits what that takes.
func (w *world) resolve(t *testing.T, s *exchange.Subject, create bool) (u exchange.User, isNew bool, writes int, err error) {
	t.Helper()
	u, isNew, list, err := w.Resolve(t.Context(), s, create, noon)
	if err == nil && len(list) > 0 {
		err = w.engine.Commit(t.Context(), list...)
	}
	return u, isNew, len(list), err
}

// whose is the user that an identity is linked to, empty if none is.
func (w *world) whose(t *testing.T, i exchange.Identity) string {
	t.Helper()
	l, err := w.Link(t.Context(), i.Issuer, i.ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	return l.User
}

// The world of the table: alice is key k-alice, mail m-alice and wallet
// w-alice; bob is mail m-bob and wallet w-bob; mallory, who is disabled, is
// mail m-mallory. Nobody is the others.
func peopled(t *testing.T) (w *world, users map[string]string) {
	t.Helper()
	w, users = newWorld(t), map[string]string{}
	for name, s := range map[string]*exchange.Subject{
		"alice":   proven("k-alice", naming("m-alice"), joining("w-alice")),
		"bob":     {Issuer: mailSpace, ID: "m-bob", Identities: []exchange.Identity{joining("w-bob")}},
		"mallory": {Issuer: mailSpace, ID: "m-mallory"},
	} {
		u, isNew, _, err := w.resolve(t, s, true)
		if err != nil || !isNew {
			t.Fatal(isNew, err)
		}
		users[name] = u.ID
	}
	if err := w.Disable(t.Context(), users["mallory"], true); err != nil {
		t.Fatal(err)
	}
	return w, users
}

func TestResolveAll(t *testing.T) {
	for _, row := range []struct {
		name    string
		subject *exchange.Subject
		noNew   bool   // the client creates no users
		user    string // empty: a new one
		free    bool   // of writes
		reason  exchange.Reason
	}{
		{name: "known in all", subject: proven("k-alice", naming("m-alice"), joining("w-alice")), user: "alice", free: true},
		{name: "known in all, where nobody is created", subject: proven("k-alice", naming("m-alice")), noNew: true, user: "alice", free: true},
		{name: "one to be linked", subject: proven("k-alice", joining("w-new")), user: "alice"},
		{name: "one to be linked, where nobody is created", subject: proven("k-alice", joining("w-new")), noNew: true, user: "alice"},
		{name: "unknown, found by what names it", subject: proven("k-new", naming("m-bob")), user: "bob"},
		{name: "unknown, found where nobody is created", subject: proven("k-new", naming("m-bob")), noNew: true, user: "bob"},
		{name: "unknown in all", subject: proven("k-new", naming("m-new"), joining("w-new"))},
		{name: "unknown in all, where nobody is created", subject: proven("k-new", naming("m-new")), noNew: true, reason: exchange.ReasonUserNotRegistered},
		{name: "what does not name finds nobody", subject: proven("k-new", joining("w-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "nor where nobody is created", subject: proven("k-new", joining("w-bob")), noNew: true, reason: exchange.ReasonUserNotRegistered},
		{name: "linked to another", subject: proven("k-alice", joining("w-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "named as another", subject: proven("k-alice", naming("m-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "found, linked to a third", subject: proven("k-new", naming("m-bob"), joining("w-alice")), reason: exchange.ReasonLinkedElsewhere},
		{name: "moved from another", subject: proven("k-alice", moving(joining("w-bob"))), user: "alice"},
		{name: "moved to who is new", subject: proven("k-new", naming("m-new"), moving(joining("w-bob")))},
		{name: "one moves, one does not", subject: proven("k-alice", moving(joining("w-bob")), naming("m-bob")), reason: exchange.ReasonLinkedElsewhere},
		{name: "moves, and is there already", subject: proven("k-alice", moving(joining("w-alice"))), user: "alice", free: true},
		{name: "moved from who is disabled", subject: proven("k-alice", moving(exchange.Identity{Issuer: mailSpace, ID: "m-mallory"})), reason: exchange.ReasonUserDisabled},
		{name: "moved from who is disabled to who is new", subject: proven("k-new", moving(exchange.Identity{Issuer: mailSpace, ID: "m-mallory"})), reason: exchange.ReasonUserDisabled},
		{name: "named as who is disabled", subject: proven("k-new", naming("m-mallory")), reason: exchange.ReasonUserDisabled},
		{name: "who is disabled", subject: &exchange.Subject{Issuer: mailSpace, ID: "m-mallory", Identities: []exchange.Identity{joining("w-new")}}, reason: exchange.ReasonUserDisabled},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, users := peopled(t)
			engine := &counting{Engine: w.engine}
			w.engine = engine
			w.Registry = w.another(t)
			u, isNew, writes, err := w.resolve(t, row.subject, !row.noNew)
			if row.reason != "" {
				if exchange.AsError(err).Reason != row.reason || u.ID != "" || writes != 0 {
					t.Errorf("got %v, %d writes, %v", u, writes, err)
				}
				w.unchanged(t, users)
				return
			}
			if err != nil || isNew != (row.user == "") || (writes == 0) != row.free || row.user != "" && u.ID != users[row.user] {
				t.Fatalf("got %v, new %v, %d writes, %v", u, isNew, writes, err)
			}
			if row.free != (engine.commits.Load() == 0) {
				t.Errorf("%d commits", engine.commits.Load())
			}
			w.allOf(t, u.ID, row.subject)
		})
	}
}

// allOf wants all identities of a subject to be a user's, and shown as such.
func (w *world) allOf(t *testing.T, user string, s *exchange.Subject) {
	t.Helper()
	links, err := w.LinksOf(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range append([]exchange.Identity{{Issuer: s.Issuer, ID: s.ID}}, s.Identities...) {
		shown := slices.ContainsFunc(links, func(l exchange.Link) bool { return l.Issuer == i.Issuer && l.Subject == i.ID && l.User == user })
		if got := w.whose(t, i); got != user || !shown {
			t.Errorf("%s of %s is %q, shown at its user: %v", i.ID, i.Issuer, got, shown)
		}
		if again, isNew, writes, err := w.resolve(t, &exchange.Subject{Issuer: i.Issuer, ID: i.ID}, false); err != nil || isNew || writes != 0 || again.ID != user {
			t.Errorf("by %s alone: %v, %v", i.ID, again, err)
		}
	}
}

// unchanged wants the people to be who they were.
func (w *world) unchanged(t *testing.T, users map[string]string) {
	t.Helper()
	all, _, err := w.Users(t.Context(), "", 10)
	links, _, linkErr := w.Links(t.Context(), "", 10)
	if err != nil || linkErr != nil || len(all) != 3 || len(links) != 6 {
		t.Errorf("%d users and %d links: %v %v", len(all), len(links), err, linkErr)
	}
	for i, name := range map[exchange.Identity]string{
		naming("m-alice"): "alice", joining("w-alice"): "alice", naming("m-bob"): "bob", joining("w-bob"): "bob", naming("m-mallory"): "mallory",
	} {
		if got := w.whose(t, i); got != users[name] {
			t.Errorf("%s is user %s now", i.ID, got)
		}
	}
}

// What was moved is the former user's no more, who keeps the rest.
func TestMovedIdentitiesLeave(t *testing.T) {
	w, users := peopled(t)
	if _, _, _, err := w.resolve(t, proven("k-alice", moving(joining("w-bob"))), true); err != nil {
		t.Fatal(err)
	}
	links, err := w.LinksOf(t.Context(), users["bob"])
	if err != nil || len(links) != 1 || links[0].Subject != "m-bob" {
		t.Errorf("bob has %v, %v", links, err)
	}
}

// Whatever happens to the user between the look and the commit, nothing is
// linked to who is not there any more or may not come in.
func TestNothingIsLinkedToWhoChanged(t *testing.T) {
	for name, change := range map[string]func(w *world, user string) error{
		"disabled": func(w *world, user string) error { return w.Disable(t.Context(), user, true) },
		"deleted":  func(w *world, user string) error { return w.RemoveUser(t.Context(), user) },
		"unlinked and another's": func(w *world, _ string) error {
			if err := w.Unlink(t.Context(), walletSpace, "w-bob"); err != nil {
				return err
			}
			_, _, _, err := w.resolve(t, &exchange.Subject{Issuer: walletSpace, ID: "w-bob"}, true)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, users := peopled(t)
			who, what := proven("k-alice", joining("w-new")), "alice"
			if name == "unlinked and another's" {
				who = proven("k-alice", moving(joining("w-bob")))
			}
			_, _, writes, err := w.Resolve(t.Context(), who, true, noon)
			if err == nil {
				err = change(w, users[what])
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.engine.Commit(t.Context(), writes...); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("got %v, want a conflict", err)
			}
			if got := w.whose(t, joining("w-new")); got != "" {
				t.Errorf("linked to %s", got)
			}
		})
	}
}

// Of many first sights at once, by different keys of one mail, one makes the
// user and all are it.
func TestParallelSightsOfOneMail(t *testing.T) {
	w := newWorld(t)
	const callers = 32
	users, made := make([]string, callers), atomic.Int32{}
	start := make(chan struct{})
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			<-start
			for {
				u, isNew, writes, err := w.Resolve(t.Context(), proven("k-"+string(rune('a'+n%4)), naming("m")), true, noon)
				if err == nil && len(writes) > 0 {
					err = w.engine.Commit(t.Context(), writes...)
				}
				switch {
				case errors.Is(err, storage.ErrConflict):
					continue
				case err != nil:
					t.Error(err)
				case isNew:
					made.Add(1)
				}
				users[n] = u.ID
				return
			}
		})
	}
	close(start)
	all.Wait()
	links, _, err := w.Links(t.Context(), "", 10)
	if slices.Sort(users); users[0] == "" || users[0] != users[callers-1] || made.Load() != 1 || len(links) != 5 || err != nil {
		t.Errorf("made %d times, IDs %s to %s, %d links, %v", made.Load(), users[0], users[callers-1], len(links), err)
	}
}

// An identity that moves from one user moves from no other, who is told what the
// proof lacks.
func TestMovesFromOneUser(t *testing.T) {
	w, users := peopled(t)
	from := func(user string) *exchange.Subject {
		i := moving(joining("w-bob"))
		i.RelinkFrom, i.LinkedElsewhere = user, "prove more"
		return proven("k-alice", i)
	}
	for _, user := range []string{users["alice"], users["mallory"], "nobody"} {
		_, _, _, err := w.resolve(t, from(user), true)
		if e := exchange.AsError(err); e.Reason != exchange.ReasonLinkedElsewhere || e.Description != "prove more" {
			t.Errorf("from %s: %v", user, err)
		}
	}
	w.unchanged(t, users)
	if u, _, _, err := w.resolve(t, from(users["bob"]), true); err != nil || u.ID != users["alice"] {
		t.Fatal(u, err)
	}
	w.allOf(t, users["alice"], from(users["bob"]))
}
