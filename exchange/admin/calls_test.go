package admin_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/jwks/jwkstest"
)

// key is the thumbprint of the issuer key that proved the tests' sessions.
const key = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

// bobs is a session that another key proved.
var bobs = exchange.Session{User: "user-bob", Client: "shop", Issuer: "google", Subject: "bob", Key: "another-key"}

func (f *fixture) start(t *testing.T, issuer, client, sub string) string {
	t.Helper()
	return f.startUser(t, "user-"+sub, issuer, client, sub)
}

func (f *fixture) startUser(t *testing.T, user, issuer, client, sub string) string {
	t.Helper()
	return f.store(t, exchange.Session{User: user, Client: client, Issuer: issuer, Subject: sub, Key: key})
}

// store stores a session and returns its ID. Each is younger than the previous one.
func (f *fixture) store(t *testing.T, s exchange.Session) string {
	t.Helper()
	f.now = f.now.Add(time.Millisecond)
	s.Audience, s.NotAfter = []string{"https://api.example"}, f.now.Add(time.Hour)
	token := &exchange.AccessToken{User: s.User, Client: s.Client, Audience: s.Audience, Expires: f.now.Add(time.Minute)}
	_, err := f.sessions.Create(t.Context(), &s, token, time.Hour, true, f.now)
	must(t, err)
	return s.ID
}

func (f *fixture) ended(t *testing.T, id string) bool {
	t.Helper()
	s, err := f.Session(t.Context(), id)
	must(t, err)
	return s.Ended
}

func status(err error) int {
	if e, ok := errors.AsType[*admin.Error](err); ok {
		return e.Status
	}
	return 0
}

func TestPreviewFetchesAndRegistersNothing(t *testing.T) {
	f, issuer := setup(t), jwkstest.New(t)
	i := exchange.Issuer{ID: "new", URL: issuer.URL, Audiences: []string{"app"}, Keys: exchange.Keys{AllowPrivateAddresses: true}}
	p, err := f.Preview(t.Context(), i)
	must(t, err)
	if len(p.Keys) != 1 || p.Keys[0].Thumbprint == "" || p.Issuer.ID != "new" {
		t.Errorf("%+v", p)
	}
	if f.registry.Snapshot().Revision() != 0 || f.audited() != "" {
		t.Error("something was registered")
	}
	i.Audiences = nil
	if _, err := f.Preview(t.Context(), i); status(err) != 422 || !strings.Contains(err.Error(), "$.audiences: ") {
		t.Errorf("without audience: %v", err)
	}
	issuer.Fail(503)
	i.Audiences = []string{"app"}
	if _, err := f.Preview(t.Context(), i); status(err) != 502 || !strings.Contains(err.Error(), "503") {
		t.Errorf("issuer down: %v", err)
	}
}

// A preview does not make the server fetch from its own network, unless the issuer
// declares that it may.
func TestPreviewFetchesNoPrivateAddress(t *testing.T) {
	f, issuer := setup(t), jwkstest.New(t)
	_, err := f.Preview(t.Context(), exchange.Issuer{ID: "new", URL: issuer.URL, Audiences: []string{"app"}})
	if err == nil || issuer.Fetches() != 0 {
		t.Errorf("%v, %d fetches", err, issuer.Fetches())
	}
}

func TestRemoveIssuer(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	id := f.start(t, "google", "shop", "alice")
	f.audited()
	i, err := f.Issuer(t.Context(), "google")
	must(t, err)
	if i.URL != "https://accounts.google.com" {
		t.Errorf("%+v", i)
	}
	must(t, f.RemoveIssuer(t.Context(), "google"))
	if !f.ended(t, id) || f.registry.Snapshot().Issuer("google") != nil || f.audited() != "admin.issuer.remove" {
		t.Error("the issuer can be used, its session is valid, or there is no audit event")
	}
	if _, err := f.Issuer(t.Context(), "google"); status(err) != 404 {
		t.Errorf("show: %v", err)
	}
	if err := f.RemoveIssuer(t.Context(), "google"); status(err) != 404 || f.audited() != "" {
		t.Errorf("again: %v", err)
	}
}

