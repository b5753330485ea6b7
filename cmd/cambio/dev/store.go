package dev

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
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
	for code, of := range s.codes {
		if of == id {
			delete(s.codes, code)
		}
	}
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
