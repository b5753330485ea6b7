package admin_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/admin"
)

// login is a session that a user has by a subject.
type login struct {
	f       *fixture
	subject string
	user    string
	id      string
	tokens  exchange.Tokens
	free    string // an access token without a session
}

// login exchanges a subject of google for a session, and creates its user if needed.
func (f *fixture) login(t *testing.T, sub string) login {
	t.Helper()
	f.now = f.now.Add(time.Millisecond)
	u, _, writes, err := f.users.Resolve(t.Context(), &exchange.Subject{Issuer: "google", ID: sub, Email: "same@example.com"}, true, f.now)
	must(t, err)
	s := &exchange.Session{
		User: u.ID, Client: "shop", Issuer: "google", Subject: sub, Key: key, Audience: []string{"https://api.example"},
		Claims: map[string]any{"sub": sub, "email": "same@example.com"}, NotAfter: f.now.Add(time.Hour),
	}
	token := func() *exchange.AccessToken {
		return &exchange.AccessToken{User: u.ID, Client: "shop", Audience: s.Audience, Expires: f.now.Add(time.Minute)}
	}
	l := login{f: f, subject: sub, user: u.ID}
	l.tokens, err = f.sessions.Create(t.Context(), s, token(), time.Hour, true, f.now, writes...)
	must(t, err)
	free, err := f.sessions.Create(t.Context(), s, token(), 0, false, f.now)
	must(t, err)
	l.id, l.free = s.ID, free.AccessToken
	return l
}

// active reports whether a login's session and tokens are all valid; the test fails
// if only some are.
func (l login) active(t *testing.T) bool {
	t.Helper()
	valid := 0
	for _, token := range []string{l.tokens.AccessToken, l.tokens.RefreshToken, l.free} {
		in, err := l.f.sessions.Introspect(t.Context(), token, l.f.now)
		must(t, err)
		if in.Active {
			valid++
		}
	}
	_, err := l.f.sessions.Refresh(t.Context(), l.tokens.RefreshToken, l.f.now, func(s *exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		return &exchange.AccessToken{User: s.User, Client: s.Client, Audience: s.Audience, Expires: l.f.now.Add(time.Minute)}, time.Hour, nil
	})
	if err == nil {
		valid++
	} else if e := exchange.AsError(err); e.Reason.Response().Code != exchange.InvalidGrant {
		t.Errorf("refresh: %v", err)
	}
	if valid != 0 && valid != 4 {
		t.Errorf("%s: %d of 4 are valid", l.subject, valid)
	}
	return valid == 4
}

// userOf returns the ID of a subject's user, empty if it has none or is disabled.
func (f *fixture) userOf(t *testing.T, sub string) string {
	t.Helper()
	u, _, _, err := f.users.Resolve(t.Context(), &exchange.Subject{Issuer: "google", ID: sub}, false, f.now)
	if _, ok := errors.AsType[*exchange.Error](err); err != nil && !ok {
		t.Fatal(err)
	}
	return u.ID
}

