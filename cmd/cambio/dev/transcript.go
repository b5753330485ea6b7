package dev

import (
	"fmt"
	"io"
	"strings"
	"text/template"
)

// URLs are where `cambio dev` listens, and where it keeps what it keeps.
type URLs struct {
	Cambio   string // the server, and the issuer of its tokens
	Admin    string
	Provider string // the OpenID provider, an issuer
	API      string // the demo API, and the audience of its tokens
	Mail     string // host:port of an SMTP server that delivers nothing
	Callback string // a redirect URI of the demo app; nothing listens there
	Folder   string
}

// NewURLs are those on loopback with five ports from port on.
func NewURLs(port int, folder string) URLs {
	at := func(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", port+i) }
	return URLs{
		Cambio: at(0), Admin: at(1), Provider: at(2), API: at(3), Mail: fmt.Sprintf("127.0.0.1:%d", port+4),
		Callback: at(3) + "/callback", Folder: folder,
	}
}

// Trust is the manifest of a server that trusts the provider, and knows the
// demo app and the clients of the other ways in. SigningKey is the public key of
// the demo partner, in PEM.
func Trust(u URLs, signingKey string) string {
	return fmt.Sprintf(`issuers:
  - id: demo-provider
    url: %s
    audiences: [%s]
    scopes: [%s, email]
    keys: {allowPrivateAddresses: true} # it is on loopback
clients:
  - id: %[2]s
    issuers: [demo-provider]
    scopes: [%[3]s, email]
    defaultScopes: [%[3]s]
    audiences: [%[4]s]
    origins: [%[4]s]
    refreshTokens: true
  - id: %[5]s
    auth: client_secret_basic
    proofs: [user-assertion]
    grants: ["urn:ietf:params:oauth:grant-type:token-exchange", refresh_token, client_credentials]
    scopes: [%[3]s, "checkout:create"]
    defaultScopes: [%[3]s]
    audiences: [%[4]s]
    refreshTokens: true
    detailTypes: [checkout]
    checkout: {audience: %[4]s}
  - id: %[6]s
    proofs: [otp, one-time-token]
    authKeys: {signingKeys: %[7]q}
    scopes: [%[3]s]
    defaultScopes: [%[3]s]
    audiences: [%[4]s]
    origins: [%[4]s]
    refreshTokens: true
  - id: %[8]s
    auth: client_secret_basic
    proofs: [wallet-signature]
    wallets: {domain: %[9]s, uri: %[4]s, chains: ["eip155:1", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "xrpl:0"]}
    scopes: [%[3]s]
    defaultScopes: [%[3]s]
    audiences: [%[4]s]
    origins: [%[4]s]
`, u.Provider, ClientID, ScopeRead, u.API, BackendID, PartnerID, signingKey, WalletsID, strings.TrimPrefix(u.API, "http://"))
}

// verifier and challenge are one PKCE pair (RFC 7636 §4), fixed so that the
// transcript needs nothing but curl and sed.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// WriteTranscript prints where things are, what the demo's clients prove
// themselves by, and a session to paste into a shell, from a login to a revoked
// session.
func WriteTranscript(w io.Writer, u URLs, d Demo) error {
	err := transcript.Execute(w, struct {
		URLs
		Demo
		RP, Verifier, Challenge, Scope, Backend, Partner, Wallets, Environment string
	}{u, d, ClientID, verifier, challenge, ScopeRead, BackendID, PartnerID, WalletsID, EnvironmentFile})
	if err != nil {
		return fmt.Errorf("printing the transcript: %w", err)
	}
	return nil
}

var transcript = template.Must(template.New("transcript").Parse(`
Cambio     {{.Cambio}}
Provider   {{.Provider}}   users alice and bob, password = name; bob's e-mail is unverified
Demo API   {{.API}}/orders
Admin      {{.Admin}}   try: go run ./cmd/cambio session list --admin {{.Admin}} --admin-token-file {{.Folder}}/cambio.admin-token
Mail       {{.Mail}}   is shown here instead of sent
Clients    {{.RP}}, and for the other ways in (README, "Other ways in"):
           {{.Backend}}  secret {{.BackendSecret}}
           {{.Partner}}  signs with {{.Folder}}/partner.pem
           {{.Wallets}}  secret {{.WalletsSecret}}
           for a shell: . {{.Folder}}/{{.Environment}}
Everything is in {{.Folder}}, trust.yaml and audit.log too, and gone when this ends (Ctrl-C).

# Paste this into another shell.
field() { sed -n 's/.*"'$1'":"\([^"]*\)".*/\1/p'; }

# 1. Log in at the provider as its app would: authorization code with PKCE.
LOGIN=$(curl -s -o /dev/null -w '%{redirect_url}' '{{.Provider}}/authorize?client_id={{.RP}}&response_type=code&scope=openid+email+profile&redirect_uri={{.Callback}}&code_challenge={{.Challenge}}&code_challenge_method=S256')
NEXT=$(curl -s -o /dev/null -w '%{redirect_url}' "$LOGIN" -d username=alice -d password=alice)
CODE=$(curl -s -o /dev/null -w '%{redirect_url}' "$NEXT" | sed 's/.*code=\([^&]*\).*/\1/')
ID_TOKEN=$(curl -s {{.Provider}}/oauth/token -d grant_type=authorization_code -d client_id={{.RP}} -d redirect_uri={{.Callback}} -d code_verifier={{.Verifier}} --data-urlencode code="$CODE" | field id_token)

# 2. Exchange the ID token for a session.
SESSION=$(curl -s {{.Cambio}}/oauth/token -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d client_id={{.RP}} -d subject_token_type=urn:ietf:params:oauth:token-type:id_token -d subject_token="$ID_TOKEN" -d scope={{.Scope}})
echo "$SESSION"

# 3. Call an API with it.
curl -s {{.API}}/orders -H "Authorization: Bearer $(echo "$SESSION" | field access_token)"

# 4. Refresh it.
REFRESHED=$(curl -s {{.Cambio}}/oauth/token -d grant_type=refresh_token -d client_id={{.RP}} -d refresh_token="$(echo "$SESSION" | field refresh_token)")
echo "$REFRESHED"

# 5. Revoke it; the next refresh is refused.
curl -s -w 'revoked: %{http_code}\n' {{.Cambio}}/oauth/revoke -d client_id={{.RP}} -d token="$(echo "$REFRESHED" | field refresh_token)"
curl -s {{.Cambio}}/oauth/token -d grant_type=refresh_token -d client_id={{.RP}} -d refresh_token="$(echo "$REFRESHED" | field refresh_token)" -w '\n'
`))
