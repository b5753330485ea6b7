package dev

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Provider is an OpenID provider with a login page: authorization code with
// PKCE for one public client.
type Provider struct {
	handler  http.Handler
	store    *store
	callback func(ctx context.Context, authRequestID string) string
}

// ClientID is the ID of the demo app: of the relying party at the provider, and so
// the audience of ID tokens, and of the client at the server.
const ClientID = "demo-app"

// NewProvider returns a provider whose issuer is a loopback URL. It sends codes to
// the redirectURIs only.
func NewProvider(issuer string, redirectURIs ...string) (*Provider, error) {
	store, err := newStore(redirectURIs)
	if err != nil {
		return nil, err
	}
	config := &op.Config{CodeMethodS256: true, SupportedScopes: []string{"openid", "profile", "email"}}
	rand.Read(config.CryptoKey[:])
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	provider, err := op.NewProvider(config, store, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithLogger(quiet))
	if err != nil {
		return nil, fmt.Errorf("creating the provider: %w", err)
	}
	p := &Provider{store: store, callback: op.AuthCallbackURL(provider)}
	mux := http.NewServeMux()
	mux.Handle("/login", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(p.login))
	mux.Handle("/", provider)
	p.handler = mux
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
