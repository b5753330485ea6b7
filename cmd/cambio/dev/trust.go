package dev

import (
	"fmt"
	"strings"
	"text/template"
)

// Trust returns the manifest of a server that trusts the provider and a vendor, and
// has the demo app and the demo's other clients.
func Trust(u URLs, d Demo) (string, error) {
	var b strings.Builder
	if err := trust.Execute(&b, namesOf(u, d)); err != nil {
		return "", fmt.Errorf("writing the demo's manifest: %w", err)
	}
	return b.String(), nil
}

var trust = template.Must(template.New("trust").Parse(`issuers:
  - id: demo-provider
    url: {{.Provider}}
    audiences: [{{.App}}]
    scopes: [{{.Read}}, email]
    keys: {allowPrivateAddresses: true} # it is on loopback
  - id: {{.Vendor}} # its tokens have no iss, and their audience is in client_id
    audiences: [{{.VendorApp}}]
    clientIdClaim: true
    scopes: [{{.Read}}]
    keys: {secrets: [{id: first, value: {{.VendorSecret}}}]}
clients:
  - id: {{.App}}
    issuers: [demo-provider, {{.Vendor}}]
    scopes: [{{.Read}}, email]
    defaultScopes: [{{.Read}}]
    audiences: [{{.API}}]
    origins: [{{.API}}]
    refreshTokens: true
  - id: {{.Backend}}
    auth: client_secret_basic
    proofs: [user-assertion]
    issuers: [{{.Vendor}}]
    grants: ["urn:ietf:params:oauth:grant-type:token-exchange", refresh_token, client_credentials]
    scopes: [{{.Read}}, "checkout:create"]
    defaultScopes: [{{.Read}}]
    audiences: [{{.API}}]
    refreshTokens: true
    detailTypes: [checkout]
    checkout: {audience: {{.API}}}
  - id: {{.Partner}}
    proofs: [otp, one-time-token]
    authKeys: {signingKeys: {{printf "%q" .SigningKey}}}
    scopes: [{{.Read}}]
    defaultScopes: [{{.Read}}]
    audiences: [{{.API}}]
    origins: [{{.API}}]
    refreshTokens: true
  - id: {{.Wallets}}
    auth: client_secret_basic
    proofs: [wallet-signature]
    wallets: {domain: {{.Host}}, uri: {{.API}}, chains: ["eip155:1", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "xrpl:0"]}
    scopes: [{{.Read}}]
    defaultScopes: [{{.Read}}]
    audiences: [{{.API}}]
    origins: [{{.API}}]
`))
