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

// TestIssuers goes the whole way, from a login page to a revoked session, with
// two OpenID providers that know nothing of us.
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

// worldWithAPI is a server that trusts issuer, and the demo API that accepts
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
	born := s.exchange(subjectToken).granted(t)
	if born.TokenType != "Bearer" || born.IssuedTokenType != exchange.TypeAccessToken || born.Scope != scope || born.ExpiresIn != 900 || !born.User.IsNew {
		t.Errorf("exchange answered %s", born)
	}
	if again := s.exchange(subjectToken).granted(t); again.User.ID != born.User.ID || again.User.IsNew {
		t.Errorf("the second exchange is of user %+v, the first was of %+v", again.User, born.User)
	}
	claims, err := newAPI(s.url, api, s.http).verify(t.Context(), born.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != born.User.ID || claims.ClientID != app {
		t.Errorf("the access token says %+v", claims)
	}
	callAPI(t, api, born)

	next := s.refresh(born.RefreshToken).granted(t)
	if next.RefreshToken == born.RefreshToken || next.AccessToken == born.AccessToken || next.User.ID != born.User.ID {
		t.Errorf("refresh answered %s after %s", next, born)
	}
	callAPI(t, api, next)
	introspected(t, s, proof, true, next.AccessToken, next.RefreshToken)

	if a := s.call("/oauth/revoke", url.Values{"client_id": {app}, "token": {next.RefreshToken}}); a.status != http.StatusOK {
		t.Errorf("revocation answered %s", a)
	}
	s.refresh(next.RefreshToken).refused(t, 400, exchange.InvalidGrant, exchange.ReasonSessionEnded)
	introspected(t, s, proof, false, next.AccessToken, next.RefreshToken)
}

func introspected(t *testing.T, s *server, proof header, active bool, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		a := s.call("/oauth/introspect", url.Values{"token": {token}}, proof)
		if a.status != http.StatusOK || a.Active != active {
			t.Errorf("introspection answered %s, want active %t", a, active)
		}
	}
}

// callAPI reads alice's orders with the access token, and cannot without.
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
			t.Errorf("the API answered %d, want %d", resp.StatusCode, want)
		}
	}
}

// TestIssuerRotates: a key that the issuer makes while its keys are known counts
// from its first token, and the old one goes on counting.
func TestIssuerRotates(t *testing.T) {
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

// TestIssuerDown: an issuer that is down fails those whose keys nobody has,
// and says when to come back; those that are known serve on.
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
	born := s.exchange(issuer.Sign(issuer.Claims("bob", app))).granted(t)
	s.refresh(born.RefreshToken).granted(t)
}
