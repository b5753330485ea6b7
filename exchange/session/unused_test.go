package session

import (
	"testing"
	"time"

	"cambio/exchange"
)

// A token that was exchanged is used, also while the grace still accepts it.
func TestUnused(t *testing.T) {
	w := newWorld(t)
	s, first := w.start(start)
	second, err := w.refresh(first.RefreshToken, start)
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.SignIDToken(&exchange.AccessToken{User: "user-1", Client: "app", IssuedAt: start, Expires: start.Add(time.Minute)}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	free := w.stateless(start)
	tests := []struct {
		name, token string
		after       time.Duration
		unused      bool
	}{
		{"refresh token", second.RefreshToken, 0, true},
		{"refresh token, expired", second.RefreshToken, idle, false},
		{"used refresh token", first.RefreshToken, 0, false},
		{"refresh token ahead of the store", w.refreshToken(s.ID, 3), 0, false},
		{"access token", second.AccessToken, 0, true},
		{"access token, expired", second.AccessToken, time.Hour, false},
		{"access token without session", free, 0, true},
		{"ID token", id, 0, true},
		{"ID token, expired", id, time.Minute, false},
		{"ID token, changed", id[:len(id)-4] + "AAAA", 0, false},
		{"unknown", "x", 0, false},
		{"empty", "", 0, false},
	}
	for _, tt := range tests {
		if unused, err := w.Unused(t.Context(), tt.token, start.Add(tt.after)); err != nil || unused != tt.unused {
			t.Errorf("%s: %v, %v", tt.name, unused, err)
		}
	}
	if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start}); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{second.RefreshToken, second.AccessToken, free} {
		if unused, err := w.Unused(t.Context(), token, start); err != nil || unused {
			t.Errorf("revoked: %v, %v", unused, err)
		}
	}
	w.close()
	if _, err := w.Unused(t.Context(), second.RefreshToken, start); reason(t, err) != exchange.ReasonStoreUnavailable {
		t.Errorf("closed: %v", err)
	}
}
