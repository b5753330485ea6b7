package dev

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// maxPending bounds the pending logins, and the access tokens.
const maxPending = 1000

var errNotFound = errors.New("not found")

// store keeps the provider's state in memory. It implements op.Storage as far as the
// code flow of a public client needs it.
type store struct {
	users map[string]user // name → user
	app   relyingParty
	key   signingKey

	mu      sync.Mutex
	pending map[string]*authRequest // id → request
	codes   map[string]string       // code → id
	tokens  map[string]issued       // access token ID → its user and scopes
}

// issued records the user and the scopes of an access token of the provider.
type issued struct {
	user   string
	scopes []string
}

func newStore(redirectURIs []string) (*store, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("creating the provider's key: %w", err)
	}
	return &store{
		users: demoUsers(), app: relyingParty{redirectURIs}, key: signingKey{rand.Text(), key},
		pending: map[string]*authRequest{}, codes: map[string]string{}, tokens: map[string]issued{},
	}, nil
}

// logIn records the user that logged in for a request.
func (s *store) logIn(id, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.pending[id]
	if !ok {
		return errNotFound
	}
	a.user, a.authTime = name, time.Now()
	return nil
}

func (s *store) CreateAuthRequest(_ context.Context, request *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) >= maxPending {
		clear(s.pending)
		clear(s.codes)
	}
	a := &authRequest{id: rand.Text(), AuthRequest: *request}
	s.pending[a.id] = a
	return a, nil
}

func (s *store) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.pending[id]; ok {
		return a, nil
	}
	return nil, errNotFound
}

func (s *store) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *store) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *store) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, id)
	maps.DeleteFunc(s.codes, func(_, of string) bool { return of == id })
	return nil
}

func (s *store) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tokens) >= maxPending {
		clear(s.tokens)
	}
	id := rand.Text()
	s.tokens[id] = issued{r.GetSubject(), r.GetScopes()}
	return id, time.Now().Add(time.Hour), nil
}

func (s *store) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	s.users[r.GetSubject()].describe(info, scopes)
	return nil
}

func (s *store) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, _, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := s.tokens[tokenID]
	if !ok {
		return errNotFound
	}
	s.users[token.user].describe(info, token.scopes)
	return nil
}

func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != ClientID {
		return nil, errNotFound
	}
	return s.app, nil
}

func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *store) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{s.key}}, nil
}

func (s *store) Health(context.Context) error { return nil }

// authRequest is a pending login. It implements op.AuthRequest.
type authRequest struct {
	oidc.AuthRequest // the request, with the getters of its redirect URI, response type and state
	id               string
	user             string // empty until the login
	authTime         time.Time
}

func (a *authRequest) GetID() string                      { return a.id }
func (a *authRequest) GetACR() string                     { return "" }
func (a *authRequest) GetAMR() []string                   { return []string{"pwd"} }
func (a *authRequest) GetAudience() []string              { return []string{a.ClientID} }
func (a *authRequest) GetAuthTime() time.Time             { return a.authTime }
func (a *authRequest) GetClientID() string                { return a.ClientID }
func (a *authRequest) GetNonce() string                   { return a.Nonce }
func (a *authRequest) GetResponseMode() oidc.ResponseMode { return a.ResponseMode }
func (a *authRequest) GetScopes() []string                { return a.Scopes }
func (a *authRequest) GetSubject() string                 { return a.user }
func (a *authRequest) Done() bool                         { return a.user != "" }

func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: a.CodeChallenge, Method: a.CodeChallengeMethod}
}

// The methods below complete op.Storage beyond the code flow of a public client. The
// provider has no refresh tokens, no client secrets, no introspection and no JWT
// profile; most of them return errors.

func (s *store) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, oidc.ErrUnsupportedGrantType()
}

func (s *store) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, op.ErrInvalidRefreshToken
}

func (s *store) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}

func (s *store) TerminateSession(context.Context, string, string) error { return nil }

func (s *store) RevokeToken(_ context.Context, tokenID, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, tokenID)
	return nil
}

func (s *store) AuthorizeClientIDSecret(context.Context, string, string) error {
	return oidc.ErrInvalidClient()
}

func (s *store) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil // deprecated in favour of SetUserinfoFromRequest
}

func (s *store) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errNotFound
}

func (s *store) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *store) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNotFound
}

func (s *store) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, oidc.ErrUnsupportedGrantType()
}

// user is a user of the provider. Its password is its name.
type user struct {
	name          string
	fullName      string
	email         string
	emailVerified bool
}

// demoUsers returns two users that differ in what matters to a relying party: bob's
// e-mail address is unverified.
func demoUsers() map[string]user { // name → user
	return map[string]user{
		"alice": {"alice", "Alice Adams", "alice@example.com", true},
		"bob":   {"bob", "Bob Brown", "bob@example.com", false},
	}
}

// describe fills info with the claims of the user that the scopes allow.
func (u user) describe(info *oidc.UserInfo, scopes []string) {
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeOpenID:
			info.Subject = u.name
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = u.email, oidc.Bool(u.emailVerified)
		case oidc.ScopeProfile:
			info.Name, info.PreferredUsername = u.fullName, u.name
		}
	}
}
