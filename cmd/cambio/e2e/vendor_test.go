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

// Tokens of a vendor's app, made by npm's jsonwebtoken as the vendor makes
// them: HS256 by the app's secret, RS256 by a certificate at a …/certs URL.

const vendorApp = "b7a5c1e0-5d0c-4b6e-9f37-1a2b3c4d5e6f" // client_id of our app at the vendor

// signed is what jsonwebtoken makes a token of.
type signed struct {
	Claims  map[string]any `json:"claims"`
	Key     string         `json:"key"`
	Options map[string]any `json:"options"`
}

func jsonwebtoken(t *testing.T, s *server, asked ...signed) (tokens []string) {
	t.Helper()
	node(t, "jsonwebtoken.mjs", asked, &tokens)
	s.seen.addToken(tokens...)
	return tokens
}

// appToken is a token of the vendor's app for a user, as it is for a day.
func appToken(key, clientID string) signed {
	return signed{map[string]any{"client_id": clientID, "sub": "rUser", "network": "main"}, key, map[string]any{"algorithm": "HS256", "expiresIn": "24h"}}
}

// vendorDoors brings a token to both doors: as the page of a public client,
// and as a backend that wants to know.
func (s *server) vendorDoors(token, issuerID, secret string) (exchanged, verified answer) {
	s.t.Helper()
	member := ""
	if issuerID != "" {
		member = fmt.Sprintf(`,"issuerId":%q`, issuerID)
	}
	exchanged = s.door("/auth/external/exchange", fmt.Sprintf(`{"token":%q,"tokenType":"jwt"%s}`, token, member), header{"X-API-Key", app})
	verified = s.door("/auth/external/verify", fmt.Sprintf(`{"token":%q%s}`, token, member), header{"X-API-Key", backend}, header{"X-Server-Secret", secret})
	return exchanged, verified
}

// taken wants both doors to take a token of the vendor's user.
func (s *server) taken(token, issuerID, secret string) {
	s.t.Helper()
	exchanged, verified := s.vendorDoors(token, issuerID, secret)
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
	lives := time.Until(time.Unix(said.Exp, 0))
	if !said.Active || said.Sub != "rUser" || said.ClientID != vendorApp || said.Claims["network"] != "main" || lives < 23*time.Hour || lives > 24*time.Hour {
		s.t.Errorf("verified %s", verified)
	}
}

// notTaken wants both doors to refuse a token.
func (s *server) notTaken(token, issuerID, secret string, reason exchange.Reason) {
	s.t.Helper()
	exchanged, verified := s.vendorDoors(token, issuerID, secret)
	exchanged.refused(s.t, http.StatusBadRequest, exchange.InvalidRequest, reason)
	if verified.status != http.StatusOK || verified.body != `{"active":false}` {
		s.t.Errorf("verified %s", verified)
	}
}

// vendorClients may bring the tokens of issuers.
func vendorClients(issuers string) string {
	return fmt.Sprintf(`clients:
  - {id: %s, issuers: [%s], scopes: ["%s"], audiences: ["%s"], refreshTokens: true}
  - {id: %s, auth: client_secret_basic, issuers: [%[2]s], scopes: ["%[3]s"], audiences: ["%[4]s"]}
`, app, issuers, scope, audience, backend)
}

// TestVendorAppSecrets: two of the app's secrets are live while one takes the
// other's place.
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
    clientIdClaim: true
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

	s.taken(tokens[0], "vendor", secret)
	s.taken(tokens[1], "vendor", secret)
	s.notTaken(tokens[2], "vendor", secret, exchange.ReasonSubjectTokenSignatureInvalid)
	s.notTaken(tokens[3], "vendor", secret, exchange.ReasonAudienceNotAccepted)
	s.notTaken(tokens[4], "vendor", secret, exchange.ReasonAudienceNotAccepted)
	s.notTaken(tokens[5], "vendor", secret, exchange.ReasonSubjectTokenExpired)
	s.notTaken(tokens[6], "vendor", secret, exchange.ReasonSubjectTokenLifetimeTooLong)
	s.notTaken(tokens[7], "vendor", secret, exchange.ReasonSubjectTokenAlgorithmNotAccepted)
	s.notTaken(tokens[0], "", secret, exchange.ReasonIssuerUnknown)

	rotate(next, last)
	s.notTaken(tokens[0], "vendor", secret, exchange.ReasonSubjectTokenSignatureInvalid)
	s.taken(tokens[1], "vendor", secret)
	s.taken(tokens[2], "vendor", secret)
}

// certified is an RSA key with a certificate that it signed itself.
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

// certs are the ways in which vendors publish certificates: path → body.
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

// TestVendorCertificates: RS256 tokens without kid, against each way in which
// a …/certs URL publishes the key.
func TestVendorCertificates(t *testing.T) {
	t.Parallel()
	needNode(t)
	key, private, certificate := certified(t)
	_, stranger, _ := certified(t)
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
    clientIdClaim: true
    scopes: ["%[3]s"]
    keys: {%[4]s: "%[5]s/%[1]s/certs", allowMissingKid: true, allowPrivateAddresses: true}
`, id, vendorApp, scope, source, vendor.URL)
	}
	s.trust("issuers:\n%s%s", issuers, vendorClients("x5c, map, jwks"))
	secret := s.secret(backend)
	for _, id := range []string{"x5c", "map", "jwks"} {
		made := func(key, clientID, algorithm string) signed {
			out := appToken(key, clientID)
			out.Claims["iss"], out.Options["algorithm"] = "https://"+id+".vendor.example", algorithm
			return out
		}
		tokens := jsonwebtoken(t, s, made(private, vendorApp, "RS256"), made(private, "another app", "RS256"), made(stranger, vendorApp, "RS256"),
			made(encodePEM("CERTIFICATE", certificate), vendorApp, "HS256"))
		s.taken(tokens[0], "", secret)
		s.taken(tokens[0], id, secret)
		s.notTaken(tokens[1], "", secret, exchange.ReasonAudienceNotAccepted)
		s.notTaken(tokens[2], "", secret, exchange.ReasonSubjectTokenSignatureInvalid)
		s.notTaken(tokens[3], "", secret, exchange.ReasonSubjectTokenAlgorithmNotAccepted)
	}
}
