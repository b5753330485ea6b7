package server

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The operator learns once an hour of a proxy that is not declared.
func TestUntrustedProxiesAreReported(t *testing.T) {
	var logged strings.Builder
	s := &Server{cfg: Config{Logger: slog.New(slog.NewTextHandler(&logged, nil)), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	now := time.Now()
	for range 150 {
		for peer, header := range map[string]http.Header{
			"192.0.2.1:1": {"X-Forwarded-For": {"198.51.100.1"}},
			"192.0.2.2:1": {},
			"10.0.0.1:1":  {"X-Forwarded-For": {"198.51.100.1"}},
		} {
			r := Request{server: s, http: &http.Request{RemoteAddr: peer, Header: header}, Now: now}
			r.address()
		}
		now = now.Add(time.Minute)
	}
	if n := strings.Count(logged.String(), "level=WARN"); n != 3 || !strings.Contains(logged.String(), "set trustedProxies") || strings.Contains(logged.String(), "peer=10.") {
		t.Errorf("warned %d times in two and a half hours, want 3: %s", n, &logged)
	}
}
