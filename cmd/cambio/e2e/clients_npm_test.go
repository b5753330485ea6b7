package e2e

import (
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// TestNpmClients runs clients written for other servers, which know Cambio by its
// metadata only.
func TestNpmClients(t *testing.T) {
	t.Parallel()
	needNode(t)
	s, issuer := world(t)
	secret := s.secret(backend)
	for _, c := range []struct{ script, client, secret, metadata string }{
		{"oauth4webapi.mjs", app, "", "oidc"},
		{"oauth4webapi.mjs", backend, secret, "oauth2"},
		{"openid-client.mjs", app, "", "oauth2"},
		{"openid-client.mjs", backend, secret, "oidc"},
	} {
		t.Run(c.script+"/"+c.client, func(t *testing.T) {
			t.Parallel()
			clientOnNpm(t, s, c.script, map[string]string{
				"issuer": s.url, "client": c.client, "secret": c.secret, "scope": scope, "algorithm": c.metadata,
				"token": issuer.Sign(issuer.Claims("alice", app)),
			})
		})
	}
}

// introspection is the response (RFC 7662 §2.2) as oauth4webapi and openid-client
// decode it.
type introspection struct {
	Active   bool
	Scope    string
	Subject  string `json:"sub"`
	ClientID string `json:"client_id"`
}

func clientOnNpm(t *testing.T, s *server, script string, input map[string]string) {
	t.Helper()
	var got struct {
		Exchanged, Refreshed answer
		Before, After        *introspection
		Refusal              struct {
			Error, Code string
			Status      int
		}
	}
	node(t, script, input, &got)
	s.seen.addToken(input["token"], got.Exchanged.RefreshToken, got.Exchanged.AccessToken, got.Refreshed.RefreshToken, got.Refreshed.AccessToken)
	if got.Exchanged.Scope != scope || !strings.EqualFold(got.Exchanged.TokenType, "Bearer") || got.Exchanged.User.ID == "" {
		t.Errorf("exchanged %+v", got.Exchanged)
	}
	if got.Refreshed.AccessToken == "" || got.Refreshed.RefreshToken == got.Exchanged.RefreshToken {
		t.Errorf("refreshed %+v", got.Refreshed)
	}
	want := introspection{true, scope, got.Exchanged.User.ID, input["client"]}
	if input["secret"] != "" && (*got.Before != want || *got.After != introspection{}) {
		t.Errorf("introspected %+v, then %+v", got.Before, got.After)
	}
	if r := got.Refusal; r.Error != string(exchange.InvalidGrant) || r.Status != 400 {
		t.Errorf("the last refresh was refused with %+v", r)
	}
}

// TestLibrariesVerifyAccessTokens verifies access tokens with other libraries, in
// each signing algorithm, with jose by the README's sample. They refuse a token
// for another API, a changed one and an ID token.
func TestLibrariesVerifyAccessTokens(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			needNode(t)
			s, issuer := world(t, "CAMBIO_KEYS_ALGORITHM="+alg)
			elsewhere(t, s, issuer)
		})
	}
}

func elsewhere(t *testing.T, s *server, issuer *jwkstest.Issuer) {
	t.Helper()
	token := issuer.Sign(issuer.Claims("alice", app))
	created := s.exchange(token).granted(t)
	form := exchangeForm(token)
	form.Set("requested_token_type", exchange.TypeIDToken)
	id := s.call("/oauth/token", form).granted(t)
	parts := strings.Split(created.AccessToken, ".")
	others := strings.Split(s.exchange(token).granted(t).AccessToken, ".")
	mixed := strings.Join([]string{parts[0], others[1], parts[2]}, ".")

	var got []struct {
		Claims struct {
			Sub      string
			Scope    string
			ClientID string `json:"client_id"`
		}
		Error string
	}
	tokens := []string{created.AccessToken, mixed, id.AccessToken, token}
	node(t, "api.mjs", map[string]any{"sample": sample(t, "js", s.url, audience), "tokens": tokens}, &got)
	if c := got[0].Claims; c.Sub != created.User.ID || c.Scope != scope || c.ClientID != app {
		t.Errorf("jose read %+v", got[0])
	}
	for i, want := range []string{"", "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "ERR_JWT_CLAIM_VALIDATION_FAILED", "ERR_JWKS_NO_MATCHING_KEY"} {
		if got[i].Error != want {
			t.Errorf("token %d: jose says %q, want %q", i, got[i].Error, want)
		}
	}
	another := sample(t, "js", s.url, "https://another.example.com")
	node(t, "api.mjs", map[string]any{"sample": another, "tokens": tokens[:1]}, &got)
	if got[0].Error != "ERR_JWT_CLAIM_VALIDATION_FAILED" {
		t.Errorf("for another API jose says %q", got[0].Error)
	}

	api := newAPI(s.url, audience, s.http)
	claims, err := api.verify(t.Context(), created.AccessToken)
	if err != nil || claims.Subject != created.User.ID {
		t.Errorf("op read %+v: %v", claims, err)
	}
	if _, err := api.verify(t.Context(), mixed); err == nil {
		t.Error("op accepted a token that was changed")
	}
}
