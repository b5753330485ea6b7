package e2e

import (
	"context"
	"fmt"
	"testing"

	"cambio/cmd/cambio/dev"
	"cambio/jwks/jwkstest"
)

// The names that the manifests of these tests share.
const (
	app      = dev.ClientID  // public client, and audience of its logins
	backend  = "backend"     // confidential client, a resource server
	scope    = dev.ScopeRead // requested by app
	audience = "https://api.example.com"
	origin   = "https://shop.example.com"
)

// manifest returns a manifest with the issuer at url and the clients app and
// backend, for the API at audience.
func manifest(url, audience string) string {
	return fmt.Sprintf(`issuers:
  - id: login
    url: %s
    audiences: [%s]
    scopes: [%s, email]
    keys: {allowPrivateAddresses: true}
clients:
  - id: %[2]s
    issuers: [login]
    origins: [%[4]s]
    scopes: [%[3]s, email]
    defaultScopes: [%[3]s]
    audiences: ["%[5]s"]
    refreshTokens: true
  - id: %[6]s
    auth: client_secret_basic
    issuers: [login]
    grants: ["urn:ietf:params:oauth:grant-type:token-exchange", refresh_token, client_credentials]
    scopes: [%[3]s, email]
    defaultScopes: [%[3]s]
    audiences: ["%[5]s"]
    refreshTokens: true
`, url, app, scope, origin, audience, backend)
}

// world returns a server and an issuer that it trusts.
func world(t *testing.T, env ...string) (*server, *jwkstest.Issuer) {
	t.Helper()
	issuer := jwkstest.New(t)
	s := start(t, env...)
	s.trust("%s", manifest(issuer.URL, audience))
	return s, issuer
}

// each calls do concurrently with the numbers 0 to n-1, and returns when all
// calls have.
func each(ctx context.Context, n int, do func(ctx context.Context, worker int)) {
	done := make(chan struct{})
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			do(ctx, i)
		}()
	}
	for range n {
		<-done
	}
}