// Each call ends the sessions that it should before it returns, and no others.
func TestUserCallsEndSessions(t *testing.T) {
	for _, row := range []struct {
		name   string
		do     func(f *fixture, alice, bob login) error
		ends   string // sessions of alice, of her other login, of bob: 1 means ended
		events string
		status int
	}{
		{"show", func(f *fixture, a, _ login) error { _, err := f.User(t.Context(), a.user); return err }, "000", "", 0},
		{"export", func(f *fixture, a, _ login) error { _, err := f.ExportUser(t.Context(), a.user); return err }, "000", "admin.user.export", 0},
		{"disable", func(f *fixture, a, _ login) error { return f.DisableUser(t.Context(), a.user) }, "110", "admin.user.disable", 0},
		{"delete", func(f *fixture, a, _ login) error { return f.DeleteUser(t.Context(), a.user) }, "110", "admin.user.delete", 0},
		{"unlink", func(f *fixture, a, _ login) error { return f.unlink(t, "alice") }, "100", "admin.link.remove", 0},
		{"unlink the only login", func(f *fixture, _, _ login) error { return f.unlink(t, "bob") }, "000", "", 409},
		{"unlink the only login by force", func(f *fixture, _, _ login) error {
			_, err := f.Unlink(t.Context(), admin.UnlinkRequest{Issuer: "google", Subject: "bob", Force: true})
			return err
		}, "001", "admin.link.remove", 0},
		{"link", func(f *fixture, a, _ login) error { return f.link(t, a.user, "new") }, "000", "admin.link.add", 0},
		{"link what is linked", func(f *fixture, a, _ login) error { return f.link(t, a.user, "alice") }, "000", "", 0},
		{"merge", func(f *fixture, a, b login) error { return f.merge(t, a.user, b.user) }, "110", "admin.user.merge", 0},
		{"merge into", func(f *fixture, a, b login) error { return f.merge(t, b.user, a.user) }, "001", "admin.user.merge", 0},
		{"plan a merge", func(f *fixture, a, b login) error {
			_, err := f.PlanMerge(t.Context(), admin.MergeRequest{From: a.user, Into: b.user})
			return err
		}, "000", "", 0},

		{"show an unknown user", func(f *fixture, _, _ login) error { _, err := f.User(t.Context(), "x/y"); return err }, "000", "", 404},
		{"export an unknown user", func(f *fixture, _, _ login) error { _, err := f.ExportUser(t.Context(), "x"); return err }, "000", "", 404},
		{"disable an unknown user", func(f *fixture, _, _ login) error { return f.DisableUser(t.Context(), "x") }, "000", "", 404},
		{"enable an unknown user", func(f *fixture, _, _ login) error { return f.EnableUser(t.Context(), "x") }, "000", "", 404},
		{"delete an unknown user", func(f *fixture, _, _ login) error { return f.DeleteUser(t.Context(), "x") }, "000", "", 404},
		{"unlink an unknown subject", func(f *fixture, _, _ login) error { return f.unlink(t, "x") }, "000", "", 404},
		{"link to an unknown user", func(f *fixture, _, _ login) error { return f.link(t, "x", "new") }, "000", "", 404},
		{"link another user's", func(f *fixture, a, _ login) error { return f.link(t, a.user, "bob") }, "000", "", 409},
		{"link a space that does not break", func(f *fixture, a, _ login) error { return f.link(t, a.user, "a\u00a0b") }, "000", "admin.link.add", 0},
		{"link a control character", func(f *fixture, a, _ login) error { return f.link(t, a.user, "a\x00") }, "000", "", 422},
		{"link an empty subject", func(f *fixture, a, _ login) error { return f.link(t, a.user, "") }, "000", "", 422},
		{"link a long subject", func(f *fixture, a, _ login) error { return f.link(t, a.user, strings.Repeat("a", 256)) }, "000", "", 422},
		{"link a subject of too many bytes", func(f *fixture, a, _ login) error { return f.link(t, a.user, strings.Repeat("é", 128)) }, "000", "", 422},
		{"merge with itself", func(f *fixture, a, _ login) error { return f.merge(t, a.user, a.user) }, "000", "", 409},
		{"merge an unknown user with itself", func(f *fixture, _, _ login) error { return f.merge(t, "x", "x") }, "000", "", 409},
		{"merge an unknown user", func(f *fixture, a, _ login) error { return f.merge(t, "x", a.user) }, "000", "", 404},
		{"merge into an unknown user", func(f *fixture, a, _ login) error { return f.merge(t, a.user, "x") }, "000", "", 404},
		{"undo an unknown merge", func(f *fixture, _, _ login) error { _, err := f.Unmerge(t.Context(), "x"); return err }, "000", "", 404},
		{"merge by another plan", func(f *fixture, a, b login) error {
			_, err := f.Merge(t.Context(), admin.MergeRequest{From: a.user, Into: b.user, Version: "another"})
			return err
		}, "000", "", 409},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := setup(t)
			f.apply(t, manifest())
			alice, bob := f.login(t, "alice"), f.login(t, "bob")
			must(t, f.link(t, alice.user, "alice2"))
			other := f.login(t, "alice2")
			if other.user != alice.user {
				t.Fatal("the linked subject has another user")
			}
			f.audited()
			if err := row.do(f, alice, bob); status(err) != row.status || (err == nil) != (row.status == 0) {
				t.Fatal(err)
			}
			got := ""
			for _, l := range []login{alice, other, bob} {
				got += map[bool]string{true: "0", false: "1"}[l.active(t)]
			}
			if got != row.ends {
				t.Errorf("ended %s, want %s", got, row.ends)
			}
			if events := f.audited(); events != row.events {
				t.Errorf("audited %q", events)
			}
		})
	}
}

