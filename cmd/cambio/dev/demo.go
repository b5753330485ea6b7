package dev

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// The clients of the demo besides the demo app.
const (
	BackendID = "demo-backend" // injects sessions and gets checkout tokens
	partnerID = "demo-partner" // has an auth key for each user
	WalletsID = "demo-wallets" // opens sessions for wallets
)

// The vendor whose app's tokens are exchanged, and the client ID of the app there.
const (
	vendorID  = "demo-vendor"
	vendorApp = "demo-vendor-app"
)

// Demo holds the keys and secrets of these clients and of the vendor.
type Demo struct {
	PartnerKey    string // the partner's public key, in PEM
	VendorSecret  string
	BackendSecret string
	WalletsSecret string
}

// partnerKeyFile is the demo partner's private key, in the folder.
const partnerKeyFile = "partner.pem"

// NewDemo creates the keys that the server does not create: the vendor's secret,
// and the demo partner's key, which it writes to the folder.
func NewDemo(folder string) (Demo, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Demo{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Demo{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return Demo{}, err
	}
	file := filepath.Join(folder, partnerKeyFile)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return Demo{}, fmt.Errorf("writing the demo partner's key: %w", err)
	}
	return Demo{
		PartnerKey:   string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		VendorSecret: rand.Text() + rand.Text(), // 260 bits
	}, nil
}

// environmentFile is the shell script in the folder that sets the variables that
// the manual's samples use.
const environmentFile = "demo.env"

// WriteEnvironment writes environmentFile.
func (d Demo) WriteEnvironment(u URLs) error {
	var b strings.Builder
	for _, v := range [][2]string{
		{"CAMBIO", u.Cambio}, {"PROVIDER", u.Provider}, {"API", u.API}, {"FOLDER", u.Folder}, {"APP", ClientID},
		{"BACKEND", BackendID}, {"BACKEND_SECRET", d.BackendSecret},
		{"PARTNER", partnerID}, {"PARTNER_KEY", filepath.Join(u.Folder, partnerKeyFile)},
		{"WALLETS", WalletsID}, {"WALLETS_SECRET", d.WalletsSecret},
		{"VENDOR", vendorID}, {"VENDOR_APP", vendorApp}, {"VENDOR_SECRET", d.VendorSecret},
		{"MAIL", filepath.Join(u.Folder, mailFile)},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], v[1])
	}
	if err := os.WriteFile(filepath.Join(u.Folder, environmentFile), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing the demo's environment: %w", err)
	}
	return nil
}

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
    audienceClaim: client_id
    scopes: [{{.Read}}]
    keys: {secrets: [{id: first, value: {{.VendorSecret}}}]}
clients:
  - id: {{.App}}
    issuers: [demo-provider, {{.Vendor}}]
    scopes: [{{.Read}}, email]
    defaultScopes: [{{.Read}}]
    audiences: [{{.API}}]
    origins: [{{.API}}{{range .Origins}}, {{printf "%q" .}}{{end}}]
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
    authKeys: {signingKeys: {{printf "%q" .PartnerKey}}}
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
