package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// fastAPI begins the program that the Python sample belongs to: a backend with
// a login of its own, where u-1 is logged in.
const fastAPI = `import os, httpx
from fastapi import Depends, FastAPI, HTTPException

app = FastAPI()

async def current_user():
    return {"id": "u-1", "email": "u1@shop.example.com", "name": "Ümit \"One\""}

`

// backendApp is a backend in another framework that runs a documented sample.
type backendApp struct {
	name  string
	start func(t *testing.T, s *server, secret string) (url string)
}

const injection = "Server session injection"

// backendApps holds one backend per sample.
var backendApps = []backendApp{
	{"express", func(t *testing.T, s *server, secret string) string {
		return onNode(t, "express", samplesOfProofs(t, injection, "js")[0], s, secret)
	}},
	{"next", func(t *testing.T, s *server, secret string) string {
		return onNode(t, "next", samplesOfProofs(t, injection, "js")[1], s, secret)
	}},
	{"fastapi", onFastAPI},
}

func onNode(t *testing.T, kind, code string, s *server, secret string) (url string) {
	t.Helper()
	needNode(t)
	file := filepath.Join(t.TempDir(), "sample.js")
	if err := os.WriteFile(file, []byte(s.pointHere(code)), 0o600); err != nil {
		t.Fatal(err)
	}
	return listening(t, run(t, npmDir, []string{"ACME_SERVER_SECRET=" + secret}, "node", "backend.mjs", kind, file))
}

