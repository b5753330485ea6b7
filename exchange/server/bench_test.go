package server_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/exchange/server/endpoint"
)

type oneClient struct{ client *exchange.CompiledClient }

func (o oneClient) Client(id string) *exchange.CompiledClient {
	if id == o.client.Client.ID {
		return o.client
	}
	return nil
}

func (o oneClient) Origins() []string   { return o.client.Client.Origins }
func (oneClient) DetailTypes() []string { return nil }
func (oneClient) TokenSize() int        { return exchange.DefaultMaxTokenSize }

type noKeys struct{}

func (noKeys) JWKS() ([]byte, string) { return nil, "" }
func (noKeys) Algorithms() []string   { return nil }

// sink is a response that is not read.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkToken is a token request without net/http and without its grant.
func BenchmarkToken(b *testing.B) {
	log := audit.New(io.Discard, audit.Config{})
	defer log.Close()
	clients := oneClient{&exchange.CompiledClient{Client: &exchange.Client{ID: "web", Origins: []string{"https://app.example"}}}}
	tokens := &grant.Response{
		AccessToken: strings.Repeat("a", 700), IssuedTokenType: exchange.TypeAccessToken, TokenType: "Bearer",
		ExpiresIn: 15 * time.Minute, Scopes: []string{"read", "write"}, User: &grant.User{ID: "019b0000-0000-7000-8000-000000000000"},
	}
	s, err := server.New(server.Config{
		Issuer: "https://id.example", Keys: noKeys{}, Audit: log, Endpoints: endpoint.All(endpoint.Config{}), Clients: func() server.Clients { return clients },
		GrantTokens: func(context.Context, *grant.Request, time.Time) (*grant.Response, error) { return tokens, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(url.Values{
		"grant_type": {exchange.GrantTokenExchange}, "client_id": {"web"}, "subject_token": {strings.Repeat("e", 800)},
		"subject_token_type": {exchange.TypeIDToken}, "scope": {"read write"},
	}.Encode())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		reader := bytes.NewReader(body)
		r := &http.Request{
			Method: "POST", URL: &url.URL{Path: "/oauth/token"}, RemoteAddr: "192.0.2.1:4711", ContentLength: int64(len(body)),
			Header: http.Header{"Content-Type": {formMedia}, "Origin": {"https://app.example"}}, Body: io.NopCloser(reader),
		}
		for pb.Next() {
			reader.Reset(body)
			w := &sink{header: make(http.Header, 12)}
			if s.ServeHTTP(w, r); w.status != http.StatusOK {
				b.Fatal(w.status)
			}
		}
	})
}