func TestRemoveClient(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	id := f.start(t, "google", "shop", "alice")
	f.audited()
	must(t, f.RemoveClient(t.Context(), "shop"))
	if !f.ended(t, id) || f.registry.Snapshot().Client("shop") != nil || f.audited() != "admin.client.remove" {
		t.Error("the client can be used, its session is valid, or there is no audit event")
	}
	if err := f.RemoveClient(t.Context(), "shop"); status(err) != 404 {
		t.Errorf("again: %v", err)
	}
	if _, err := f.Client.Client(t.Context(), "no/such"); status(err) != 404 {
		t.Errorf("show: %v", err)
	}
}

// Sessions that other clients got for tokens of a removed client's first-party users
// end too.
func TestRemovedClientEndsSessionsOfItsNamespaces(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	tokens := map[string]string{} // namespace → an access token of backend's
	for _, from := range []string{"client:shop", "wallet:shop", "client:backend", "google"} {
		narrowed := &exchange.AccessToken{
			User: "u", Client: "backend", Audience: []string{"https://api.example"}, Expires: f.now.Add(time.Minute),
			Origin: exchange.Origin{Issuer: from, Link: exchange.LinkKey(from, "1")},
		}
		issued, err := f.sessions.Create(t.Context(), nil, narrowed, 0, false, f.now)
		must(t, err)
		tokens[from] = issued.AccessToken
	}
	must(t, f.RemoveClient(t.Context(), "shop"))
	for from, token := range tokens {
		in, err := f.sessions.Introspect(t.Context(), token, f.now)
		must(t, err)
		if in.Active == strings.HasSuffix(from, ":shop") {
			t.Errorf("token from %s: active %v", from, in.Active)
		}
	}
}

func TestSecrets(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	f.audited()
	valid := func(s admin.NewSecret) bool {
		return f.registry.CheckSecret(f.registry.Snapshot().Client("backend").Client, s.Secret, f.now) == s.ID
	}
	first, err := f.RotateSecret(t.Context(), "backend")
	must(t, err)
	second, err := f.RotateSecret(t.Context(), "backend")
	must(t, err)
	if !valid(first) || !valid(second) || first.ID == second.ID {
		t.Error("not both secrets are valid during rotation")
	}
	list, err := f.Secrets(t.Context(), "backend")
	must(t, err)
	if len(list) != 2 || list[0].ID != first.ID || list[0].Expires.IsZero() || !list[1].Expires.IsZero() {
		t.Errorf("%+v", list)
	}
	must(t, f.RevokeSecret(t.Context(), "backend", second.ID))
	if !valid(first) || valid(second) {
		t.Error("the wrong secret was revoked")
	}
	if got := f.audited(); got != "admin.secret.rotate admin.secret.rotate admin.secret.revoke" {
		t.Errorf("audited: %s", got)
	}
	if err := f.RevokeSecret(t.Context(), "backend", second.ID); status(err) != 404 {
		t.Errorf("again: %v", err)
	}
	if _, err := f.RotateSecret(t.Context(), "shop"); status(err) != 409 {
		t.Errorf("of a public client: %v", err)
	}
	if _, err := f.RotateSecret(t.Context(), "unknown"); status(err) != 404 {
		t.Errorf("of an unknown client: %v", err)
	}
}

func TestListSessions(t *testing.T) {
	f := setup(t)
	a, b := f.start(t, "google", "shop", "alice"), f.start(t, "google", "shop", "bob")
	c := f.start(t, "legacy", "backend", "carol")
	for _, row := range []struct {
		filter admin.SessionFilter
		want   string
	}{
		{admin.SessionFilter{}, a + b + c},
		{admin.SessionFilter{User: "user-bob"}, b},
		{admin.SessionFilter{Client: "backend"}, c},
		{admin.SessionFilter{Issuer: "google"}, a + b},
		{admin.SessionFilter{Issuer: "google", Client: "backend"}, ""},
		{admin.SessionFilter{From: b}, b + c},
		{admin.SessionFilter{Limit: 1}, a},
	} {
		page, err := f.Sessions(t.Context(), row.filter)
		must(t, err)
		got := ""
		for _, s := range page.Sessions {
			got += s.ID
		}
		if got != row.want || (row.filter.Limit == 1) != (page.Next == b) {
			t.Errorf("%+v: %s, next %s", row.filter, got, page.Next)
		}
	}
	if _, err := f.Sessions(t.Context(), admin.SessionFilter{Limit: 100000}); status(err) != 422 {
		t.Errorf("limit: %v", err)
	}
	if _, err := f.Session(t.Context(), "nothing"); status(err) != 404 {
		t.Errorf("show: %v", err)
	}
}

