package assembly_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/assembly"
	"cambio/exchange/audit"
	"cambio/exchange/server"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

// config returns the configuration of a server whose store is in a temporary folder.
func config(t *testing.T) assembly.Config {
	t.Helper()
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	log := audit.New(io.Discard, audit.Config{})
	t.Cleanup(func() { log.Close() })
	return assembly.Config{
		Engine: engine, Keys: keys.Config{KEK: make([]byte, 32)}, Issuer: "https://id.example",
		JWKS: jwks.Options{AllowPrivateAddresses: true}, Audit: log, Logger: slog.New(slog.DiscardHandler),
	}
}

func newParts(t *testing.T, c assembly.Config) *assembly.Parts {
	t.Helper()
	p, err := assembly.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// post sends a form to the public server and returns the JSON of the response.
func post(t *testing.T, p *assembly.Parts, form url.Values) map[string]any {
	t.Helper()
	r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	p.Server.ServeHTTP(w, r)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return body
}

// register registers a client and an issuer, and returns the issuer.
func register(t *testing.T, p *assembly.Parts) *jwkstest.Issuer {
	t.Helper()
	issuer := jwkstest.New(t)
	_, problems, err := p.Registry.Apply(t.Context(), exchange.Manifest{
		Issuers: []exchange.Issuer{{ID: "acme", URL: issuer.URL, Audiences: []string{"app"}, Scopes: []string{"read"}, Keys: exchange.Keys{AllowPrivateAddresses: true}}},
		Clients: []exchange.Client{{ID: "app", Issuers: []string{"acme"}, Scopes: []string{"read"}, DefaultScopes: []string{"read"}, Audiences: []string{"https://api.example"}, RefreshTokens: true}},
	}, true, time.Now(), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return issuer
}

// An issuer that moved keeps its users: tokens of either iss are of the same one, and
// a session goes on. No other issuer can have one of its names.
func TestIssuerThatMovedKeepsItsUsers(t *testing.T) {
	p := newParts(t, config(t))
	issuer := register(t, p)
	const former = "https://former.example"
	acme := p.Registry.Snapshot().Issuer("acme").Issuer
	apply := func(issuers ...exchange.Issuer) []exchange.Problem {
		_, problems, err := p.Registry.Apply(t.Context(), exchange.Manifest{Issuers: issuers}, false, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return problems
	}
	user := func(iss string) any {
		claims := issuer.Claims("alice", "app")
		claims["iss"] = iss
		answer := post(t, p, url.Values{
			"grant_type": {exchange.GrantTokenExchange}, "client_id": {"app"},
			"subject_token": {issuer.Sign(claims)}, "subject_token_type": {exchange.TypeIDToken},
		})
		return answer["user"].(map[string]any)["id"]
	}
	before := user(issuer.URL)
	both := *acme
	both.URLs = []string{former}
	if problems := apply(both); len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := user(former); got != before || user(issuer.URL) != before {
		t.Errorf("the user is %v, was %v", got, before)
	}
	other := exchange.Issuer{ID: "other", URL: former, Audiences: []string{"app"}}
	if problems := apply(other); len(problems) != 1 || !strings.Contains(problems[0].Message, "acme") {
		t.Errorf("another issuer with the former name: %v", problems)
	}
	if problems := apply(both, other); len(problems) == 0 {
		t.Error("two issuers of one manifest have the same name")
	}
}

// A store stays that of one issuer, unless the change is meant.
func TestIssuerOfAStoreIsNotChangedByAccident(t *testing.T) {
	c := config(t)
	newParts(t, c)
	for _, row := range []struct {
		name, issuer, previous string
		ok                     bool
	}{
		{"the same", c.Issuer, "", true},
		{"another", "https://new.example", "", false},
		{"another, from a third", "https://new.example", "https://third.example", false},
		{"the same, after refusals", c.Issuer, "", true},
		{"another, as meant", "https://new.example", c.Issuer, true},
		{"with the setting left in place", "https://new.example", c.Issuer, true},
		{"the former one", c.Issuer, "", false},
	} {
		c.Issuer, c.PreviousIssuer, c.Metrics = row.issuer, row.previous, nil
		p, err := assembly.New(t.Context(), c)
		if _, changed := errors.AsType[*assembly.IssuerChanged](err); changed == row.ok || !changed && err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if err == nil {
			p.Close()
		}
	}
}

// A second server over the same store refreshes a session of the first: what they
// share is derived from the keys in the store.
func TestServersOverOneStoreShareSessions(t *testing.T) {
	c := config(t)
	first := newParts(t, c)
	issuer := register(t, first)
	created := post(t, first, url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "client_id": {"app"},
		"subject_token": {issuer.Sign(issuer.Claims("alice", "app"))}, "subject_token_type": {exchange.TypeIDToken},
	})
	refresh, _ := created["refresh_token"].(string)
	refreshed := post(t, newParts(t, c), url.Values{
		"grant_type": {exchange.GrantRefreshToken}, "client_id": {"app"}, "refresh_token": {refresh},
	})
	if refreshed["session_id"] != created["session_id"] || refreshed["refresh_token"] == refresh {
		t.Errorf("created %v, refreshed %v", created, refreshed)
	}
}

// The key of ten good tokens is published a minute late: that is the issuer's trouble,
// and nothing is counted against the address that its users share with others.
func TestKeyThatIsPublishedLateBlocksNoAddress(t *testing.T) {
	p := newParts(t, config(t))
	late := register(t, p)
	held := late.JWKS()
	late.Rotate()
	late.Serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(held) })
	healthy := jwkstest.New(t)
	_, problems, err := p.Registry.Apply(t.Context(), exchange.Manifest{
		Issuers: []exchange.Issuer{{ID: "healthy", URL: healthy.URL, Audiences: []string{"app"}, Scopes: []string{"read"}, Keys: exchange.Keys{AllowPrivateAddresses: true}}},
		Clients: []exchange.Client{{ID: "other", Issuers: []string{"healthy"}, Audiences: []string{"https://api.example"}, Scopes: []string{"read"}, DefaultScopes: []string{"read"}}},
	}, false, time.Now(), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	form := func(client, token string) url.Values {
		return url.Values{"grant_type": {exchange.GrantTokenExchange}, "client_id": {client}, "subject_token": {token}, "subject_token_type": {exchange.TypeIDToken}}
	}
	statuses := map[int]int{}
	for range 40 {
		r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(form("app", late.Sign(late.Claims("alice", "app"))).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		p.Server.ServeHTTP(w, r)
		statuses[w.Code]++
		wait, _ := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code == http.StatusServiceUnavailable && (wait < 1 || wait > 30 || !strings.Contains(w.Body.String(), "ISSUER_UNAVAILABLE")) {
			t.Errorf("retry after %d s: %s", wait, w.Body)
		}
	}
	if statuses[http.StatusServiceUnavailable] != 39 || statuses[http.StatusBadRequest] != 1 {
		t.Errorf("statuses %v, want 503 but for the caller whose fetch did not bring the key", statuses)
	}
	post(t, p, form("other", healthy.Sign(healthy.Claims("bob", "app"))))
}

// LINE signs with the channel's secret for browsers and with published keys for apps.
func TestIssuerSignsInTwoWays(t *testing.T) {
	p := newParts(t, config(t))
	issuer, secret := jwkstest.New(t), strings.Repeat("s", 32)
	_, problems, err := p.Registry.Apply(t.Context(), exchange.Manifest{
		Issuers: []exchange.Issuer{{ID: "line", URL: issuer.URL, Audiences: []string{"app"}, Scopes: []string{"read"}, Keys: exchange.Keys{Sources: []exchange.Keys{
			{Secrets: []exchange.SharedSecret{{ID: "channel", Value: secret}}, Algorithms: []string{"HS256"}},
			{AllowPrivateAddresses: true, Algorithms: []string{"ES256"}},
		}}}},
		Clients: []exchange.Client{{ID: "app", Issuers: []string{"line"}, Scopes: []string{"read"}, DefaultScopes: []string{"read"}, Audiences: []string{"https://api.example"}}},
	}, true, time.Now(), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	claims := issuer.Claims("alice", "app")
	for _, token := range []string{jwkstest.SignHMAC("HS256", []byte(secret), claims), issuer.Sign(claims)} {
		post(t, p, url.Values{
			"grant_type": {exchange.GrantTokenExchange}, "client_id": {"app"}, "subject_token": {token}, "subject_token_type": {exchange.TypeIDToken},
		})
	}
}

// The last good keys serve meanwhile, so no refusal would tell the operator.
func TestEmptyKeySetIsAudited(t *testing.T) {
	c := config(t)
	var out bytes.Buffer
	log := audit.New(&out, audit.Config{})
	var offset atomic.Int64
	c.Audit, c.JWKS.Now = log, func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	p := newParts(t, c)
	issuer := register(t, p)
	exchangeToken := func() {
		t.Helper()
		post(t, p, url.Values{
			"grant_type": {exchange.GrantTokenExchange}, "client_id": {"app"},
			"subject_token": {issuer.Sign(issuer.Claims("alice", "app"))}, "subject_token_type": {exchange.TypeIDToken},
		})
	}
	exchangeToken()
	issuer.Serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"keys":[]}`) })
	offset.Store(int64(11 * time.Minute))
	exchangeToken()
	p.Close()
	log.Close()
	var events []string
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, `"event":"issuer.keys"`) {
			events = append(events, line)
		}
	}
	if len(events) != 1 || !strings.Contains(events[0], `"issuer":"acme"`) || !strings.Contains(events[0], "publishes no keys") {
		t.Errorf("audited %q, want one warning", events)
	}
}

func TestConfigChangesServerAndAdmin(t *testing.T) {
	c := config(t)
	c.Server = func(s *server.Config) {
		if s.GrantTokens == nil || s.Sessions == nil || s.Audit == nil || s.Limits == nil {
			t.Error("the parts are not set yet")
		}
		s.Issuer = "https://other.example"
	}
	const token = "a-token-of-256-bits-in-base64url-0123456789"
	c.Admin = func(a *admin.Config) { a.Token = token }
	p := newParts(t, c)
	w := httptest.NewRecorder()
	p.Server.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/openid-configuration", nil))
	if !strings.Contains(w.Body.String(), `"https://other.example"`) {
		t.Errorf("discovery is %s", w.Body)
	}
	r := httptest.NewRequest("GET", "http://127.0.0.1:8081/v1/keys", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w = httptest.NewRecorder()
	p.Admin.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("the admin API: %d %s", w.Code, w.Body)
	}
	if without := newParts(t, config(t)); without.Admin != nil {
		t.Error("there is an admin API without a token")
	}
}

// What New cannot wire leaves nothing open.
func TestNewRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*assembly.Config){
		"a short key-encryption key": func(c *assembly.Config) { c.Keys.KEK = make([]byte, 31) },
		"a server without an issuer": func(c *assembly.Config) { c.Server = func(s *server.Config) { s.Issuer = "" } },
		"an admin API without token": func(c *assembly.Config) { c.Admin = func(*admin.Config) {} },
	} {
		c := config(t)
		spoil(&c)
		if _, err := assembly.New(t.Context(), c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// A record expires by the clock of the configuration.
func TestRunSweepsByConfiguredClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(t)
		expired := storage.Write{Table: "replays", Key: storage.TimePrefix(time.Now()) + "x", Value: []byte("{}")}
		if err := c.Engine.Commit(t.Context(), expired); err != nil {
			t.Fatal(err)
		}
		c.Now = func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }
		p := newParts(t, c)
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { p.Run(ctx) })
		time.Sleep(90 * time.Second)
		stop()
		run.Wait()
		for r, err := range c.Engine.Scan(t.Context(), "replays", "", "", 1) {
			t.Errorf("left %q, %v", r.Key, err)
		}
	})
}

// Run sweeps every table without an error, and ends with its context.
func TestRunEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(t)
		var log bytes.Buffer
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		p := newParts(t, c)
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { p.Run(ctx) })
		time.Sleep(3 * time.Minute)
		stop()
		run.Wait()
		if strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("logged %s", &log)
		}
	})
}

// A client that is registered for RS256 gets its ID tokens so, with a published key;
// its access tokens stay as they are.
func TestClientsIDTokenAlgorithm(t *testing.T) {
	p := newParts(t, config(t))
	issuer := jwkstest.New(t)
	_, problems, err := p.Registry.Apply(t.Context(), exchange.Manifest{
		Issuers: []exchange.Issuer{{ID: "acme", URL: issuer.URL, Audiences: []string{"app"}, Scopes: []string{"openid"}, Keys: exchange.Keys{AllowPrivateAddresses: true}}},
		Clients: []exchange.Client{{
			ID: "app", Issuers: []string{"acme"}, Scopes: []string{"openid"}, DefaultScopes: []string{"openid"},
			Audiences: []string{"https://api.example"}, RefreshTokens: true, IDTokenAlgorithm: "RS256",
		}},
	}, true, time.Now(), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	created := post(t, p, url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "client_id": {"app"},
		"subject_token": {issuer.Sign(issuer.Claims("alice", "app"))}, "subject_token_type": {exchange.TypeIDToken},
	})
	header := func(name string) (h struct{ Alg, Kid string }) {
		token, _ := created[name].(string)
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		if err != nil || json.Unmarshal(text, &h) != nil {
			t.Fatalf("%s is %q", name, token)
		}
		return h
	}
	if id, access := header("id_token"), header("access_token"); id.Alg != "RS256" || access.Alg != "ES256" {
		t.Errorf("id_token %+v, access_token %+v", id, access)
	}
	for path, want := range map[string]string{"/.well-known/jwks.json": header("id_token").Kid, "/.well-known/openid-configuration": `"RS256"`} {
		w := httptest.NewRecorder()
		p.Server.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s lacks %s: %s", path, want, w.Body)
		}
	}
}