func (f *fixture) link(t *testing.T, user, sub string) error {
	_, err := f.Link(t.Context(), admin.LinkRequest{User: user, Issuer: "google", Subject: sub})
	return err
}

func (f *fixture) unlink(t *testing.T, sub string) error {
	_, err := f.Unlink(t.Context(), admin.UnlinkRequest{Issuer: "google", Subject: sub})
	return err
}

func (f *fixture) merge(t *testing.T, from, into string) error {
	_, err := f.Merge(t.Context(), admin.MergeRequest{From: from, Into: into})
	return err
}

// A concurrent exchange that read its user before the change and responded after it
// gets no session that lasts.
func TestNoSessionSurvivesAConcurrentChange(t *testing.T) {
	for name, do := range map[string]func(f *fixture, alice, bob login) error{
		"disable": func(f *fixture, a, _ login) error { return f.DisableUser(t.Context(), a.user) },
		"delete":  func(f *fixture, a, _ login) error { return f.DeleteUser(t.Context(), a.user) },
		"unlink": func(f *fixture, _, _ login) error {
			_, err := f.Unlink(t.Context(), admin.UnlinkRequest{Issuer: "google", Subject: "alice", Force: true})
			return err
		},
		"merge": func(f *fixture, a, b login) error { return f.merge(t, a.user, b.user) },

		"remove the client": func(f *fixture, _, _ login) error { return f.RemoveClient(t.Context(), "shop") },
		"remove the issuer": func(f *fixture, _, _ login) error { return f.RemoveIssuer(t.Context(), "google") },
		"apply an empty manifest": func(f *fixture, _, _ login) error {
			_, err := f.Apply(t.Context(), exchange.Manifest{}, true)
			return err
		},
		"apply empty settings": func(f *fixture, _, _ login) error {
			_, _, err := admin.Apply(t.Context(), admin.Config{Registry: f.registry, Sessions: f.sessions, Audit: f, Now: f.clock}, exchange.Manifest{}, true)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			f.apply(t, manifest())
			alice, bob := f.login(t, "alice"), f.login(t, "bob")
			order, err := f.sessions.Order(t.Context()) // an exchange begins
			must(t, err)
			must(t, do(f, alice, bob))
			at := f.now
			s := exchange.Session{User: alice.user, Client: "shop", Issuer: "google", Subject: "alice", Audience: []string{"x"}, NotAfter: at.Add(time.Hour)}
			token := &exchange.AccessToken{User: alice.user, Client: "shop", Audience: s.Audience, Expires: at.Add(time.Hour), Order: order}
			tokens, err := f.sessions.Create(t.Context(), &s, token, time.Hour, true, at)
			must(t, err)
			if in, err := f.sessions.Introspect(t.Context(), tokens.AccessToken, f.now); err != nil || in.Active {
				t.Errorf("active %v, %v", in.Active, err)
			}
		})
	}
}

