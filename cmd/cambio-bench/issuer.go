package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"
)

// benchAudience is the aud of the subject tokens.
const benchAudience = "bench-app"

// issuer signs subject tokens and publishes its key.
type issuer struct {
	url    string
	key    *rsa.PrivateKey
	server *httptest.Server
}

func newIssuer() (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	i := &issuer{key: key}
	i.server = httptest.NewServer(http.HandlerFunc(i.serveKeys))
	i.url = i.server.URL
	return i, nil
}

func (i *issuer) close() { i.server.Close() }

func (i *issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	segment := base64.RawURLEncoding.EncodeToString
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "kid": "bench", "alg": "RS256", "use": "sig",
		"n": segment(i.key.N.Bytes()), "e": segment(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
}

// tokens returns n ID tokens, each for its own subject, with the claims that large
// providers include.
func (i *issuer) tokens(n int) ([]string, error) {
	out := make([]string, n)
	now := time.Now()
	for k := range out {
		claims := map[string]any{
			"iss": i.url, "sub": fmt.Sprintf("auth0|%024x", k), "aud": benchAudience, "azp": benchAudience,
			"iat": now.Unix(), "exp": now.Add(12 * time.Hour).Unix(), "auth_time": now.Unix(), "nonce": rand.Text(),
			"email": fmt.Sprintf("user%d@example.com", k), "email_verified": true, "name": fmt.Sprintf("User %d", k),
			"picture": "https://example.com/avatar.png", "sid": rand.Text(),
		}
		var err error
		if out[k], err = i.sign(claims); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (i *issuer) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	segment := base64.RawURLEncoding.EncodeToString
	input := segment([]byte(`{"alg":"RS256","typ":"JWT","kid":"bench"}`)) + "." + segment(payload)
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	return input + "." + segment(signature), err
}