func onFastAPI(t *testing.T, s *server, secret string) (url string) {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import fastapi, httpx, uvicorn").Run(); err != nil {
		missing(t, fmt.Errorf("%s with FastAPI, httpx and uvicorn: %w", python, err))
	}
	dir, port := t.TempDir(), fmt.Sprint(freePorts(t, 1))
	code := fastAPI + s.pointHere(samplesOfProofs(t, injection, "python")[0])
	if err := os.WriteFile(filepath.Join(dir, "backend.py"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, dir, []string{"ACME_SERVER_SECRET=" + secret}, python, "-m", "uvicorn", "backend:app", "--port", port)
	await(t, "uvicorn to listen", func() bool {
		if p.ended() {
			t.Fatalf("uvicorn ended: %v", p.err)
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "http://127.0.0.1:" + port
}

// pointHere returns a sample with the documented URL replaced by this server's.
func (s *server) pointHere(code string) string {
	return strings.ReplaceAll(code, "https://login.example.com", s.url)
}

// pageSession holds the tokens of a page's session.
type pageSession struct{ AccessToken, RefreshToken string }

// visit runs the documented page at an origin, with its backend.
func visit(t *testing.T, s *server, origin, backend string) (sessions []pageSession) {
	t.Helper()
	blocks := samplesOfProofs(t, injection, "js")
	var printed json.RawMessage
	node(t, "page.mjs", map[string]string{"sample": s.pointHere(blocks[len(blocks)-1]), "origin": origin, "backend": backend}, &printed)
	if err := json.Unmarshal(printed, &sessions); err != nil {
		t.Fatalf("the page printed %s", printed)
	}
	for _, p := range sessions {
		s.seen.addToken(p.AccessToken, p.RefreshToken)
	}
	return sessions
}

// addShop runs the documented command that registers the samples' client, and
// returns the client's secret.
func (s *server) addShop() (secret string) {
	s.t.Helper()
	command := strings.ReplaceAll(samplesOfProofs(s.t, injection, "sh")[0], "\\\n", " ")
	lines := strings.Fields(s.cambio("", strings.Fields(command)[1:]...))
	secret = lines[len(lines)-1]
	s.seen.add(secret)
	return secret
}

// TestServerSessionInjection runs the documented backends and page: the backend
// injects the session, the page refreshes it, the API accepts it.
func TestServerSessionInjection(t *testing.T) {
	t.Parallel()
	needNode(t)
	s := start(t)
	secret := s.addShop()
	api := newAPI(s.url, audience, s.http)
	users := map[string]bool{}
	for _, b := range backendApps {
		t.Run(b.name, func(t *testing.T) {
			backend := b.start(t, s, secret)
			sessions := visit(t, s, "https://shop.example.com", backend)
			if len(sessions) != 3 {
				t.Fatalf("the page had %d sessions", len(sessions))
			}
			tokens := map[string]bool{}
			for _, p := range sessions {
				claims, err := api.verify(t.Context(), p.AccessToken)
				if err != nil || claims.Scopes[0] != "orders:read" || claims.ClientID != "shop" {
					t.Fatalf("the API read %+v: %v", claims, err)
				}
				users[claims.Subject], tokens[p.RefreshToken] = true, true
			}
			if len(tokens) != 3 || tokens[""] {
				t.Errorf("%d refresh tokens", len(tokens))
			}
		})
	}
	if len(users) != 1 {
		t.Errorf("u-1 is %d users", len(users))
	}
	s.lastUseOutlastsStop()
}

// TestServerSessionInjectionRefused checks that the samples show their pages the
// code of a refusal, and no tokens.
func TestServerSessionInjectionRefused(t *testing.T) {
	t.Parallel()
	needNode(t)
	s := start(t)
	s.addShop()
	for _, b := range backendApps {
		t.Run(b.name, func(t *testing.T) {
			resp, err := http.Post(b.start(t, s, "ssk_wrong")+"/session", "application/json", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if text := string(body); err != nil || resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, "CLIENT_AUTHENTICATION_FAILED") || strings.Contains(text, "Token\"") {
				t.Errorf("got %d %s, %v", resp.StatusCode, body, err)
			}
		})
	}
	express := backendApps[0].start(t, s, s.secret("shop"))
	var failed struct{ Error string }
	blocks := samplesOfProofs(t, injection, "js")
	node(t, "page.mjs", map[string]string{"sample": s.pointHere(blocks[len(blocks)-1]), "origin": "https://attacker.example", "backend": express}, &failed)
	if failed.Error != "Failed to fetch" {
		t.Errorf("a page of another origin refreshed: %s", failed.Error)
	}
}

// lastUseOutlastsStop checks that the time of a secret's last use survives a
// restart.
func (s *server) lastUseOutlastsStop() {
	s.t.Helper()
	shown := func() (used []string) {
		var secrets []struct{ LastUsed string }
		if err := json.Unmarshal([]byte(s.cambio("", "client", "secret", "list", "shop", "-o", "json")), &secrets); err != nil {
			s.t.Fatal(err)
		}
		for _, x := range secrets {
			used = append(used, x.LastUsed)
		}
		return used
	}
	before := shown()
	s.stop(s.t)
	s.restart()
	if after := shown(); len(before) != 1 || before[0] == "" || len(after) != 1 || after[0] != before[0] {
		s.t.Errorf("the secret was last used at %q, after a stop at %q", before, after)
	}
}

// assertingClients returns a manifest of clients that assert users: shop and desk
// their own, corp those of the issuer at url.
func assertingClients(url string) string {
	common := fmt.Sprintf(`auth: client_secret_basic, proofs: [user-assertion], refreshTokens: true, scopes: ["%[1]s"], defaultScopes: ["%[1]s"], audiences: ["%[2]s"]`, scope, audience)
	return manifest(url, audience) + fmt.Sprintf(`  - {id: shop, %[1]s}
  - {id: desk, %[1]s}
  - {id: corp, issuers: [login], asIssuer: login, %[1]s}
`, common)
}

// injected is the response of /auth/external/session.
type injected struct {
	AccessToken, RefreshToken, SessionID string

	User struct {
		ID    string
		IsNew bool
	}
}

func (s *server) inject(client, secret, user string) injected {
	s.t.Helper()
	got, err := s.tryInject(s.t.Context(), client, secret, user)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func (s *server) tryInject(ctx context.Context, client, secret, user string) (got injected, err error) {
	body := strings.NewReader(fmt.Sprintf(`{"externalUserId":%q}`, user))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/auth/external/session", body)
	if err != nil {
		return got, err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {client}, "X-Acme-Server-Secret": {secret}}
	a, err := s.do(req)
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("got %s", a)
	}
	if err == nil {
		err = json.Unmarshal([]byte(a.body), &got)
	}
	s.seen.addToken(got.AccessToken, got.RefreshToken)
	return got, err
}

// TestConcurrentFirstCallsCreateOneUser makes 64 first calls at once: they create
// one user, also after a crash. The same ID at another client is another user; at
// a client with asIssuer it is the user of the issuer's own tokens.
func TestConcurrentFirstCallsCreateOneUser(t *testing.T) {
	t.Parallel()
	issuer := jwkstest.New(t)
	s := start(t)
	s.trust("%s", assertingClients(issuer.URL))
	shop, desk, corp := s.secret("shop"), s.secret("desk"), s.secret("corp")
	const callers = 64
	all := make([]injected, callers)
	each(t.Context(), callers, func(ctx context.Context, n int) {
		var err error
		if all[n], err = s.tryInject(ctx, "shop", shop, "alice"); err != nil {
			t.Error(err)
		}
	})
	s.kill(t)
	s.restart()
	users, sessions, createdUsers := map[string]bool{}, map[string]bool{}, 0
	for _, got := range append(all, s.inject("shop", shop, "alice")) {
		users[got.User.ID], sessions[got.SessionID] = true, true
		if got.User.IsNew {
			createdUsers++
		}
	}
	if len(users) != 1 || len(sessions) != callers+1 || createdUsers != 1 {
		t.Errorf("%d users, %d sessions, created %d times", len(users), len(sessions), createdUsers)
	}
	other, token := s.inject("desk", desk, "alice"), s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
	asserted := s.inject("corp", corp, "alice")
	if users[other.User.ID] || users[asserted.User.ID] || other.User.ID == asserted.User.ID {
		t.Errorf("alice of three namespaces is %v, %s and %s", users, other.User.ID, asserted.User.ID)
	}
	if asserted.User.ID != token.User.ID || asserted.User.IsNew {
		t.Errorf("the issuer's alice is %s, for corp %s", token.User.ID, asserted.User.ID)
	}
	s.trust("%s", strings.Replace(assertingClients(issuer.URL), "asIssuer: login, ", "", 1))
	s.postJSON("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, asserted.RefreshToken), header{"X-API-Key", "corp"}, header{"X-Server-Secret", corp}).
		refused(t, http.StatusBadRequest, exchange.InvalidGrant, exchange.ReasonSessionEnded)
	if now := s.inject("corp", corp, "alice"); !now.User.IsNew {
		t.Error("corp's own alice is an existing user")
	}
}