// After a call the subject has the right user, and no ended session is valid again.
func TestEndedSessionsStayEnded(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob := f.login(t, "alice"), f.login(t, "bob")

	must(t, f.DisableUser(t.Context(), alice.user))
	if u, err := f.User(t.Context(), alice.user); err != nil || !u.User.Disabled || f.userOf(t, "alice") != "" {
		t.Errorf("disabled: %+v, %v", u, err)
	}
	must(t, f.EnableUser(t.Context(), alice.user))
	if alice.active(t) || f.userOf(t, "alice") != alice.user {
		t.Error("enabled: an ended session is valid, or the subject has no user")
	}
	alice = f.login(t, "alice")
	if !alice.active(t) {
		t.Error("enabled: a new session is not valid")
	}
	must(t, f.DeleteUser(t.Context(), alice.user))
	again := f.login(t, "alice")
	if again.user == alice.user || alice.active(t) || !again.active(t) || !bob.active(t) {
		t.Error("deleted: the subject has no new user, or the wrong sessions are valid")
	}
}

func TestUnmergeEndsSessionsOfTheMerge(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob := f.login(t, "alice"), f.login(t, "bob")
	f.audited()
	plan, err := f.PlanMerge(t.Context(), admin.MergeRequest{From: alice.user, Into: bob.user})
	must(t, err)
	m, err := f.Merge(t.Context(), admin.MergeRequest{From: alice.user, Into: bob.user, Version: plan.Version})
	must(t, err)
	if m.Links != 1 || m.From.ID != alice.user || m.Into != bob.user || m.Until.Sub(m.Time) != 30*24*time.Hour || m.By != "admin at 127.0.0.1" {
		t.Errorf("%+v", m)
	}
	_, err = f.User(t.Context(), alice.user)
	if status(err) != 404 || !strings.Contains(err.Error(), m.ID) || !strings.Contains(err.Error(), bob.user) {
		t.Errorf("merged user: %v", err)
	}
	merged := f.login(t, "alice")
	if merged.user != bob.user {
		t.Error("the merged user's subject does not resolve to the other user")
	}
	if list, err := f.Merges(t.Context()); err != nil || len(list) != 1 || list[0].ID != m.ID {
		t.Errorf("%+v, %v", list, err)
	}
	must(t, f.link(t, bob.user, "since"))
	undone, err := f.Unmerge(t.Context(), m.ID)
	must(t, err)
	if len(undone.Since) != 1 || undone.Since[0].Subject != "since" {
		t.Errorf("linked since: %+v", undone.Since)
	}
	if len(undone.Restored) != 1 || undone.Restored[0].User != alice.user || undone.Kept != 0 {
		t.Errorf("%+v", undone)
	}
	if merged.active(t) || alice.active(t) || !bob.active(t) {
		t.Error("a session of the merge is valid, an ended one is valid again, or the other user's own session ended")
	}
	if next := f.login(t, "alice"); next.user != alice.user || !next.active(t) {
		t.Error("the user was not restored")
	}
	if got := f.audited(); got != "admin.user.merge admin.link.add admin.user.unmerge" {
		t.Errorf("audited %s", got)
	}
}

