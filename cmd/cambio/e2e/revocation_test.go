package e2e

import (
	"net/url"
	"testing"

	"cambio/exchange"
)

// TestRemovalTakesEffectAtOnce checks that what an operator removes is refused from
// the next request on: at exchanges, refreshes and introspection.
func TestRemovalTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		remove   func(s *server, created answer)
		exchange exchange.Reason // of a new exchange; empty if it is granted
		refresh  exchange.Reason
	}{
		{"issuer", func(s *server, _ answer) { s.cambio("", "issuer", "remove", "login") }, exchange.ReasonIssuerUnknown, exchange.ReasonSessionEnded},
		{"client", func(s *server, _ answer) { s.cambio("", "client", "remove", app) }, exchange.ReasonClientUnknown, exchange.ReasonClientUnknown},
		{"session", func(s *server, created answer) { s.cambio("", "session", "revoke", created.SessionID) }, "", exchange.ReasonSessionEnded},
		{"user", func(s *server, created answer) { s.cambio("", "session", "revoke", "--user", created.User.ID) }, "", exchange.ReasonSessionEnded},
		{"subject", func(s *server, _ answer) {
			s.cambio("", "session", "revoke", "--issuer", "login", "--subject", "alice")
		}, "", exchange.ReasonSessionEnded},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, issuer := world(t)
			proof := basic(backend, s.secret(backend))
			token := issuer.Sign(issuer.Claims("alice", app))
			created := s.exchange(token).granted(t)
			again := s.refresh(created.RefreshToken).granted(t)

			c.remove(s, created)

			now := s.exchange(token)
			if c.exchange == "" {
				now.granted(t)
			} else {
				a := c.exchange.Response()
				now.refused(t, a.Status, a.Code, c.exchange)
			}
			a := c.refresh.Response()
			s.refresh(again.RefreshToken).refused(t, a.Status, a.Code, c.refresh)
			for _, token := range []string{again.AccessToken, again.RefreshToken} {
				found := s.call("/oauth/introspect", url.Values{"token": {token}}, proof)
				if found.status != 200 || found.Active {
					t.Errorf("introspection returned %s, want an inactive token", found)
				}
			}
		})
	}
}
