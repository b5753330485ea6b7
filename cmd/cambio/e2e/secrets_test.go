package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// secrets holds texts that a server received and must not store: the first
// manySecrets of them.
type secrets struct {
	mu   sync.Mutex
	text map[string]bool
}

const manySecrets = 300

func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		s.text = make(map[string]bool)
	}
	for _, text := range texts {
		if len(text) >= 16 && len(s.text) < manySecrets { // shorter texts are no secrets, and match by chance
			s.text[text] = true
		}
	}
}

// addToken adds the secret part of a token: the signature of a JWT, the MAC of a
// refresh token. The rest may appear in logs.
func (s *secrets) addToken(tokens ...string) {
	for _, token := range tokens {
		s.add(token[strings.LastIndexByte(token, '.')+1:])
	}
}

// findSecrets searches everything that the server wrote for the secrets, in the
// usual encodings.
func (s *server) findSecrets() {
	places := map[string]string{"standard error": s.out.String(), "standard output": s.printed.String()}
	for _, name := range []string{"audit.log", "cambio.db"} {
		content, err := os.ReadFile(s.file(name))
		if err != nil {
			s.t.Error(err)
		}
		places[name] = string(content)
	}
	s.seen.add(strings.TrimSpace(s.read("cambio.kek")), strings.TrimSpace(s.read("cambio.admin-token")))
	for place, content := range places {
		for secret := range s.seen.text {
			for _, spelling := range spellings(secret) {
				if strings.Contains(content, spelling) {
					s.t.Errorf("%s has the secret %.12s…", place, secret)
				}
			}
		}
	}
}

func spellings(secret string) []string {
	coded := base64.StdEncoding.EncodeToString([]byte(secret[:len(secret)/3*3]))
	out := []string{secret, coded, hex.EncodeToString([]byte(secret))}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil { // a signature, a MAC
		out = append(out, string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw))
	}
	return out
}

// TestSecretsAreNeitherStoredNorLogged sends secrets in the right and in the wrong
// places, in granted and in refused requests. [server.inspect] searches for them.
func TestSecretsAreNeitherStoredNorLogged(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	shared := strings.Repeat("a shared secret ", 3) + "of 64 bytes here"
	s.seen.add(shared)
	s.trust(`issuers: [{id: vendor, url: "https://vendor.example.com", audiences: [%s], keys: {secrets: [{id: one, value: %q}]}}]`, app, shared)
	if bad := s.command(fmt.Sprintf("issuers: [{id: vendor2, url: nonsense, keys: {secrets: [{value: %q}]}}]", shared), "apply", "-f", "-"); bad.Run() == nil {
		t.Error("a bad manifest was applied")
	} else if strings.Contains(bad.Stderr.(*output).String(), shared) {
		t.Error("the operator's terminal shows the shared secret")
	}
	secret := s.secret(backend)
	proof := basic(backend, secret)
	token := issuer.Sign(issuer.Claims("alice", app))

	created := s.exchange(token).granted(t)
	s.seen.add(token, created.AccessToken, created.RefreshToken)
	next := s.refresh(created.RefreshToken).granted(t)
	form := exchangeForm(token)
	form.Del("client_id")
	s.call("/oauth/token", form, proof).granted(t)
	introspected(t, s, proof, true, next.AccessToken, next.RefreshToken)

	for _, refused := range refusals(issuer, token, shared) {
		s.seen.addToken(refused)
		if a := s.exchange(refused); a.status == http.StatusOK {
			t.Errorf("granted: %s", a)
		}
	}
	s.misplace(token, secret, next)
	s.call("/oauth/revoke", url.Values{"client_id": {app}, "token": {next.RefreshToken}})
	s.refresh(next.RefreshToken)
	s.refresh(created.RefreshToken)

	if log := s.read("audit.log"); !strings.Contains(log, `"subject":"alice"`) || !strings.Contains(s.read("cambio.db"), "alice") {
		t.Error("the searched files do not contain alice")
	}
	if n := len(s.seen.text); n < 15 {
		t.Errorf("only %d secrets are looked for", n)
	}
}

// refusals returns subject tokens that are refused, each for another reason.
func refusals(issuer *jwkstest.Issuer, token, shared string) []string {
	expired := issuer.Claims("alice", app)
	expired["exp"] = time.Now().Add(-time.Hour).Unix()
	vendors := map[string]any{"iss": "https://vendor.example.com", "sub": "eve", "aud": app, "exp": time.Now().Add(time.Hour).Unix()}
	return []string{
		token[:len(token)-8],
		issuer.Sign(expired),
		issuer.Sign(issuer.Claims("alice", "another app")),
		jwkstest.SignHMAC("HS256", []byte(shared), vendors), // not an issuer of this client
	}
}

// misplace sends secrets where they do not belong, as mistaken clients do.
func (s *server) misplace(token, secret string, session answer) {
	s.t.Helper()
	elsewhere := url.Values{"subject_token": {token}, "client_secret": {secret}, "refresh_token": {session.RefreshToken}}
	for _, c := range []struct {
		path string
		form url.Values
		with header
	}{
		{"/oauth/token?" + elsewhere.Encode(), exchangeForm(token), header{}},
		{"/oauth/" + url.PathEscape(session.RefreshToken), url.Values{}, header{}},
		{"/oauth/token", refreshForm(session.AccessToken), header{}},
		{"/oauth/token", refreshForm(token), header{}},
		{"/oauth/token", exchangeForm(session.RefreshToken), header{}},
		{"/oauth/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {session.RefreshToken}, "refresh_token": {app}}, header{}},
		{"/oauth/introspect", url.Values{"token": {token}}, basic(secret, backend)},
		{"/oauth/token", url.Values{"grant_type": {exchange.GrantTokenExchange}, "client_id": {app}, "client_secret": {secret}}, header{}},
		{"/oauth/introspect", url.Values{"token": {secret}}, basic(backend, secret+"A")},
		{"/oauth/introspect", url.Values{"token": {token}}, header{"Authorization", "Bearer " + session.AccessToken}},
	} {
		if a, err := s.post(s.t.Context(), c.path, c.form, c.with); err != nil || a.status == http.StatusOK {
			s.t.Errorf("%s returned %s, %v", c.path, a, err)
		} else if strings.Contains(a.body, secret) || strings.Contains(a.body, session.RefreshToken) {
			s.t.Errorf("the response repeats a secret: %s", a)
		}
	}
}