// Each revocation ends the sessions that it names and no others.
func TestRevoke(t *testing.T) {
	for _, c := range []struct {
		name  string
		what  func(id, user string) admin.Revocation
		ends  string // sessions of alice, bob, carol: 1 means ended
		state int
	}{
		{"session", func(id, _ string) admin.Revocation { return admin.Revocation{Session: id} }, "100", 0},
		{"user", func(_, user string) admin.Revocation { return admin.Revocation{User: user} }, "100", 0},
		{"client", func(string, string) admin.Revocation { return admin.Revocation{Client: "backend"} }, "001", 0},
		{"issuer", func(string, string) admin.Revocation { return admin.Revocation{Issuer: "google"} }, "110", 0},
		{"key", func(string, string) admin.Revocation { return admin.Revocation{Issuer: "google", Key: key} }, "100", 0},
		{"subject", func(string, string) admin.Revocation { return admin.Revocation{Issuer: "google", Subject: "alice"} }, "100", 0},
		{"unknown session", func(string, string) admin.Revocation { return admin.Revocation{Session: "x"} }, "000", 404},
		{"unknown user", func(string, string) admin.Revocation { return admin.Revocation{User: "x"} }, "000", 404},
		{"unknown client", func(string, string) admin.Revocation { return admin.Revocation{Client: "x"} }, "000", 404},
		{"unknown issuer", func(string, string) admin.Revocation { return admin.Revocation{Issuer: "x"} }, "000", 404},
		{"unknown subject", func(string, string) admin.Revocation { return admin.Revocation{Issuer: "google", Subject: "x"} }, "000", 404},
		{"empty", func(string, string) admin.Revocation { return admin.Revocation{} }, "000", 422},
		{"two things", func(id, user string) admin.Revocation { return admin.Revocation{Session: id, User: user} }, "000", 422},
		{"key alone", func(string, string) admin.Revocation { return admin.Revocation{Key: key} }, "000", 422},
		{"key and subject", func(string, string) admin.Revocation {
			return admin.Revocation{Issuer: "google", Key: key, Subject: "alice"}
		}, "000", 422},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := setup(t)
			f.apply(t, manifest())
			user := f.user(t, "google", "alice")
			alice := f.startUser(t, user, "google", "shop", "alice")
			bob, carol := f.store(t, bobs), f.start(t, "legacy", "backend", "carol")
			f.audited()
			err := f.Revoke(t.Context(), c.what(alice, user))
			if status(err) != c.state {
				t.Fatal(err)
			}
			got := ""
			for _, id := range []string{alice, bob, carol} {
				got += map[bool]string{true: "1", false: "0"}[f.ended(t, id)]
			}
			if got != c.ends || (f.audited() == "admin.session.revoke") != (c.state == 0) {
				t.Errorf("ended %s, want %s", got, c.ends)
			}
		})
	}
}

// Sessions of first-party users can be revoked like those of issuers: all of a
// namespace, those of a subject, or those that a leaked client secret authenticated.
func TestRevokeUsersOfNamespaces(t *testing.T) {
	for _, c := range []struct {
		name  string
		what  admin.Revocation
		ends  string // sessions by the leaked secret, by another one, by another client: 1 means ended
		state int
	}{
		{"secret", admin.Revocation{Issuer: "client:backend", Key: "leaked"}, "100", 0},
		{"namespace", admin.Revocation{Issuer: "client:backend"}, "110", 0},
		{"another namespace", admin.Revocation{Issuer: "wallet:backend"}, "000", 0},
		{"namespace of an unknown client", admin.Revocation{Issuer: "client:unknown"}, "000", 404},
		{"no namespace", admin.Revocation{Issuer: "user:backend"}, "000", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := setup(t)
			f.apply(t, manifest())
			var ids []string
			for _, s := range []exchange.Session{
				{User: "u1", Client: "backend", Issuer: "client:backend", Subject: "1", Proof: exchange.TypeUserAssertion, Key: "leaked"},
				{User: "u2", Client: "backend", Issuer: "client:backend", Subject: "2", Proof: exchange.TypeUserAssertion, Key: "another"},
				{User: "u3", Client: "shop", Issuer: "client:shop", Subject: "1", Proof: exchange.TypeUserAssertion, Key: "leaked"},
			} {
				ids = append(ids, f.store(t, s))
			}
			if err := f.Revoke(t.Context(), c.what); status(err) != c.state {
				t.Fatal(err)
			}
			got := ""
			for _, id := range ids {
				got += map[bool]string{true: "1", false: "0"}[f.ended(t, id)]
			}
			if got != c.ends {
				t.Errorf("ended %s, want %s", got, c.ends)
			}
		})
	}
}

