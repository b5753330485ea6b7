package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"cambio/exchange"

	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/client/tokenexchange"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"
)

// TestZitadelClient exchanges and introspects with zitadel's client packages.
func TestZitadelClient(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	secret := s.secret(backend)
	exchanger, err := tokenexchange.NewTokenExchangerClientCredentials(t.Context(), s.url, backend, secret)
	if err != nil {
		t.Fatal(err)
	}
	subject := issuer.Sign(issuer.Claims("alice", app))
	got, err := tokenexchange.ExchangeToken(t.Context(), exchanger, subject, oidc.IDTokenType, "", "", nil, []string{audience}, []string{scope}, oidc.AccessTokenType)
	if err != nil {
		t.Fatal(err)
	}
	s.seen.addToken(subject, got.AccessToken, got.RefreshToken)
	if got.IssuedTokenType != oidc.AccessTokenType || got.RefreshToken == "" || len(got.Scopes) != 1 {
		t.Errorf("exchanged %+v", got)
	}
	for name, c := range map[string]struct{ aud, scope, code string }{
		"another target":   {"https://another.example.com", scope, string(exchange.InvalidTarget)},
		"too wide a scope": {audience, "orders:delete", string(exchange.InvalidScope)},
	} {
		_, err := tokenexchange.ExchangeToken(t.Context(), exchanger, subject, oidc.IDTokenType, "", "", nil, []string{c.aud}, []string{c.scope}, "")
		if err == nil || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	introspectWithZitadel(t, s, secret, got.AccessToken)
}

func introspectWithZitadel(t *testing.T, s *server, secret, token string) {
	t.Helper()
	resource, err := rs.NewResourceServerClientCredentials(t.Context(), s.url, backend, secret)
	if err != nil {
		t.Fatal(err)
	}
	found, err := rs.Introspect[*oidc.IntrospectionResponse](t.Context(), resource, token)
	if err != nil || !found.Active || found.ClientID != backend || found.Subject == "" || len(found.Audience) != 1 || found.Audience[0] != audience {
		t.Errorf("introspected %+v: %v", found, err)
	}
	if found, err := rs.Introspect[*oidc.IntrospectionResponse](t.Context(), resource, token+"A"); err != nil || found.Active || found.Subject != "" {
		t.Errorf("introspected %+v of a token that is none: %v", found, err)
	}
	impostor, err := rs.NewResourceServerClientCredentials(t.Context(), s.url, backend, secret+"A")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := rs.Introspect[*oidc.IntrospectionResponse](t.Context(), impostor, token); err == nil {
		t.Errorf("with a wrong secret: %+v", found)
	}
}

// supplier gives Google's library a subject token of the test's issuer.
type supplier func() string

func (s supplier) SubjectToken(context.Context, externalaccount.SupplierOptions) (string, error) {
	return s(), nil
}

// TestExternalAccount exchanges with Google's workload identity client. It sends
// no client_id, and its own header with every request: the issuer lets the client
// be found by the audience of its tokens.
func TestExternalAccount(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	config := externalaccount.Config{
		Audience: audience, SubjectTokenType: exchange.TypeJWT, TokenURL: s.url + "/oauth/token", Scopes: []string{scope},
		SubjectTokenSupplier: supplier(func() string { return issuer.Sign(issuer.Claims("job-1", app)) }),
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.http)
	if _, err := token(ctx, t, config); err == nil {
		t.Error("without the issuer's permission a request without client_id was granted")
	}
	s.trust("%s", strings.Replace(manifest(issuer.URL, audience), "    audiences:", "    clientByAudience: true\n    audiences:", 1))
	got, err := token(ctx, t, config)
	if err != nil {
		t.Fatal(err)
	}
	s.seen.addToken(got.AccessToken, got.RefreshToken)
	claims, err := newAPI(s.url, audience, http.DefaultClient).verify(t.Context(), got.AccessToken)
	if err != nil || claims.ClientID != app {
		t.Errorf("the access token says %+v: %v", claims, err)
	}
	config.SubjectTokenSupplier = supplier(func() string { return issuer.Sign(issuer.Claims("job-1", backend)) })
	if _, err := token(ctx, t, config); err == nil {
		t.Error("a token for an audience that is none of the issuer's was taken")
	}
}

func token(ctx context.Context, t *testing.T, config externalaccount.Config) (*oauth2.Token, error) {
	t.Helper()
	source, err := externalaccount.NewTokenSource(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	return source.Token()
}
