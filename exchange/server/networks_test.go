package server_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/server"
)

// A right secret counts from the client's networks only; a wrong one is wrong
// from everywhere.
func TestSecretAddresses(t *testing.T) {
	p := newWorld(t, patient, func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	m := p.manifest()
	for i := range m.Clients {
		if c := &m.Clients[i]; c.Auth == exchange.AuthSecretBasic || c.Auth == exchange.AuthSecretPost {
			c.SecretAddresses = []string{"192.0.2.0/24", "2001:db8:1::/48"}
		}
	}
	p.apply(m)
	jsonPath := fmt.Sprintf(`{"token":%q}`, p.idToken())
	ways := map[string]func(secret, from string) answer{
		"basic at the token endpoint": func(secret, from string) answer {
			return p.form("/oauth/token", exchangeParams(p.idToken()), "Authorization", basicAuth("basic", secret), "X-Forwarded-For", from)
		},
		"post at the token endpoint": func(secret, from string) answer {
			return p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "post", "client_secret", secret), "X-Forwarded-For", from)
		},
		"basic at introspection": func(secret, from string) answer {
			return p.form("/oauth/introspect", []string{"token", "x"}, "Authorization", basicAuth("basic", secret), "X-Forwarded-For", from)
		},
		"basic at a JSON endpoint": func(secret, from string) answer {
			return p.post("/auth/external/exchange", jsonPath, "Authorization", basicAuth("basic", secret), "X-Forwarded-For", from)
		},
		"a header at a JSON endpoint": func(secret, from string) answer {
			return p.post("/auth/external/exchange", jsonPath, "X-API-Key", "basic", "X-Server-Secret", secret, "X-Forwarded-For", from)
		},
	}
	for way, ask := range ways {
		right := p.secretOf("basic")
		if strings.HasPrefix(way, "post") {
			right = p.secretOf("post")
		}
		for _, row := range []struct {
			secret, from string
			status       int
			code         exchange.Reason
		}{
			{right, "192.0.2.7", 200, ""},
			{right, "::ffff:192.0.2.7", 200, ""},
			{right, "2001:db8:1::7", 200, ""},
			{right, "192.0.3.7", 403, exchange.ReasonAddressNotAllowed},
			{right, "2001:db8:2::7", 403, exchange.ReasonAddressNotAllowed},
			{right, "192.0.2.7, 198.51.100.9", 403, exchange.ReasonAddressNotAllowed},
			{right + "x", "192.0.2.7", 401, exchange.ReasonClientAuthenticationFailed},
			{right + "x", "192.0.3.7", 401, exchange.ReasonClientAuthenticationFailed},
		} {
			t.Run(fmt.Sprintf("%s from %s by %d", way, row.from, row.status), func(t *testing.T) {
				p.in(t).want(ask(row.secret, row.from), row.status, row.code)
			})
		}
	}
	m.Clients[2].SecretAddresses = []string{"198.51.100.0/24"}
	p.apply(m)
	p.want(ways["a header at a JSON endpoint"](p.secretOf("basic"), "192.0.2.7"), 403, exchange.ReasonAddressNotAllowed)
	p.want(ways["a header at a JSON endpoint"](p.secretOf("basic"), "198.51.100.9"), 200, "")
}

// Only what a secret did is a use of it.
func TestUsesOfSecrets(t *testing.T) {
	p, secrets := newBackends(t)
	lastUse := func() time.Time {
		c := *p.registry.Snapshot().Client("shop").Client
		c.Secrets = slices.Clone(c.Secrets)
		if err := p.registry.LastUses(t.Context(), &c); err != nil {
			t.Fatal(err)
		}
		return c.Secrets[0].LastUsed
	}
	const body = `{"externalUserId":"u"}`
	p.want(p.inject("shop", secrets["shop"]+"x", body), 401, exchange.ReasonClientAuthenticationFailed)
	p.want(p.inject("shop", secrets["shop"], body, "Origin", page), 403, exchange.ReasonServerSecretInBrowser)
	p.want(p.form("/oauth/introspect", []string{"token", "x", "client_id", "shop", "client_secret", secrets["shop"]}), 401, exchange.ReasonClientAuthenticationFailed)
	m := p.backends()
	m.Clients[len(m.Clients)-3].SecretAddresses = []string{"192.0.2.0/24"}
	p.apply(m)
	p.want(p.inject("shop", secrets["shop"], body), 403, exchange.ReasonAddressNotAllowed)
	if at := lastUse(); !at.IsZero() {
		t.Errorf("used at %v by what was refused", at)
	}
	p.apply(p.backends())
	for range 2 {
		p.pass(time.Minute)
		p.want(p.inject("shop", secrets["shop"], body), 200, "")
		if at := lastUse(); !at.Equal(p.clock()) {
			t.Errorf("used at %v, not %v", at, p.clock())
		}
	}
}
