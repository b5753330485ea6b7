package exchange_test

import (
	"slices"
	"testing"

	"cambio/exchange"
)

// A wallet's chain must be one of the client's, at login and at each refresh.
func TestWalletChainMustBeRegistered(t *testing.T) {
	const account = "eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
	for _, row := range []struct {
		name, account string
		change        func(*exchange.Client)
		code          exchange.Reason
	}{
		{"on the client's chain", account, func(*exchange.Client) {}, ""},
		{"on another", "eip155:10:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", func(*exchange.Client) {}, exchange.ReasonWalletNotSupported},
		{"on one whose name begins alike", "eip155:11:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", func(*exchange.Client) {}, exchange.ReasonWalletNotSupported},
		{"on all EVM chains", "eip155:0:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", func(*exchange.Client) {}, ""},
		{"on all EVM chains of another client", "eip155:0:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", func(c *exchange.Client) {
			c.Wallets.Chains = c.Wallets.Chains[1:]
		}, exchange.ReasonWalletNotSupported},
		{"on none", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", func(*exchange.Client) {}, exchange.ReasonWalletNotSupported},
		{"after the chain was removed", account, func(c *exchange.Client) {
			c.Wallets.Chains = slices.DeleteFunc(c.Wallets.Chains, func(id string) bool { return id == "eip155:1" })
		}, exchange.ReasonWalletNotSupported},
		{"after wallets were removed", account, func(c *exchange.Client) { c.Wallets = nil }, exchange.ReasonWalletNotSupported},
		{"after the proof was removed", account, func(c *exchange.Client) { c.Proofs = nil }, exchange.ReasonSubjectTokenTypeNotAccepted},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &exchange.Client{
				ID: "shop", Auth: exchange.AuthSecretPost, Proofs: []string{"wallet-signature"}, Audiences: []string{"https://api.example.com"},
				Scopes: []string{"read"}, DefaultScopes: []string{"read"},
				Wallets: &exchange.Wallets{Chains: []string{"eip155:1", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "xrpl:0"}},
			}
			row.change(client)
			issuer := exchange.FirstPartyIssuer(client, exchange.TypeWalletSignature)
			claims := exchange.FirstPartyClaims(row.account, "", false, "")
			subject := &exchange.Subject{Issuer: "wallet:shop", ID: row.account, Claims: claims, Proof: exchange.Proof{TokenType: exchange.TypeWalletSignature}}
			session := &exchange.Session{
				Issuer: "wallet:shop", Subject: row.account, Client: "shop", Proof: exchange.TypeWalletSignature, Claims: claims,
				Audience: client.Audiences, Created: now, NotAfter: now,
			}
			for name, d := range map[string]exchange.Decision{
				"at first":   exchange.Decide(issuer, client, subject, exchange.Requested{}, now),
				"at refresh": exchange.DecideRefresh(issuer, client, session, exchange.Requested{}),
			} {
				if d.Err == nil && row.code != "" || d.Err != nil && exchange.AsError(d.Err).Reason != row.code {
					t.Errorf("%s: %v, want %s", name, d.Err, row.code)
				}
			}
		})
	}
}
