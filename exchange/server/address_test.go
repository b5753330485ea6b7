package server

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, row := range []struct {
		name, peer string
		forwarded  []string
		trusted    []netip.Prefix
		want       string
	}{
		{"no proxy is trusted", "192.0.2.1:1", []string{"198.51.100.1"}, nil, "192.0.2.1"},
		{"the peer is not trusted", "192.0.2.1:1", []string{"198.51.100.1"}, trusted, "192.0.2.1"},
		{"a trusted proxy", "10.0.0.1:1", []string{"198.51.100.1"}, trusted, "198.51.100.1"},
		{"a trusted proxy says nothing", "10.0.0.1:1", nil, trusted, "10.0.0.1"},
		{"two trusted proxies", "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.2"}, trusted, "198.51.100.1"},
		{"a forged first hop", "10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, trusted, "198.51.100.1"},
		{"a forged trusted hop", "10.0.0.1:1", []string{"10.9.9.9, 198.51.100.1, 10.0.0.2"}, trusted, "198.51.100.1"},
		{"in two headers", "10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1"}, trusted, "198.51.100.1"},
		{"in two headers, the last one a proxy", "10.0.0.1:1", []string{"198.51.100.1", "10.0.0.2"}, trusted, "198.51.100.1"},
		{"all are trusted", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, trusted, "10.0.0.3"},
		{"a forged header before that of a proxy", "10.0.0.1:1", []string{"x", "198.51.100.1"}, trusted, "198.51.100.1"},
		{"not an address", "10.0.0.1:1", []string{"198.51.100.1, unknown"}, trusted, "10.0.0.1"},
		{"not an address, behind a proxy", "10.0.0.1:1", []string{"unknown, 10.0.0.2"}, trusted, "10.0.0.2"},
		{"an empty element", "10.0.0.1:1", []string{"198.51.100.1,"}, trusted, "10.0.0.1"},
		{"with a port", "10.0.0.1:1", []string{"198.51.100.1:4711"}, trusted, "198.51.100.1"},
		{"IPv6", "[fd00::1]:1", []string{"2001:db8::1"}, trusted, "2001:db8::1"},
		{"IPv6 with a port", "[fd00::1]:1", []string{"[2001:db8::1]:4711"}, trusted, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, trusted, "198.51.100.1"},
		{"a zone", "10.0.0.1:1", []string{"fe80::1%evil"}, trusted, "fe80::1"},
		{"no address at all", "@", []string{"198.51.100.1"}, trusted, "invalid IP"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: row.peer, Header: http.Header{"X-Forwarded-For": row.forwarded}}
			if got := address(r, row.trusted).String(); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}
