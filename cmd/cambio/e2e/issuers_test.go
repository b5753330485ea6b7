package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cambio/cmd/cambio/dev"
	"cambio/exchange"
	"cambio/jwks/jwkstest"

	"golang.org/x/oauth2"
)

// TestIssuers goes from a login page to a revoked session with two independent
// OpenID providers.
func TestIssuers(t *testing.T) {
	t.Parallel()
	t.Run("zitadel op", func(t *testing.T) {
		t.Parallel()
		issuer := startProvider(t)
		endpoint := oauth2.Endpoint{AuthURL: issuer + "/authorize", TokenURL: issuer + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams}
		s, api := worldWithAPI(t, issuer)
		journey(t, s, api, logIn(t, endpoint, user{"alice", "alice"}))
		journey(t, s, api, logIn(t, endpoint, user{"bob", "bob"}))
	})
	t.Run("npm oidc-provider", func(t *testing.T) {
		t.Parallel()
		issuer := startIssuer(t)
		endpoint := oauth2.Endpoint{AuthURL: issuer + "/auth", TokenURL: issuer + "/token", AuthStyle: oauth2.AuthStyleInParams}
		s, api := worldWithAPI(t, issuer)
		journey(t, s, api, logIn(t, endpoint, user{"alice", "anything"}))
		journey(t, s, api, logIn(t, endpoint, user{"Zoë", "anything"}))
	})
}

func startProvider(t *testing.T) (issuer string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	issuer = "http://" + srv.Listener.Addr().String()
	p, err := dev.NewProvider(issuer, callback)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = p
	srv.Start()
	t.Cleanup(srv.Close)
	return issuer
}

// worldWithAPI returns a server that trusts issuer, and the demo API that accepts
// its tokens.
func worldWithAPI(t *testing.T, issuer string) (s *server, api string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	api = "http://" + srv.Listener.Addr().String()
	s = start(t)
	s.trust("%s", manifest(issuer, api))
	srv.Config.Handler = dev.NewAPI(s.url, s.url+"/.well-known/jwks.json", api)
	srv.Start()
	t.Cleanup(srv.Close)
	return s, api
}

// journey takes a subject token from the exchange to the end of its session.
func journey(t *testing.T, s *server, api, subjectToken string) {
	t.Helper()
	proof := basic(backend, s.secret(backend))
	created := s.exchange(subjectToken).granted(t)
	if created.TokenType != "Bearer" || created.IssuedTokenType != exchange.TypeAccessToken || created.Scope != scope || created.ExpiresIn != 900 || !created.User.IsNew {
		t.Errorf("exchange returned %s", created)
	}
	if again := s.exchange(subjectToken).granted(t); again.User.ID != created.User.ID || again.User.IsNew {
		t.Errorf("the second exchange is of user %+v, the first was of %+v", again.User, created.User)
	}
	claims, err := newAPI(s.url, api, s.http).verify(t.Context(), created.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != created.User.ID || claims.ClientID != app {
		t.Errorf("the access token says %+v", claims)
	}
	callAPI(t, api, created)

	next := s.refresh(created.RefreshToken).granted(t)
	if next.RefreshToken == created.RefreshToken || next.AccessToken == created.AccessToken || next.User.ID != created.User.ID {
		t.Errorf("refresh returned %s after %s", next, created)
	}
	callAPI(t, api, next)
	introspected(t, s, proof, true, next.AccessToken, next.RefreshToken)

	if a := s.call("/oauth/revoke", url.Values{"client_id": {app}, "token": {next.RefreshToken}}); a.status != http.StatusOK {
		t.Errorf("revocation returned %s", a)
	}
	s.refresh(next.RefreshToken).refused(t, 400, exchange.InvalidGrant, exchange.ReasonSessionEnded)
	introspected(t, s, proof, false, next.AccessToken, next.RefreshToken)
}

func introspected(t *testing.T, s *server, proof header, active bool, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		a := s.call("/oauth/introspect", url.Values{"token": {token}}, proof)
		if a.status != http.StatusOK || a.Active != active {
			t.Errorf("introspection returned %s, want active %t", a, active)
		}
	}
}

// callAPI reads the user's orders with the access token, and is refused without.
func callAPI(t *testing.T, api string, with answer) {
	t.Helper()
	for authorization, want := range map[string]int{
		"Bearer " + with.AccessToken:       http.StatusOK,
		"Bearer " + with.AccessToken + "A": http.StatusUnauthorized,
		"":                                 http.StatusUnauthorized,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("the API returned %d, want %d", resp.StatusCode, want)
		}
	}
}

// TestIssuerRotatesKeys checks that a new key of the issuer is accepted from its
// first token, and the old key still is.
func TestIssuerRotatesKeys(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	old := issuer.Sign(issuer.Claims("alice", app))
	s.exchange(old).granted(t)
	issuer.Rotate()
	s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
	s.exchange(old).granted(t)
	if n := issuer.Fetches(); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
	if strings.Contains(s.out.String(), `"level":"ERROR"`) {
		t.Error("the server logged an error")
	}
}

// TestIssuerDown checks that tokens of an unreachable issuer get 503 with
// Retry-After while its keys are unknown, and are accepted while they are cached.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
	never := jwkstest.New(t)
	token := never.Sign(never.Claims("alice", app))
	s.trust("%s", strings.ReplaceAll(manifest(never.URL, audience), "login", "never"))
	s.trust("%s", strings.Replace(manifest(issuer.URL, audience), "issuers: [login]", "issuers: [login, never]", 1))

	issuer.Fail(http.StatusBadGateway)
	never.Close()
	a := s.exchange(token).refused(t, 503, exchange.TemporarilyUnavailable, exchange.ReasonIssuerUnavailable)
	if after := a.header.Get("Retry-After"); after == "" || after == "0" {
		t.Errorf("Retry-After is %q", after)
	}
	if strings.Contains(a.body, "refused") || strings.Contains(a.body, "127.0.0.1") {
		t.Errorf("the caller learns more than the code: %s", a)
	}
	created := s.exchange(issuer.Sign(issuer.Claims("bob", app))).granted(t)
	s.refresh(created.RefreshToken).granted(t)
}
