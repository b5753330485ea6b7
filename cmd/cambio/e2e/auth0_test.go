package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"cambio/jwks/jwkstest"
)

// TestAuth0SPA runs npm's auth0-spa-js unchanged: its token exchange and refresh
// send an Auth0-Client header, and demand an ID token by RS256 whose iss ends in a
// slash.
func TestAuth0SPA(t *testing.T) {
	t.Parallel()
	needNode(t)
	issuer, s := jwkstest.New(t), start(t)
	settings, err := os.ReadFile(s.file("cambio.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.kill(t)
	s.write("cambio.yaml", strings.Replace(string(settings), "issuer: "+s.url, "previousIssuer: "+s.url+"\nissuer: "+s.url+"/", 1))
	s.restart()
	s.trust(`issuers:
  - id: login
    url: %s
    audiences: [%s]
    scopes: [openid, profile, email, offline_access, %s]
    claimMappings: {extra: [{key: name, valueExpression: '"Alice"'}]}
    keys: {allowPrivateAddresses: true}
clients:
  - id: %[2]s
    issuers: [login]
    origins: [%[4]s]
    scopes: [openid, profile, email, offline_access, %[3]s]
    audiences: ["%[5]s"]
    refreshTokens: true
    idTokenAlgorithm: RS256
`, issuer.URL, app, scope, origin, audience)
	var got struct {
		Exchanged, Refreshed struct {
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
			IDToken      string `json:"id_token"`
		}
		User    struct{ Sub, Name string }
		Headers []string
	}
	token := issuer.Sign(issuer.Claims("alice", app))
	node(t, "auth0-spa-js.mjs", map[string]any{
		"url": s.url, "client": app, "audience": audience, "origin": origin, "token": token,
		"scope": fmt.Sprint("openid profile email ", scope),
	}, &got)
	s.seen.addToken(token, got.Exchanged.AccessToken, got.Exchanged.RefreshToken, got.Exchanged.IDToken,
		got.Refreshed.AccessToken, got.Refreshed.IDToken)
	if got.User.Sub == "" || got.User.Name != "Alice" || got.Exchanged.AccessToken == got.Refreshed.AccessToken || got.Refreshed.IDToken == "" {
		t.Errorf("got %+v", got)
	}
	if !slices.Contains(got.Headers, "Auth0-Client") {
		t.Errorf("headers %v", got.Headers)
	}
}
