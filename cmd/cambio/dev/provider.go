// Package dev holds what `cambio dev` runs beside the server, on loopback only and
// in memory: an OpenID provider to log in at, built on zitadel's op, a demo API
// that accepts Cambio's access tokens, and an SMTP server that shows mails. It is
// for trying things out: the password of each user is the user's name.
package dev

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2"
)

// provider is the login page of an OpenID provider.
type provider struct {
	store    *store
	callback func(ctx context.Context, authRequestID string) string
}

// ClientID is the ID of the demo app: of the relying party at the provider, and so
// the audience of ID tokens, and of the client at the server.
const ClientID = "demo-app"

// NewProvider returns an OpenID provider with a login page: authorization code with
// PKCE for one public client. Its issuer is a loopback URL, and it sends codes to
// the redirectURIs only.
func NewProvider(issuer string, redirectURIs ...string) (http.Handler, error) {
	store, err := newStore(redirectURIs)
	if err != nil {
		return nil, err
	}
	config := &op.Config{CodeMethodS256: true, SupportedScopes: []string{"openid", "profile", "email"}}
	rand.Read(config.CryptoKey[:])
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	protocol, err := op.NewProvider(config, store, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithLogger(quiet))
	if err != nil {
		return nil, fmt.Errorf("creating the provider: %w", err)
	}
	p := &provider{store, op.AuthCallbackURL(protocol)}
	mux := http.NewServeMux()
	mux.Handle("/login", op.NewIssuerInterceptor(protocol.IssuerFromRequest).HandlerFunc(p.login))
	mux.Handle("/", protocol)
	return mux, nil
}

// relyingParty is the one client of the provider. It implements op.Client.
type relyingParty struct{ redirectURIs []string }

func (relyingParty) GetID() string                       { return ClientID }
func (rp relyingParty) RedirectURIs() []string           { return rp.redirectURIs }
func (relyingParty) PostLogoutRedirectURIs() []string    { return nil }
func (relyingParty) ApplicationType() op.ApplicationType { return op.ApplicationTypeUserAgent }
func (relyingParty) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodNone }
func (relyingParty) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (relyingParty) GrantTypes() []oidc.GrantType         { return []oidc.GrantType{oidc.GrantTypeCode} }
func (relyingParty) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (relyingParty) IDTokenLifetime() time.Duration       { return time.Hour }
func (relyingParty) DevMode() bool                        { return true } // http redirect URIs on loopback
func (relyingParty) IDTokenUserinfoClaimsAssertion() bool { return true }
func (relyingParty) ClockSkew() time.Duration             { return 0 }
func (relyingParty) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (relyingParty) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (relyingParty) IsScopeAllowed(string) bool { return false } // beyond the standard ones

func (relyingParty) LoginURL(authRequestID string) string {
	return "/login?" + url.Values{"authRequestID": {authRequestID}}.Encode()
}

// loginPage is the login form. It posts to its own URL, which names the pending
// authorization request.
var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<meta charset="utf-8">
<title>Log in at the demo provider</title>
<style>body{font:1rem system-ui;max-width:22rem;margin:4rem auto}input,button{font:inherit;display:block;width:100%;margin:.3rem 0 1rem;padding:.4rem;box-sizing:border-box}</style>
<h1>Demo provider</h1>
<p>Users <b>alice</b> and <b>bob</b>; the password is the name.</p>
{{with .}}<p role="alert">{{.}}</p>{{end}}
<form method="post">
<label>User <input name="username" autofocus autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Log in</button>
</form>
`))

// login shows the page. After a correct password it redirects the browser to the
// provider's callback, which creates the code.
func (p *provider) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		p.showLogin(w, http.StatusOK, "")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	name, password := r.PostFormValue("username"), r.PostFormValue("password")
	if _, known := p.store.users[name]; !known || password != name {
		p.showLogin(w, http.StatusUnauthorized, "That is not one of the demo users.")
		return
	}
	id := r.URL.Query().Get("authRequestID")
	if err := p.store.logIn(id, name); err != nil {
		p.showLogin(w, http.StatusBadRequest, "This login has expired; start again at the application.")
		return
	}
	http.Redirect(w, r, p.callback(r.Context(), id), http.StatusFound)
}

func (p *provider) showLogin(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	loginPage.Execute(w, message)
}

// signingKey is the provider's key. It implements op.SigningKey.
type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

func (k signingKey) ID() string                                  { return k.id }
func (k signingKey) Key() any                                    { return k.key }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// publicKey is the public half of the key. It implements op.Key.
type publicKey struct{ signingKey }

func (k publicKey) Key() any                           { return &k.key.PublicKey }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }

// IDToken logs a demo user in at the provider, as the demo app and its user's
// browser would, and returns the ID token: authorization code with PKCE (RFC
// 7636).
func IDToken(ctx context.Context, u URLs, user string) (string, error) {
	app := oauth2.Config{
		ClientID: ClientID, RedirectURL: u.Callback, Scopes: []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: u.Provider + "/authorize", TokenURL: u.Provider + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	page, err := redirect(ctx, http.MethodGet, app.AuthCodeURL("login", oauth2.S256ChallengeOption(verifier)), nil)
	if err != nil {
		return "", err
	}
	next, err := redirect(ctx, http.MethodPost, page.String(), url.Values{"username": {user}, "password": {user}})
	if err != nil {
		return "", fmt.Errorf("user %q is not one of the demo users alice and bob: %w", user, err)
	}
	callback, err := redirect(ctx, http.MethodGet, next.String(), nil)
	if err != nil {
		return "", err
	}
	token, err := app.Exchange(ctx, callback.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return "", fmt.Errorf("redeeming the code: %w", err)
	}
	idToken, ok := token.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider returned no ID token")
	}
	return idToken, nil
}

// redirect sends a request and returns where the response redirects to.
func redirect(ctx context.Context, method, target string, form url.Values) (*url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("%s: status %d without a redirect", r.URL.Path, resp.StatusCode)
	}
	return location, nil
}
