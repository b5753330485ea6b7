package registration

import (
	"testing"

	"cambio/exchange"
)

// goodShop is a client whose users have wallets.
func goodShop() *exchange.Client {
	c := goodClient()
	c.Auth, c.Proofs = exchange.AuthSecretPost, []string{"wallet-signature"}
	c.Wallets = &exchange.Wallets{
		Domain: "shop.example.com", URI: "https://shop.example.com/login", Statement: "Log in to the shop.",
		Chains: []string{"eip155:1", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "xrpl:0"},
		RPC:    map[string]string{"eip155:1": "https://rpc.example.com/key-of-ours"},
	}
	return c
}

func TestLintWallets(t *testing.T) {
	wallets := func(change func(*exchange.Wallets)) func(*exchange.Client) {
		return func(c *exchange.Client) { change(c.Wallets) }
	}
	for _, row := range []struct {
		name   string
		change func(*exchange.Client)
		want   []problem
	}{
		{"good", func(*exchange.Client) {}, nil},
		{"missing", func(c *exchange.Client) { c.Wallets = nil }, one("wallets", "domain, uri and chains")},
		{"without proof", func(c *exchange.Client) { c.Proofs = nil }, one("wallets", "add wallet-signature")},
		{"of a public client", func(c *exchange.Client) { c.Auth = exchange.AuthNone }, one("proofs", "auth is none")},
		{"without domain", wallets(func(w *exchange.Wallets) { w.Domain = "" }), one("wallets.domain", "host of the page")},
		{"with further domains", wallets(func(w *exchange.Wallets) { w.Domains = []string{"www.example.com", "localhost:3000"} }), nil},
		{"with domains alone", wallets(func(w *exchange.Wallets) { w.Domain, w.Domains = "", []string{"www.example.com"} }), nil},
		{"with a URL among the domains", wallets(func(w *exchange.Wallets) { w.Domains = []string{"www.example.com", "https://x.example.com"} }), one("wallets.domains[1]", "host of the page")},
		{"with a wildcard among the domains", wallets(func(w *exchange.Wallets) { w.Domains = []string{"*.example.com"} }), one("wallets.domains[0]", "host of the page")},
		{"with a domain twice", wallets(func(w *exchange.Wallets) { w.Domains = []string{"www.example.com", "www.example.com"} }), one("wallets.domains[1]", "already used")},
		{"with a port", wallets(func(w *exchange.Wallets) { w.Domain = "localhost:3000" }), nil},
		{"with a URL for a domain", wallets(func(w *exchange.Wallets) { w.Domain = "https://shop.example.com" }), one("wallets.domain", "host of the page")},
		{"with a path in the domain", wallets(func(w *exchange.Wallets) { w.Domain = "shop.example.com/" }), one("wallets.domain", "host of the page")},
		{"with a user in the domain", wallets(func(w *exchange.Wallets) { w.Domain = "a@shop.example.com" }), one("wallets.domain", "host of the page")},
		{"with a line break in the domain", wallets(func(w *exchange.Wallets) { w.Domain = "shop.example.com\n" }), one("wallets.domain", "host of the page")},
		{"with capitals in the domain", wallets(func(w *exchange.Wallets) { w.Domain = "Shop.example.com" }), one("wallets.domain", "lower case")},
		{"without URI", wallets(func(w *exchange.Wallets) { w.URI = "" }), one("wallets.uri", "must be a URL")},
		{"with a URI in plain http", wallets(func(w *exchange.Wallets) { w.URI = "http://shop.example.com/" }), one("wallets.uri", "must be https")},
		{"with a URI on localhost", wallets(func(w *exchange.Wallets) { w.URI = "http://localhost:3000/" }), nil},
		{"with a line break in the URI", wallets(func(w *exchange.Wallets) { w.URI = "https://shop.example.com/\nNonce: x" }), one("wallets.uri", "must be a URL")},
		{"without statement", wallets(func(w *exchange.Wallets) { w.Statement = "" }), nil},
		{"with two lines in the statement", wallets(func(w *exchange.Wallets) { w.Statement = "Log in.\nURI: https://evil.example" }), one("wallets.statement", "EIP-4361")},
		{"with an umlaut in the statement", wallets(func(w *exchange.Wallets) { w.Statement = "für" }), one("wallets.statement", "'ü'")},
		{"without chains", wallets(func(w *exchange.Wallets) { w.Chains, w.RPC = nil, nil }), one("wallets.chains", "CAIP-2")},
		{"with a number for a chain", wallets(func(w *exchange.Wallets) { w.Chains = append(w.Chains, "1") }), one("wallets.chains[3]", "namespace")},
		{"with a zero before the number", wallets(func(w *exchange.Wallets) { w.Chains = append(w.Chains, "eip155:01") }), one("wallets.chains[3]", "number")},
		{"with the number of no chain", wallets(func(w *exchange.Wallets) { w.Chains = append(w.Chains, "eip155:0") }), one("wallets.chains[3]", "number")},
		{"with a name for Solana", wallets(func(w *exchange.Wallets) { w.Chains = append(w.Chains, "solana:mainnet") }), one("wallets.chains[3]", "genesis")},
		{"with a chain twice", wallets(func(w *exchange.Wallets) { w.Chains = append(w.Chains, "xrpl:0") }), one("wallets.chains[3]", "already used")},
		{"asking another chain", wallets(func(w *exchange.Wallets) { w.RPC = map[string]string{"eip155:2": "https://x.example"} }), one("wallets.rpc.eip155:2", "did you mean eip155:1?")},
		{"asking Solana", wallets(func(w *exchange.Wallets) { w.RPC = map[string]string{"xrpl:0": "https://x.example"} }), one("wallets.rpc.xrpl:0", "without contract wallets")},
		{"asking on loopback", wallets(func(w *exchange.Wallets) { w.RPC["eip155:1"] = "http://127.0.0.1:8545" }), nil},
		{"asking a name without scheme", wallets(func(w *exchange.Wallets) { w.RPC["eip155:1"] = "rpc.example.com" }), one("wallets.rpc.eip155:1", "https URL")},
		{"asking with a password", wallets(func(w *exchange.Wallets) { w.RPC["eip155:1"] = "https://a:b@rpc.example.com" }), one("wallets.rpc.eip155:1", "https URL")},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := goodShop()
			row.change(c)
			same(t, lintClient(c), row.want)
		})
	}
}
