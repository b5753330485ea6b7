package grant_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/checkout"
	"cambio/exchange/grant"
	"cambio/exchange/registry"
	"cambio/exchange/replay"
	"cambio/exchange/session"
	"cambio/exchange/subject"
	"cambio/exchange/users"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

const (
	ownURL = "https://cambio.example"
	api    = "https://api.example"
	files  = "https://files.example"
	origin = "https://app.example"
)

var ctx = context.Background()

// counting counts the commits that change something, and makes them fail on
// request.
type counting struct {
	storage.Engine
	commits atomic.Int64
	fail    atomic.Pointer[error]
}

func (c *counting) Commit(ctx context.Context, writes ...storage.Write) error {
	if err := c.fail.Load(); err != nil {
		return *err
	}
	err := c.Engine.Commit(ctx, writes...)
	if err == nil {
		c.commits.Add(1)
	}
	return err
}

// world is a token endpoint on real stores and keys, an issuer that it trusts, and
// another one with fewer rights.
type world struct {
	*testing.T
	now      time.Time
	issuer   *jwkstest.Issuer
	other    *jwkstest.Issuer
	engine   *counting
	registry *registry.Registry
	users    *users.Store
	sessions *session.Store
	subjects *subject.Verifier
	invoices *checkout.Invoices
	replays  *replay.Store
	endpoint *grant.Endpoint
	manifest exchange.Manifest
}

// newWorld returns a world. Its clock stands still unless a test advances it.
func newWorld(t testing.TB, opts ...jwkstest.Option) *world {
	t.Helper()
	w := &world{now: time.Now().Truncate(time.Second)}
	w.T, _ = t.(*testing.T)
	clock := jwkstest.WithClock(func() time.Time { return w.now })
	w.issuer, w.other = jwkstest.New(t, append(opts, clock)...), jwkstest.New(t, clock)
	file, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	must(t, err)
	t.Cleanup(func() { file.Close() })
	w.engine = &counting{Engine: file}
	parts, err := assembly.New(ctx, assembly.Config{
		Engine: w.engine, Keys: keys.Config{KEK: make([]byte, 32)}, Issuer: ownURL,
		JWKS:   jwks.Options{AllowPrivateAddresses: true, Now: time.Now}, // it fetches in the background
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
	})
	must(t, err)
	t.Cleanup(parts.Close)
	w.registry, w.users, w.sessions = parts.Registry, parts.Users, parts.Sessions
	w.subjects, w.invoices, w.endpoint = parts.Subjects, parts.Invoices, parts.Grants
	w.replays = replay.New(w.engine, parts.Keys.Derive("records"))
	w.manifest = w.initialManifest()
	_, problems, err := w.registry.Apply(ctx, w.manifest, true, w.now, nil)
	if must(t, err); len(problems) > 0 {
		t.Fatal(problems)
	}
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// initialManifest returns the manifest that tests begin with.
func (w *world) initialManifest() exchange.Manifest {
	scopes := []string{"read", "write", "admin"}
	return exchange.Manifest{
		Issuers: []exchange.Issuer{
			{
				ID: "one", URL: w.issuer.URL, Audiences: []string{"spa", "plain", "backend"}, Scopes: []string{"read", "write"},
				Keys:       exchange.Keys{AllowPrivateAddresses: true},
				ScopeRules: []exchange.ScopeRule{{Scope: "admin", When: `has(claims.role) && claims.role == "admin"`}},
			},
			{
				ID: "other", URL: w.other.URL, Audiences: []string{"spa", "plain", "backend"}, Scopes: []string{"read"},
				Keys: exchange.Keys{AllowPrivateAddresses: true},
			},
		},
		Clients: []exchange.Client{
			{
				ID: "spa", Origins: []string{origin}, Issuers: []string{"one", "other"}, Scopes: scopes, DefaultScopes: []string{"read"},
				Audiences: []string{api, files}, RefreshTokens: true, ExchangeOwnTokens: true,
			},
			{
				ID: "plain", Origins: []string{origin}, Issuers: []string{"one"}, Scopes: scopes, DefaultScopes: []string{"read"},
				Audiences: []string{api},
			},
			{
				ID: "backend", Auth: exchange.AuthSecretBasic, Issuers: []string{"one", "other"}, Scopes: scopes, DefaultScopes: []string{"read"},
				Audiences: []string{api, files}, ExchangeOwnTokens: true, Delegate: true,
				Grants: []string{exchange.GrantTokenExchange, exchange.GrantClientCredentials, exchange.GrantJWTBearer},
			},
		},
	}
}

// change edits the manifest and applies it.
func (w *world) change(edit func(m *exchange.Manifest)) {
	w.Helper()
	edit(&w.manifest)
	_, problems, err := w.registry.Apply(ctx, w.manifest, true, w.now, nil)
	if must(w, err); len(problems) > 0 {
		w.Fatal(problems)
	}
}

func (w *world) changeIssuer(id string, edit func(*exchange.Issuer)) {
	w.Helper()
	w.change(func(m *exchange.Manifest) {
		i := slices.IndexFunc(m.Issuers, func(i exchange.Issuer) bool { return i.ID == id })
		edit(&m.Issuers[i])
	})
}

func (w *world) changeClient(id string, edit func(*exchange.Client)) {
	w.Helper()
	w.change(func(m *exchange.Manifest) {
		i := slices.IndexFunc(m.Clients, func(c exchange.Client) bool { return c.ID == id })
		edit(&m.Clients[i])
	})
}

// claims returns good claims of alice for the client, changed by pairs of name and
// value; nil removes.
func (w *world) claims(client string, pairs ...any) map[string]any {
	return edited(w.issuer.Claims("alice", client), pairs)
}

func edited(claims map[string]any, pairs []any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		if claims[name] = pairs[i+1]; pairs[i+1] == nil {
			delete(claims, name)
		}
	}
	return claims
}

