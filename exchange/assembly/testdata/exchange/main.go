// Exchange runs two token exchanges of one user and writes the coverage counters of
// the second to the folder that it is called with: the first fetches the issuer's
// keys and creates the user. TestPathOfAnExchange builds it with coverage.
package main

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime/coverage"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/audit"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage/bolt"
)

func main() {
	dir := os.Args[1]
	engine, err := bolt.Open(filepath.Join(dir, "db"), bolt.Options{NoSync: true})
	check(err)
	issuer := jwkstest.Start()
	parts, err := assembly.New(context.Background(), assembly.Config{
		Engine: engine, Keys: keys.Config{KEK: make([]byte, 32)}, Issuer: "https://id.example",
		JWKS: jwks.Options{AllowPrivateAddresses: true}, Audit: audit.New(io.Discard, audit.Config{}), Logger: slog.New(slog.DiscardHandler),
	})
	check(err)
	_, problems, err := parts.Registry.Apply(context.Background(), exchange.Manifest{
		Issuers: []exchange.Issuer{{ID: "acme", URL: issuer.URL, Audiences: []string{"app"}, Scopes: []string{"read"}, Keys: exchange.Keys{AllowPrivateAddresses: true}}},
		Clients: []exchange.Client{{ID: "app", Issuers: []string{"acme"}, Audiences: []string{"https://api.example"}, Scopes: []string{"read"}, RefreshTokens: true}},
	}, true, time.Now(), nil)
	check(err)
	if len(problems) > 0 {
		log.Fatal(problems)
	}
	form := url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "client_id": {"app"}, "scope": {"read"},
		"subject_token": {issuer.Sign(issuer.Claims("alice", "app"))}, "subject_token_type": {exchange.TypeIDToken},
	}
	post(parts, form)
	check(coverage.ClearCounters())
	post(parts, form)
	check(coverage.WriteMetaDir(dir))
	check(coverage.WriteCountersDir(dir))
}

func post(parts *assembly.Parts, form url.Values) {
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	parts.Server.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		log.Fatal(w.Body)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
