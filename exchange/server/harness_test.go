package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/audit"
	"cambio/exchange/keylogin"
	"cambio/exchange/registry"
	"cambio/exchange/server"
	"cambio/exchange/server/endpoint"
	"cambio/exchange/users"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage/bolt"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	publicURL = "https://id.example"
	api       = "https://api.example"
	page      = "https://app.example"   // an origin of client web
	otherPage = "https://other.example" // an origin of client other
	evil      = "https://attacker.test" // an origin of no client
	appSecret = "a vendor's app secret of 32 bytes"
)

// world is a whole server with real parts and an issuer that it trusts.
type world struct {
	*testing.T
	issuer   *jwkstest.Issuer
	store    *counted
	registry *registry.Registry
	users    *users.Store
	server   *server.Server
	url      string
	requests *keylogin.Store
	secret   string // of the clients basic and post
	metrics  *prometheus.Registry
	logged   *syncBuffer
	audit    *audit.Log
	audited  *syncBuffer
	*hand
}

// hand is of the clock.
type hand struct {
	mu  sync.Mutex
	now time.Time
}

type syncBuffer struct {
	mu  sync.Mutex
	b   bytes.Buffer
	err error // of each Write, if not nil
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (h *hand) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hand) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// must is for what does not fail unless the machine does.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newSecret generates a secret for a client.
func (p *world) newSecret(client string) string {
	_, secret, err := p.registry.NewSecret(context.Background(), client, p.clock())
	return must(secret, err)
}

// jsonPaths returns the paths of all JSON endpoints.
func jsonPaths() []string {
	var paths []string
	for _, e := range endpoint.All(endpoint.Config{}) {
		if e.Caller != server.FormClient {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// newWorld starts a world; edit changes the server's configuration.
func newWorld(t *testing.T, edit ...func(*server.Config)) *world {
	t.Helper()
	return newWorldWith(t, assembly.Config{}, edit...)
}

// newWorldWith starts a world with what c has set.
func newWorldWith(t *testing.T, c assembly.Config, edit ...func(*server.Config)) *world {
	t.Helper()
	p := &world{
		T: t, hand: &hand{now: time.Now().Truncate(time.Second)}, metrics: prometheus.NewRegistry(),
		logged: &syncBuffer{}, audited: &syncBuffer{},
	}
	p.issuer = jwkstest.New(t, jwkstest.WithClock(p.clock))
	p.store = &counted{Engine: must(bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true}))}
	t.Cleanup(func() { p.store.Close() })
	c.Logger = slog.New(slog.NewTextHandler(p.logged, nil))
	p.audit = audit.New(p.audited, audit.Config{Linger: time.Millisecond, Logger: c.Logger})
	t.Cleanup(func() { p.audit.Close() })
	c.Engine, c.Issuer, c.Audit, c.Metrics, c.Now = p.store, publicURL, p.audit, p.metrics, p.clock
	c.Keys, c.JWKS = keys.Config{KEK: make([]byte, 32)}, jwks.Options{AllowPrivateAddresses: true}
	c.Server = func(cfg *server.Config) {
		for _, e := range edit {
			e(cfg)
		}
	}
	parts := must(assembly.New(context.Background(), c))
	t.Cleanup(parts.Close)
	p.registry, p.users, p.requests, p.server = parts.Registry, parts.Users, parts.KeyLogins, parts.Server
	p.apply(p.manifest())
	p.secret = p.newSecret("basic") + " " + p.newSecret("post")
	h := httptest.NewUnstartedServer(nil)
	h.Config = server.HTTPServer(p.server)
	h.Start()
	t.Cleanup(h.Close)
	p.url = h.URL
	return p
}

func (p *world) manifest() exchange.Manifest {
	client := func(id string, auth exchange.AuthMethod, origins ...string) exchange.Client {
		return exchange.Client{
			ID: id, Auth: auth, Origins: origins, Issuers: []string{"acme", "vendor"},
			Scopes: []string{"read", "write"}, DefaultScopes: []string{"read"}, Audiences: []string{api},
			RefreshTokens: true,
		}
	}
	jwt := client("jwt", exchange.AuthPrivateKeyJWT)
	jwt.Keys = &exchange.Keys{JWKS: string(p.issuer.JWKS())}
	machine := client("machine", exchange.AuthSecretBasic)
	machine.Grants, machine.RefreshTokens = []string{exchange.GrantClientCredentials}, false
	return exchange.Manifest{
		Issuers: []exchange.Issuer{
			{ID: "acme", URL: p.issuer.URL, Audiences: []string{"web"}, Scopes: []string{"read", "write"}, ClientByAudience: true,
				Keys: exchange.Keys{AllowPrivateAddresses: true}},
			{ID: "vendor", Audiences: []string{"app-1"}, ClientIDClaim: true, Scopes: []string{"read"},
				Keys: exchange.Keys{Secrets: []exchange.SharedSecret{{ID: "s1", Value: appSecret}}}},
		},
		Clients: []exchange.Client{
			client("web", exchange.AuthNone, page), client("other", exchange.AuthNone, otherPage),
			client("basic", exchange.AuthSecretBasic), client("post", exchange.AuthSecretPost, page), jwt, machine,
		},
	}
}

func (p *world) apply(m exchange.Manifest) {
	p.Helper()
	_, problems, err := p.registry.Apply(context.Background(), m, true, p.clock(), nil)
	if err != nil || len(problems) > 0 {
		p.Fatal(err, problems)
	}
}

func (p *world) secretOf(client string) string {
	basic, post, _ := strings.Cut(p.secret, " ")
	if client == "post" {
		return post
	}
	return basic
}

// idToken is a good one for alice.
func (p *world) idToken() string { return p.issuer.Sign(p.issuer.Claims("alice", "web")) }

// answer holds a response.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func (a answer) str(name string) string {
	s, _ := a.json[name].(string)
	return s
}