// exchange returns a request of client with an ID token of alice, edited.
func (w *world) exchange(client string, pairs ...any) *grant.Request {
	return presenting(w.registry.Snapshot().Client(client), w.issuer.Sign(w.claims(client, pairs...)))
}

// presenting returns a request of a client with an ID token.
func presenting(client *exchange.CompiledClient, token string) *grant.Request {
	return &grant.Request{
		GrantType: exchange.GrantTokenExchange, Client: client, Origin: origin,
		SubjectToken: token, SubjectTokenType: exchange.TypeIDToken,
	}
}

func (w *world) refresh(client, token string) *grant.Request {
	return &grant.Request{GrantType: exchange.GrantRefreshToken, Client: w.registry.Snapshot().Client(client), RefreshToken: token}
}

func (w *world) token(req *grant.Request) (*grant.Response, error) {
	return w.endpoint.Token(ctx, req, w.now)
}

// granted asserts that req succeeds, and parses the access token.
func (w *world) granted(req *grant.Request) (*grant.Response, *exchange.AccessToken) {
	w.Helper()
	resp, err := w.token(req)
	must(w, err)
	t, err := w.sessions.Parse(ctx, resp.AccessToken, w.now)
	must(w, err)
	return resp, t
}

// refused asserts that req is refused for reason and that nothing changed.
func (w *world) refused(req *grant.Request, reason exchange.Reason) *exchange.Error {
	w.Helper()
	commits := w.engine.commits.Load()
	resp, err := w.token(req)
	if err == nil {
		w.Fatalf("answered %+v, want %s", resp, reason)
	}
	if resp != nil {
		w.Errorf("refused, but there is a response")
	}
	refusal, ok := errors.AsType[*exchange.Error](err)
	if !ok || refusal.Reason != reason {
		w.Fatalf("refused with %v, want %s", err, reason)
	}
	if n := w.engine.commits.Load() - commits; n != 0 {
		w.Errorf("%d commits by a refused request", n)
	}
	return refusal
}

func (w *world) userCount() int {
	w.Helper()
	users, _, err := w.users.List(ctx, "", 1000)
	must(w, err)
	return len(users)
}

var (
	errFull     = fmt.Errorf("test: %w", storage.ErrFull)
	errConflict = fmt.Errorf("test: %w", storage.ErrConflict)
)

// fails makes every commit fail with err, nil for none.
func (w *world) fails(err error) {
	if err == nil {
		w.engine.fail.Store(nil)
		return
	}
	w.engine.fail.Store(&err)
}
