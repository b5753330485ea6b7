package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"cambio/exchange"
)

// A vendor's app tokens, created by npm's jsonwebtoken: HS256 by the app's secret,
// RS256 with a certificate at a …/certs URL.

const vendorApp = "b7a5c1e0-5d0c-4b6e-9f37-1a2b3c4d5e6f" // the app's client_id at the vendor

// tokenInput is the input of jsonwebtoken for one token.
type tokenInput struct {
	Claims  map[string]any `json:"claims"`
	Key     string         `json:"key"`
	Options map[string]any `json:"options"`
}

func jsonwebtoken(t *testing.T, s *server, inputs ...tokenInput) (tokens []string) {
	t.Helper()
	node(t, "jsonwebtoken.mjs", inputs, &tokens)
	s.seen.addToken(tokens...)
	return tokens
}

// appToken returns the input for a user's token of the vendor's app, valid for a
// day.
func appToken(key, clientID string) tokenInput {
	return tokenInput{map[string]any{"client_id": clientID, "sub": "rUser", "network": "main"}, key, map[string]any{"algorithm": "HS256", "expiresIn": "24h"}}
}

// exchangeAndVerify presents a token at both JSON endpoints: the exchange, as the
// page of a public client, and the verification, as a backend.
func (s *server) exchangeAndVerify(token, issuerID, secret string) (exchanged, verified answer) {
	s.t.Helper()
	member := ""
	if issuerID != "" {
		member = fmt.Sprintf(`,"issuerId":%q`, issuerID)
	}
	exchanged = s.postJSON("/auth/external/exchange", fmt.Sprintf(`{"token":%q,"tokenType":"jwt"%s}`, token, member), header{"X-API-Key", app})
	verified = s.postJSON("/auth/external/verify", fmt.Sprintf(`{"token":%q%s}`, token, member), header{"X-API-Key", backend}, header{"X-Server-Secret", secret})
	return exchanged, verified
}

// accepts requires both endpoints to accept a token of the vendor's user.
func (s *server) accepts(token, issuerID, secret string) {
	s.t.Helper()
	exchanged, verified := s.exchangeAndVerify(token, issuerID, secret)
	s.tokensOf(exchanged)
	var session struct {
		User struct{ ExternalUserID string }
	}
	var said struct {
		Active   bool
		Sub      string
		ClientID string `json:"client_id"`
		Exp      int64
		Claims   map[string]any
	}
	if err := json.Unmarshal([]byte(exchanged.body), &session); err != nil || session.User.ExternalUserID != "rUser" {
		s.t.Errorf("exchanged %s: %v", exchanged, err)
	}
	if err := json.Unmarshal([]byte(verified.body), &said); err != nil {
		s.t.Fatal(err)
	}
	validFor := time.Until(time.Unix(said.Exp, 0))
	if !said.Active || said.Sub != "rUser" || said.ClientID != vendorApp || said.Claims["network"] != "main" || validFor < 23*time.Hour || validFor > 24*time.Hour {
		s.t.Errorf("verified %s", verified)
	}
}

// rejects requires both endpoints to refuse a token.
func (s *server) rejects(token, issuerID, secret string, reason exchange.Reason) {
	s.t.Helper()
	exchanged, verified := s.exchangeAndVerify(token, issuerID, secret)
	exchanged.refused(s.t, http.StatusBadRequest, exchange.InvalidRequest, reason)
	if verified.status != http.StatusOK || verified.body != `{"active":false}` {
		s.t.Errorf("verified %s", verified)
	}
}

// vendorClients returns clients that may present the tokens of issuers.
func vendorClients(issuers string) string {
	return fmt.Sprintf(`clients:
  - {id: %s, issuers: [%s], scopes: ["%[3]s"], defaultScopes: ["%[3]s"], audiences: ["%[4]s"], refreshTokens: true}
  - {id: %[5]s, auth: client_secret_basic, issuers: [%[2]s], scopes: ["%[3]s"], audiences: ["%[4]s"]}
`, app, issuers, scope, audience, backend)
}

