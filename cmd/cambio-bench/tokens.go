package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"cambio/jwks/jwkstest"
)

// benchAudience is the aud of the subject tokens.
const benchAudience = "bench-app"

// sign returns n ID tokens of an issuer, each for its own subject, with the claims
// that large providers include.
func sign(i *jwkstest.Issuer, n int) []string {
	tokens := make([]string, n)
	now := time.Now()
	for k := range tokens {
		tokens[k] = i.Sign(map[string]any{
			"iss": i.URL, "sub": fmt.Sprintf("auth0|%024x", k), "aud": benchAudience, "azp": benchAudience,
			"iat": now.Unix(), "exp": now.Add(12 * time.Hour).Unix(), "auth_time": now.Unix(), "nonce": rand.Text(),
			"email": fmt.Sprintf("user%d@example.com", k), "email_verified": true, "name": fmt.Sprintf("User %d", k),
			"picture": "https://example.com/avatar.png", "sid": rand.Text(),
		})
	}
	return tokens
}