// do sends a request. Headers are pairs.
func (p *world) do(method, path, body string, headers ...string) answer {
	p.Helper()
	r := must(http.NewRequest(method, p.url+path, strings.NewReader(body)))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	res := must(http.DefaultTransport.RoundTrip(r))
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header, text: string(must(io.ReadAll(res.Body)))}
	if res.Header.Get("Content-Type") == "application/json" && method != "HEAD" {
		if err := json.Unmarshal([]byte(a.text), &a.json); err != nil {
			p.Fatalf("%v in %s", err, a.text)
		}
	}
	return a
}

// form posts parameters, which are pairs, with headers after them.
func (p *world) form(path string, params []string, headers ...string) answer {
	p.Helper()
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	return p.do("POST", path, v.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func (p *world) post(path, body string, headers ...string) answer {
	p.Helper()
	return p.do("POST", path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// exchangeParams is a token exchange without its client.
func exchangeParams(token string, more ...string) []string {
	return append([]string{
		"grant_type", exchange.GrantTokenExchange, "subject_token", token, "subject_token_type", exchange.TypeIDToken,
	}, more...)
}

func basicAuth(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// want checks status and code of an answer, and what every answer must have.
func (p *world) want(a answer, status int, code exchange.Reason) {
	p.Helper()
	if a.status != status || a.str("code") != string(code) {
		p.Errorf("got %d %s, want %d %s", a.status, a.text, status, code)
	}
	for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Vary": "Origin"} {
		if got := a.header.Get(name); got != value {
			p.Errorf("%s is %q", name, got)
		}
	}
	id := a.header.Get("X-Request-Id")
	if id == "" || code != "" && a.str("request_id") != id {
		p.Errorf("request id %q in the header, %q in the body", id, a.str("request_id"))
	}
	if code != "" && (a.str("error") != string(code.Response().Code) || a.str("error_description") == "") {
		p.Errorf("error is %s", a.text)
	}
	if code != "" && a.header.Get("Cache-Control") != "no-store" {
		p.Errorf("an error may be cached: %q", a.header.Get("Cache-Control"))
	}
}

// events are the audit events so far. It ends the audit log.
func (p *world) events() []map[string]any {
	p.Helper()
	p.audit.Close()
	var all []map[string]any
	for line := range strings.Lines(p.audited.String()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.Fatalf("%v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// in is the world in a subtest.
func (p *world) in(t *testing.T) *world {
	q := *p
	q.T = t
	return &q
}
