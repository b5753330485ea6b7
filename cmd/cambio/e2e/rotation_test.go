package e2e

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
)

// TestSigningKeysRotateUnderLoad rotates Cambio's signing keys under load: no
// request fails, an API that fetches keys only for a new kid accepts every token
// as it is issued, and an API that starts afterwards accepts every valid token.
func TestSigningKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	token := issuer.Sign(issuer.Claims("alice", app))
	api := newAPI(s.url, audience, s.http)
	ctx, stop := context.WithCancel(t.Context())
	var all issued
	var requests atomic.Int64
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		each(ctx, 4, func(ctx context.Context, _ int) {
			session := ""
			for ctx.Err() == nil && !t.Failed() {
				form := exchangeForm(token)
				if session != "" {
					form = refreshForm(session)
				}
				a, err := s.post(t.Context(), "/oauth/token", form)
				if err != nil || a.AccessToken == "" {
					t.Errorf("while keys rotated: %s, %v", a, err)
					return
				}
				if _, err := api.verify(t.Context(), a.AccessToken); err != nil {
					t.Errorf("while keys rotated an API refused a token: %v", err)
				}
				all.add(a.AccessToken)
				session = a.RefreshToken
				requests.Add(1)
			}
		})
	}()
	for range 5 {
		after := requests.Load() + 20
		await(t, "requests between two rotations", func() bool { return requests.Load() >= after || t.Failed() })
		s.cambio("", "key", "rotate")
	}
	after := requests.Load() + 20
	await(t, "requests after the last rotation", func() bool { return requests.Load() >= after || t.Failed() })
	stop()
	<-loaded
	fresh := newAPI(s.url, audience, s.http)
	for _, token := range all.tokens {
		if _, err := fresh.verify(t.Context(), token); err != nil {
			t.Fatalf("a valid token is refused: %v", err)
		}
	}
	if n := states(t, s)["retired"]; n != 5 {
		t.Errorf("%d keys are retired, want 5", n)
	}
}

// issued collects access tokens.
type issued struct {
	mu     sync.Mutex
	tokens []string
}

func (i *issued) add(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens = append(i.tokens, token)
}

func states(t *testing.T, s *server) map[string]int {
	t.Helper()
	var keys []struct{ State string }
	if err := json.Unmarshal([]byte(s.cambio("", "key", "list", "-o", "json")), &keys); err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, k := range keys {
		count[k.State]++
	}
	return count
}

// TestRevokedSigningKey checks that a revoked signing key leaves the key set at
// once and its tokens are refused, while sessions continue with another key.
func TestRevokedSigningKey(t *testing.T) {
	t.Parallel()
	s, issuer := world(t)
	proof := basic(backend, s.secret(backend))
	created := s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
	introspected(t, s, proof, true, created.AccessToken)
	var keys []struct {
		ID    string
		State string
	}
	if err := json.Unmarshal([]byte(s.cambio("", "key", "list", "-o", "json")), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.State == "active" {
			s.cambio("", "key", "revoke", k.ID)
		}
	}
	introspected(t, s, proof, false, created.AccessToken)
	api := newAPI(s.url, audience, s.http)
	if _, err := api.verify(t.Context(), created.AccessToken); err == nil {
		t.Error("a token of a revoked key verifies by the published key set")
	}
	next := s.refresh(created.RefreshToken).granted(t)
	if _, err := api.verify(t.Context(), next.AccessToken); err != nil {
		t.Error(err)
	}
}