// TestVendorAppSecrets checks that two of the app's secrets are active during a
// rotation.
func TestVendorAppSecrets(t *testing.T) {
	t.Parallel()
	needNode(t)
	s := start(t)
	old, next, last := "a vendor's app secret, the old one", "a vendor's app secret, the next one", "a vendor's app secret, the last one"
	s.seen.add(old, next, last)
	rotate := func(a, b string) {
		s.trust(`issuers:
  - id: vendor
    audiences: ["%s"]
    audienceClaim: client_id
    scopes: ["%s"]
    keys: {secrets: [{id: %q, value: %q}, {id: %q, value: %q}]}
%s`, vendorApp, scope, a[27:30], a, b[27:30], b, vendorClients("vendor"))
	}
	rotate(old, next)
	secret := s.secret(backend)
	withoutApp, expired := appToken(old, vendorApp), appToken(old, vendorApp)
	delete(withoutApp.Claims, "client_id")
	expired.Options["expiresIn"] = "-5m"
	long := appToken(old, vendorApp)
	long.Options["expiresIn"] = "25h"
	hs384 := appToken(old+old, vendorApp)
	hs384.Options["algorithm"] = "HS384"
	tokens := jsonwebtoken(t, s, appToken(old, vendorApp), appToken(next, vendorApp), appToken(last, vendorApp),
		appToken(old, "another app"), withoutApp, expired, long, hs384)

	s.accepts(tokens[0], "vendor", secret)
	s.accepts(tokens[1], "vendor", secret)
	s.rejects(tokens[2], "vendor", secret, exchange.ReasonSubjectTokenSignatureInvalid)
	s.rejects(tokens[3], "vendor", secret, exchange.ReasonAudienceNotAccepted)
	s.rejects(tokens[4], "vendor", secret, exchange.ReasonAudienceNotAccepted)
	s.rejects(tokens[5], "vendor", secret, exchange.ReasonSubjectTokenExpired)
	s.rejects(tokens[6], "vendor", secret, exchange.ReasonSubjectTokenLifetimeTooLong)
	s.rejects(tokens[7], "vendor", secret, exchange.ReasonSubjectTokenAlgorithmNotAccepted)
	s.rejects(tokens[0], "", secret, exchange.ReasonIssuerUnknown)

	rotate(next, last)
	s.rejects(tokens[0], "vendor", secret, exchange.ReasonSubjectTokenSignatureInvalid)
	s.accepts(tokens[1], "vendor", secret)
	s.accepts(tokens[2], "vendor", secret)
}

// certified returns an RSA key with a self-signed certificate.
func certified(t *testing.T) (key *rsa.PrivateKey, private string, certificate []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	return key, encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), certificate
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// certs returns the forms in which vendors publish certificates: path → body.
func certs(t *testing.T, key *rsa.PublicKey, certificate []byte) map[string]any {
	t.Helper()
	n, e := base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "AQAB"
	other, _, _ := certified(t)
	another := base64.RawURLEncoding.EncodeToString(other.N.Bytes())
	jwk := func(members ...any) map[string]any { return map[string]any{"keys": members} }
	return map[string]any{
		"/x5c/certs": jwk(map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "x5c": []string{base64.StdEncoding.EncodeToString(certificate)}}),
		"/map/certs": map[string]string{"2026-11": encodePEM("CERTIFICATE", certificate)},
		"/jwks/certs": jwk(map[string]string{"kty": "RSA", "use": "sig", "n": another, "e": e},
			map[string]string{"kty": "RSA", "use": "sig", "n": n, "e": e}),
	}
}

// TestVendorCertificates presents RS256 tokens without kid, with the key published
// in each form of a …/certs URL.
func TestVendorCertificates(t *testing.T) {
	t.Parallel()
	needNode(t)
	key, private, certificate := certified(t)
	_, otherKey, _ := certified(t)
	published := certs(t, &key.PublicKey, certificate)
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if body, ok := published[r.URL.Path]; !ok || json.NewEncoder(w).Encode(body) != nil {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(vendor.Close)
	s := start(t)
	issuers := ""
	for id, source := range map[string]string{"x5c": "jwksURL", "map": "certificatesURL", "jwks": "jwksURL"} {
		issuers += fmt.Sprintf(`  - id: %[1]s
    url: https://%[1]s.vendor.example
    audiences: ["%[2]s"]
    audienceClaim: client_id
    scopes: ["%[3]s"]
    keys: {%[4]s: "%[5]s/%[1]s/certs", allowMissingKid: true, allowPrivateAddresses: true}
`, id, vendorApp, scope, source, vendor.URL)
	}
	s.trust("issuers:\n%s%s", issuers, vendorClients("x5c, map, jwks"))
	secret := s.secret(backend)
	for _, id := range []string{"x5c", "map", "jwks"} {
		made := func(key, clientID, algorithm string) tokenInput {
			out := appToken(key, clientID)
			out.Claims["iss"], out.Options["algorithm"] = "https://"+id+".vendor.example", algorithm
			return out
		}
		tokens := jsonwebtoken(t, s, made(private, vendorApp, "RS256"), made(private, "another app", "RS256"), made(otherKey, vendorApp, "RS256"),
			made(encodePEM("CERTIFICATE", certificate), vendorApp, "HS256"))
		s.accepts(tokens[0], "", secret)
		s.accepts(tokens[0], id, secret)
		s.rejects(tokens[1], "", secret, exchange.ReasonAudienceNotAccepted)
		s.rejects(tokens[2], "", secret, exchange.ReasonSubjectTokenSignatureInvalid)
		s.rejects(tokens[3], "", secret, exchange.ReasonSubjectTokenAlgorithmNotAccepted)
	}
}
