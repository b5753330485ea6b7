package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/server"
	"cambio/exchange/server/endpoint"
)

// Origins that a registry should not have let in admit no page.
func TestInvalidOrigins(t *testing.T) {
	log := audit.New(io.Discard, audit.Config{})
	defer log.Close()
	const good = "https://app.example"
	clients := oneClient{&exchange.CompiledClient{Client: &exchange.Client{
		ID: "web", Origins: []string{"*", "https://*.example", good, "null"},
	}}}
	s, err := server.New(server.Config{
		Issuer: "https://id.example", Keys: noKeys{}, Audit: log, Endpoints: endpoint.All(endpoint.Config{}), Clients: func() server.Clients { return clients },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		good: true, "https://evil.test": false, "https://x.example": false, "*": false, "null": false,
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
}
