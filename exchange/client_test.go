package exchange_test

import (
	"net/netip"
	"testing"

	"cambio/exchange"
)

func TestAccepts(t *testing.T) {
	for _, row := range []struct {
		types []string
		typ   string
		want  bool
	}{
		{nil, exchange.TypeIDToken, true},
		{nil, exchange.TypeJWT, true},
		{nil, exchange.TypeAccessToken, false},
		{nil, "", false},
		{[]string{"access_token"}, exchange.TypeAccessToken, true},
		{[]string{"access_token"}, exchange.TypeIDToken, false},
		{[]string{"access_token"}, "access_token", false},
		{[]string{"refresh_token"}, "urn:example:refresh_token", false},
	} {
		i := exchange.Issuer{TokenTypes: row.types}
		if got := i.Accepts(row.typ); got != row.want {
			t.Errorf("%q accepts %q: %v", row.types, row.typ, got)
		}
	}
}

func TestClientMayUse(t *testing.T) {
	for _, row := range []struct {
		name   string
		client exchange.Client
		grant  string
		want   bool
	}{
		{"exchange by default", exchange.Client{}, exchange.GrantTokenExchange, true},
		{"no refresh by default", exchange.Client{}, exchange.GrantRefreshToken, false},
		{"refresh with refresh tokens", exchange.Client{RefreshTokens: true}, exchange.GrantRefreshToken, true},
		{"no client credentials by default", exchange.Client{Auth: exchange.AuthSecretBasic}, exchange.GrantClientCredentials, false},
		{"only what is listed", exchange.Client{Grants: []string{exchange.GrantClientCredentials}}, exchange.GrantTokenExchange, false},
	} {
		if got := row.client.MayUse(row.grant); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func TestClientOrigins(t *testing.T) {
	c := exchange.Client{Origins: []string{"https://app.acme.com"}}
	for origin, want := range map[string]bool{
		"": true, "https://app.acme.com": true,
		"https://app.acme.com.evil.com": false, "http://app.acme.com": false, "https://app.acme.com/": false, "null": false, "*": false,
	} {
		if c.AllowsOrigin(origin) != want {
			t.Errorf("%q: want %v", origin, want)
		}
	}
}

func TestAcceptsSecretFrom(t *testing.T) {
	listed := &exchange.CompiledClient{SecretNetworks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fe80::/10")}}
	for _, row := range []struct {
		name   string
		client *exchange.CompiledClient
		addr   netip.Addr
		want   bool
	}{
		{"no list", &exchange.CompiledClient{}, netip.MustParseAddr("192.0.2.7"), true},
		{"no list, no address", &exchange.CompiledClient{}, netip.Addr{}, true},
		{"in the first", listed, netip.MustParseAddr("10.1.2.3"), true},
		{"in the second, with a zone", listed, netip.MustParseAddr("fe80::1%eth0"), true},
		{"in none", listed, netip.MustParseAddr("10.2.0.1"), false},
		{"no address", listed, netip.Addr{}, false},
	} {
		if got := row.client.AcceptsSecretFrom(row.addr); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}
