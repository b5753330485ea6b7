package registration

import (
	"strings"
	"testing"

	"cambio/exchange"
)

// A client that cannot get a useful token is registered, and its operator warned.
func TestWarningsOfClientsWithoutUse(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*exchange.Client)
		want   []string // paths
	}{
		{"complete", func(*exchange.Client) {}, nil},
		{"no scopes", func(c *exchange.Client) { c.Scopes, c.DefaultScopes = nil, nil }, []string{"scopes"}},
		{"no default scopes", func(c *exchange.Client) { c.DefaultScopes = nil }, []string{"defaultScopes"}},
		{"no issuers", func(c *exchange.Client) { c.Issuers = nil }, []string{"issuers"}},
		{"nothing", func(c *exchange.Client) { c.Scopes, c.DefaultScopes, c.Issuers = nil, nil, nil }, []string{"scopes", "issuers"}},
		{"a wildcard origin", func(c *exchange.Client) {
			c.Origins = []string{"https://app.example.com", "https://*.preview.example.com"}
		}, []string{"origins[1]"}},
		{"no issuers, and a proof", func(c *exchange.Client) {
			c.Auth, c.Issuers, c.Proofs = exchange.AuthSecretBasic, nil, []string{"user-assertion"}
		}, nil},
		{"no issuers, and its own tokens", func(c *exchange.Client) { c.Issuers, c.ExchangeOwnTokens = nil, true }, nil},
		{"no issuers, and only its own credentials", func(c *exchange.Client) {
			c.Auth, c.Issuers, c.Grants = exchange.AuthSecretBasic, nil, []string{exchange.GrantClientCredentials}
		}, nil},
		{"one that introspects", func(c *exchange.Client) {
			c.Auth, c.Scopes, c.DefaultScopes, c.Issuers = exchange.AuthSecretBasic, nil, nil, nil
		}, []string{"scopes"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := exchange.Client{ID: "web", Issuers: []string{"google"}, Scopes: []string{"a"}, DefaultScopes: []string{"a"}, Audiences: []string{"api"}}
			row.change(&c)
			m := &exchange.Manifest{Clients: []exchange.Client{{ID: "first", Issuers: c.Issuers, Scopes: c.Scopes, DefaultScopes: c.DefaultScopes}, c}}
			var got []string
			for _, p := range Warnings(m) {
				if path, ok := strings.CutPrefix(p.Path, "$.clients[1]."); ok {
					got = append(got, path)
				}
			}
			if strings.Join(got, " ") != strings.Join(row.want, " ") {
				t.Errorf("warnings at %q, want %q", got, row.want)
			}
			if problems := Lint(&exchange.Manifest{Clients: []exchange.Client{c}}); len(problems) > 0 {
				t.Errorf("refused: %v", problems)
			}
		})
	}
}
