package registration

import (
	"testing"

	"cambio/exchange"
)

// signingKey verifies nothing here: registrations of authKeys need one.
const signingKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw12VZAU69zAGRLMAFu/O
LKi483UN1V9xy/jyyMo9fKuk+4dfRcsNOC2VYE6paZ6KW218iJ9wvE7D6do/8koJ
77ceBvWlsrqhIDTQUpod+HEI+ps9eTfFCWmf8pTJIOTQ7YwjLCqVITNx/9Og9VY4
QgQ/9DzE2JiOj3kA9uNyWoonzXV80MSNtTOBLuGqRgfyiRbyi68/bIihXQ+iyi/6
cFtmYIF7XB1AKK5NEBXiqBD5yPIlgHCjDyUC0+x8N98a2/EHlxXfDdyi8wt0UieN
2XD16j3s9G0zlKHXA5sypGjX7eMg0SnhXqolqlJu+nVWwlOyR2BBgkzaOd7cS08E
qwIDAQAB
-----END PUBLIC KEY-----
`

// goodBackend is a confidential client that speaks of its own users.
func goodBackend() *exchange.Client {
	c := goodClient()
	c.Auth, c.Proofs = exchange.AuthSecretBasic, []string{"user-assertion"}
	return c
}

func TestLintProofs(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*exchange.Client)
		want   []problem
	}{
		{"good", func(*exchange.Client) {}, nil},
		{"misspelt", func(c *exchange.Client) { c.Proofs[0] = "user-asertion" }, one("proofs[0]", "did you mean user-assertion?")},
		{"twice", func(c *exchange.Client) { c.Proofs = []string{"user-assertion", "user-assertion"} }, one("proofs[1]", "already used")},
		{"of a public client", func(c *exchange.Client) { c.Auth = exchange.AuthNone }, one("proofs", "auth is none")},
		{"of others by a public client", func(c *exchange.Client) {
			c.Auth, c.Proofs, c.AuthKeys = exchange.AuthNone, []string{"one-time-token", "otp"}, &exchange.AuthKeys{SigningKeys: signingKey}
		}, nil},
		{"codes without keys that sign requests", func(c *exchange.Client) { c.Proofs = []string{"otp"} }, one("authKeys", "is missing")},
		{"one-time tokens without keys that sign requests", func(c *exchange.Client) { c.Proofs = []string{"one-time-token"} }, one("authKeys", "is missing")},
		{"one-time tokens alone", func(c *exchange.Client) {
			c.Proofs, c.AuthKeys = []string{"one-time-token"}, &exchange.AuthKeys{SigningKeys: signingKey}
		}, one("proofs", "lacks otp")},
		{"without token exchange", func(c *exchange.Client) { c.Grants = []string{exchange.GrantClientCredentials} }, one("proofs", "not among grants")},

		{"as an issuer", func(c *exchange.Client) { c.AsIssuer = "google" }, nil},
		{"as an issuer that is not its own", func(c *exchange.Client) { c.AsIssuer = "gogle" }, one("asIssuer", "did you mean google?")},
		{"as an issuer, asserting nothing", func(c *exchange.Client) { c.AsIssuer, c.Proofs = "google", nil }, one("asIssuer", "add user-assertion")},

		{"from networks", func(c *exchange.Client) { c.SecretAddresses = []string{"10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32"} }, nil},
		{"from an address", func(c *exchange.Client) { c.SecretAddresses = []string{"10.1.0.1"} }, one("secretAddresses[0]", "CIDR")},
		{"from a network with host bits", func(c *exchange.Client) { c.SecretAddresses = []string{"10.1.0.1/16"} }, one("secretAddresses[0]", "CIDR")},
		{"from IPv4 in IPv6, which no caller has", func(c *exchange.Client) { c.SecretAddresses = []string{"::ffff:10.1.0.0/112"} }, one("secretAddresses[0]", "CIDR")},
		{"from a name", func(c *exchange.Client) { c.SecretAddresses = []string{"localhost"} }, one("secretAddresses[0]", "CIDR")},
		{"from networks, without a secret", func(c *exchange.Client) {
			*c = *goodClient()
			c.SecretAddresses = []string{"10.1.0.0/16"}
		}, one("secretAddresses", "no meaning for auth none")},

		{"page refresh", func(c *exchange.Client) { c.RefreshTokens, c.PageRefresh = true, true }, nil},
		{"page refresh without refresh tokens", func(c *exchange.Client) { c.PageRefresh = true }, one("pageRefresh", "set refreshTokens")},
		{"page refresh without origins", func(c *exchange.Client) {
			c.RefreshTokens, c.PageRefresh, c.Origins = true, true, nil
		}, one("pageRefresh", "list origins")},
		{"page refresh of a public client", func(c *exchange.Client) {
			*c = *goodClient()
			c.RefreshTokens, c.PageRefresh = true, true
		}, one("pageRefresh", "may anyway")},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := goodBackend()
			row.change(c)
			same(t, lintClient(c), row.want)
		})
	}
}

func TestLintAuthKeys(t *testing.T) {
	const private = "-----BEGIN RSA PRIVATE KEY-----\nMA==\n-----END RSA PRIVATE KEY-----\n"
	c := goodBackend()
	c.Proofs, c.AuthKeys = []string{"one-time-token"}, &exchange.AuthKeys{SigningKeys: private}
	same(t, lintClient(c), []problem{{"proofs", "lacks otp"}, {"authKeys.signingKeys", "is a private key"}})
}
