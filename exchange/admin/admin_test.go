package admin_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/assembly"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/exchange/users"
	"cambio/keys"
	"cambio/storage/bolt"
)

const token = "a-token-of-256-bits-in-base64url-0123456789"

// fixture is an admin API over a real store.
type fixture struct {
	*admin.Client
	url      string
	engine   *bolt.Engine
	registry *registry.Registry
	users    *users.Store
	sessions *session.Store
	now      time.Time
	log      bytes.Buffer // the operator's log

	mu     sync.Mutex
	events []audit.Event
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) Ready() error { return nil }

func (f *fixture) Write(e *audit.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, *e)
	return nil
}

// audited returns the names of the events since the last call.
func (f *fixture) audited() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, e := range f.events {
		names = append(names, e.Name)
	}
	f.events = nil
	return strings.Join(names, " ")
}

func setup(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{now: time.Now()}
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "cambio.db"), bolt.Options{NoSync: true})
	must(t, err)
	t.Cleanup(func() { engine.Close() })
	f.engine = engine
	parts, err := assembly.New(t.Context(), assembly.Config{
		Engine: engine, Keys: keys.Config{KEK: make([]byte, 32)}, Issuer: "https://login.example", Logger: slog.New(slog.DiscardHandler),
		Admin: func(c *admin.Config) {
			c.Token, c.Hosts = token, []string{"admin.example"}
			c.Audit, c.Logger, c.Now = f, slog.New(slog.NewTextHandler(&f.log, nil)), f.clock
		},
	})
	must(t, err)
	t.Cleanup(parts.Close)
	f.registry, f.users, f.sessions = parts.Registry, parts.Users, parts.Sessions
	server := httptest.NewServer(parts.Admin)
	t.Cleanup(server.Close)
	f.url = server.URL
	f.Client, err = admin.NewClient(server.URL, token, "")
	must(t, err)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const secret = "a shared secret that must never be shown"

// manifest returns one issuer of each kind and one client of each kind.
func manifest() exchange.Manifest {
	return exchange.Manifest{
		Issuers: []exchange.Issuer{
			{ID: "google", URL: "https://accounts.google.com", Audiences: []string{"app"}, Scopes: []string{"read"}},
			{ID: "legacy", URL: "https://legacy.example", Audiences: []string{"app"}, Keys: exchange.Keys{
				Secrets: []exchange.SharedSecret{{ID: "one", Value: secret}},
			}},
		},
		Clients: []exchange.Client{
			{ID: "shop", Issuers: []string{"google"}, Audiences: []string{"https://api.example"}, Origins: []string{"https://shop.example"}},
			{ID: "backend", Auth: exchange.AuthSecretBasic, Grants: []string{exchange.GrantClientCredentials}, Audiences: []string{"https://api.example"}},
		},
	}
}

// send sends a request without the typed client and returns the status and the
// body.
func (f *fixture) send(t *testing.T, method, path, body string, edit func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(req)
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode >= 400 && ct != "application/problem+json" {
		t.Errorf("%s %s: %d with content type %q", method, path, resp.StatusCode, ct)
	}
	return resp.StatusCode, string(text)
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// The valid request is a row too; every other row differs from it in one fact.
func TestGuardRefusesEachDefect(t *testing.T) {
	f := setup(t)
	const add = `{"issuers":[{"id":"evil","url":"https://evil.example","audiences":["a"]}]}`
	for _, c := range []struct {
		name   string
		edit   func(*http.Request)
		status int
	}{
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"another token", header("Authorization", "Bearer "+strings.Repeat("x", len(token))), 401},
		{"the start of the token", header("Authorization", "Bearer "+token[:42]), 401},
		{"the token and more", header("Authorization", "Bearer "+token+"0"), 401},
		{"another scheme", header("Authorization", "Basic "+token), 401},
		{"an empty token", header("Authorization", "Bearer "), 401},
		{"another host", func(r *http.Request) { r.Host = "evil.example" }, 421},
		{"another host that begins alike", func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, 421},
		{"no host", func(r *http.Request) { r.Host = ":8081" }, 421},
		{"a page of another site", header("Sec-Fetch-Site", "cross-site"), 403},
		{"a page of the same site, another origin", header("Sec-Fetch-Site", "same-site"), 403},
		{"an old browser on another site", header("Origin", "https://evil.example"), 403},
		{"a sandboxed page", header("Origin", "null"), 403},
		{"a form", header("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"plain text", header("Content-Type", "text/plain"), 415},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"another JSON", header("Content-Type", "application/merge-patch+json"), 415},
		{"localhost", func(r *http.Request) { r.Host = "localhost:8081" }, 200},
		{"IPv6 loopback", func(r *http.Request) { r.Host = "[::1]:8081" }, 200},
		{"a listed host", func(r *http.Request) { r.Host = "admin.example" }, 200},
		{"a charset", header("Content-Type", "application/json; charset=utf-8"), 200},
		{"valid", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.registry.Snapshot().Revision()
			status, body := f.send(t, "POST", "/v1/manifest:apply", add, c.edit)
			if status != c.status {
				t.Errorf("status %d, want %d: %s", status, c.status, body)
			}
			if c.status != 200 && f.registry.Snapshot().Revision() != before {
				t.Error("a refused call changed the registry")
			}
		})
	}
}

func TestReadsNeedTheToken(t *testing.T) {
	f := setup(t)
	for _, path := range []string{"/v1/issuers", "/v1/clients", "/v1/sessions", "/v1/keys", "/openapi.json", "/metrics", "/"} {
		status, _ := f.send(t, "GET", path, "", func(r *http.Request) { r.Header.Del("Authorization") })
		if status != 401 {
			t.Errorf("%s without token: %d", path, status)
		}
	}
}

func TestRefusedCallsAreAudited(t *testing.T) {
	f := setup(t)
	f.send(t, "GET", "/v1/keys", "", header("Authorization", "Bearer wrong"))
	if len(f.events) != 1 || f.events[0].Reason != exchange.ReasonClientAuthenticationFailed || !f.events[0].Address.IsLoopback() {
		t.Errorf("events: %+v", f.events)
	}
}

func TestUnknownPath(t *testing.T) {
	f := setup(t)
	for _, c := range [][2]string{{"GET", "/v1/nothing"}, {"PATCH", "/v1/issuers"}, {"GET", "/docs"}} {
		if status, _ := f.send(t, c[0], c[1], "", nil); status != 404 {
			t.Errorf("%v: %d", c, status)
		}
	}
}

func TestOpenAPI(t *testing.T) {
	f := setup(t)
	status, body := f.send(t, "GET", "/openapi.json", "", nil)
	var spec struct {
		OpenAPI string
		Paths   map[string]any
	}
	must(t, json.Unmarshal([]byte(body), &spec))
	if status != 200 || !strings.HasPrefix(spec.OpenAPI, "3.1") || len(spec.Paths) < 14 {
		t.Errorf("status %d, OpenAPI %q with %d paths", status, spec.OpenAPI, len(spec.Paths))
	}
}