// A store that cannot be read is not an internal error: the call can succeed later.
func TestFailedStoreIsUnavailable(t *testing.T) {
	f := setup(t)
	must(t, f.engine.Close())
	_, err := f.Sessions(t.Context(), admin.SessionFilter{})
	if status(err) != 503 || err.Error() != "the store is temporarily unavailable; see the server's log" {
		t.Errorf("status %d: %v", status(err), err)
	}
	if !strings.Contains(f.log.String(), "store is closed") {
		t.Errorf("the log is %s", f.log.String())
	}
}

func TestKeys(t *testing.T) {
	f := setup(t)
	before, err := f.Keys(t.Context())
	must(t, err)
	after, err := f.RotateKeys(t.Context())
	must(t, err)
	if before[0].State != "active" || after[0].State != "active" || before[0].ID == after[0].ID {
		t.Errorf("%+v\n%+v", before, after)
	}
	must(t, f.RevokeKey(t.Context(), before[0].ID))
	last, err := f.Keys(t.Context())
	must(t, err)
	for _, k := range last {
		if k.ID == before[0].ID {
			t.Error("a revoked key is still published")
		}
	}
	if got := f.audited(); got != "admin.key.rotate admin.key.revoke" {
		t.Errorf("audited: %s", got)
	}
	if err := f.RevokeKey(t.Context(), before[0].ID); status(err) != 404 {
		t.Errorf("again: %v", err)
	}
}

func TestOpenToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	generated, err := admin.OpenToken(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if len(generated) != 43 || info.Mode().Perm() != 0o600 {
		t.Errorf("%d characters, mode %o", len(generated), info.Mode().Perm())
	}
	if again, err := admin.OpenToken(path); err != nil || again != generated {
		t.Errorf("again: %v", err)
	}
	must(t, os.Chmod(path, 0o644))
	if _, err := admin.OpenToken(path); err == nil || strings.Contains(err.Error(), generated) {
		t.Errorf("readable by others: %v", err)
	}
	must(t, os.WriteFile(path, []byte("short\n"), 0o600))
	must(t, os.Chmod(path, 0o600))
	if _, err := admin.OpenToken(path); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("short: %v", err)
	}
}

func TestNewClientSendsTheTokenOnlyEncrypted(t *testing.T) {
	for address, valid := range map[string]bool{
		"127.0.0.1:8081": true, "localhost:8081": true, "http://[::1]:8081": true, "https://admin.example": true,
		"http://admin.example": false, "10.0.0.1:8081": false, "ftp://127.0.0.1": false, "": false,
		"http://127.0.0.1.evil.example": false,
	} {
		if _, err := admin.NewClient(address, token, ""); (err == nil) != valid {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// user creates the user of a subject and returns its ID.
func (f *fixture) user(t *testing.T, issuer, sub string) string {
	t.Helper()
	u, _, writes, err := f.users.Resolve(t.Context(), &exchange.Subject{Issuer: issuer, ID: sub}, true, f.now)
	must(t, err)
	token := &exchange.AccessToken{User: u.ID, Client: "shop", Audience: []string{"x"}, Expires: f.now.Add(time.Minute)}
	_, err = f.sessions.Create(t.Context(), nil, token, 0, false, f.now, writes...)
	must(t, err)
	return u.ID
}
