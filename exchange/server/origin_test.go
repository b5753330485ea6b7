package server_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/server"
	"cambio/exchange/server/endpoint"
)

// Origins that a registry should not have let in: one that the CORS middleware
// would take for a pattern must not admit others, and one that it
// refuses must not shut out the rest.
func TestInvalidOrigins(t *testing.T) {
	log := audit.New(io.Discard, audit.Config{})
	defer log.Close()
	const good = "https://app.example"
	clients := oneClient{&exchange.CompiledClient{Client: &exchange.Client{
		ID: "web", Origins: []string{"*", "https://*.example", good, "https://bücher.example", "null"},
	}}}
	var logged bytes.Buffer
	s, err := server.New(server.Config{
		Issuer: "https://id.example", Keys: noKeys{}, Audit: log, Endpoints: endpoint.All(endpoint.Config{}), Clients: func() server.Clients { return clients },
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		good: true, "https://evil.test": false, "https://x.example": false, "*": false, "null": false, "https://bücher.example": false,
	} {
		w := &sink{header: http.Header{}}
		s.ServeHTTP(w, &http.Request{
			Method: "OPTIONS", URL: &url.URL{Path: "/oauth/token"},
			Header: http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}},
		})
		if got := w.header.Get("Access-Control-Allow-Origin") != ""; got != want || (w.status < 300) != want {
			t.Errorf("%s: %d, allowed %v", origin, w.status, got)
		}
	}
	if !strings.Contains(logged.String(), "level=ERROR") {
		t.Error("the operator does not learn of it")
	}
}