func TestUnmergeTooLate(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob := f.login(t, "alice"), f.login(t, "bob")
	must(t, f.merge(t, alice.user, bob.user))
	m, err := f.Merges(t.Context())
	must(t, err)
	f.now = f.now.Add(30 * 24 * time.Hour)
	if _, err := f.Unmerge(t.Context(), m[0].ID); status(err) != 409 || f.userOf(t, "alice") != bob.user {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentMergesHaveOneWinner(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob, carol := f.login(t, "alice"), f.login(t, "bob"), f.login(t, "carol")
	f.audited()
	var wg sync.WaitGroup
	var won atomic.Int32
	for _, into := range []string{bob.user, carol.user, bob.user, carol.user} {
		wg.Go(func() {
			err := f.merge(t, alice.user, into)
			if err == nil {
				won.Add(1)
			} else if s := status(err); s != 409 && s != 404 {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || f.audited() != "admin.user.merge" || !bob.active(t) || !carol.active(t) {
		t.Errorf("%d merges succeeded", won.Load())
	}
}

func TestMergeIsAuditedWithBothUsersAndAddress(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob := f.login(t, "alice"), f.login(t, "bob")
	f.audited()
	must(t, f.merge(t, alice.user, bob.user))
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.events[0]; e.User != alice.user || e.Into != bob.user || !e.Address.IsLoopback() {
		t.Errorf("%+v", e)
	}
}

// Only subjects of registered issuers and of namespaces of registered clients can be
// linked.
func TestLinkNeedsKnownNamespace(t *testing.T) {
	for issuer, want := range map[string]int{
		"google": 0, "client:backend": 0, "key:backend": 0, "mail:backend": 0, "wallet:shop": 0,
		"unknown": 404, "client:unknown": 404, "other:backend": 404, "client:": 404, ":": 404, "": 404, "client:backend:": 404,
	} {
		f := setup(t)
		f.apply(t, manifest())
		alice := f.login(t, "alice")
		_, err := f.Link(t.Context(), admin.LinkRequest{User: alice.user, Issuer: issuer, Subject: "x"})
		if status(err) != want || (err == nil) != (want == 0) {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// The links of a removed issuer stay: its users are the same when it is registered
// again, and an operator can remove them.
func TestLinksOutlastTheirIssuer(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice := f.login(t, "alice")
	must(t, f.RemoveIssuer(t.Context(), "google"))
	if u, err := f.User(t.Context(), alice.user); err != nil || len(u.Links) != 1 {
		t.Errorf("%+v, %v", u, err)
	}
	f.apply(t, manifest())
	if again := f.login(t, "alice"); again.user != alice.user {
		t.Errorf("the user is %s, was %s", again.user, alice.user)
	}
	must(t, f.RemoveIssuer(t.Context(), "google"))
	_, err := f.Unlink(t.Context(), admin.UnlinkRequest{Issuer: "google", Subject: "alice", Force: true})
	must(t, err)
}

func TestListUsers(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob := f.login(t, "alice"), f.login(t, "bob")
	for _, row := range []struct {
		filter     admin.UserFilter
		want, next string
	}{
		{admin.UserFilter{}, alice.user + bob.user, ""},
		{admin.UserFilter{Limit: 1}, alice.user, bob.user},
		{admin.UserFilter{From: bob.user}, bob.user, ""},
		{admin.UserFilter{Issuer: "google", Limit: 1}, alice.user, bob.user},
		{admin.UserFilter{Issuer: "google", From: bob.user}, bob.user, ""},
		{admin.UserFilter{Issuer: "legacy"}, "", ""},
	} {
		page, err := f.Users(t.Context(), row.filter)
		must(t, err)
		got := ""
		for _, u := range page.Users {
			got += u.ID
		}
		if got != row.want || page.Next != row.next {
			t.Errorf("%+v: %s, next %s", row.filter, got, page.Next)
		}
	}
	for _, limit := range []int{-1, 1001} {
		if _, err := f.Users(t.Context(), admin.UserFilter{Limit: limit}); status(err) != 422 {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	// There is no lookup by claims that do not identify a user.
	for _, query := range []string{"email=same@example.com", "name=alice"} {
		if code, body := f.send(t, "GET", "/v1/users?"+query, "", nil); code != 422 || strings.Contains(body, alice.user) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}

// The export contains all stored data of the user, none of other users, and nothing
// that could be used to log in.
func TestExportContainsOnlyTheUser(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	alice, bob, carol := f.login(t, "alice"), f.login(t, "bob"), f.login(t, "carol")
	must(t, f.merge(t, carol.user, alice.user))
	e, err := f.ExportUser(t.Context(), alice.user)
	must(t, err)
	if e.User.Email != "same@example.com" || len(e.Links) != 2 || len(e.Merges) != 1 || len(e.Sessions) != 1 || e.Sessions[0].Claims["sub"] != "alice" {
		t.Errorf("%+v", e)
	}
	text, err := json.Marshal(e)
	must(t, err)
	for _, wrong := range []string{bob.user, `"bob"`, alice.tokens.RefreshToken, alice.tokens.AccessToken, alice.free} {
		if strings.Contains(string(text), wrong) {
			t.Errorf("it contains %s", wrong)
		}
	}
}
