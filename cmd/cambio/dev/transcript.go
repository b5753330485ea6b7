package dev

import (
	"fmt"
	"io"
	"strings"
	"text/template"
)

// URLs are the addresses that `cambio dev` listens on, and its folder.
type URLs struct {
	Cambio   string // the server, and the issuer of its tokens
	Admin    string
	Provider string // the OpenID provider, an issuer
	API      string // the demo API, and the audience of its tokens
	Mail     string // host:port of an SMTP server that delivers nothing
	Callback string // a redirect URI of the demo app; nothing listens there
	Folder   string
	Origins  []string // of further pages that may use the demo app
}

// NewURLs returns URLs on loopback with five ports from port on.
func NewURLs(port int, folder string) URLs {
	at := func(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", port+i) }
	return URLs{
		Cambio: at(0), Admin: at(1), Provider: at(2), API: at(3), Mail: fmt.Sprintf("127.0.0.1:%d", port+4),
		Callback: at(3) + "/callback", Folder: folder,
	}
}

// names is the data of the templates.
type names struct {
	URLs
	Demo
	App, Backend, Partner, Wallets, Vendor, VendorApp string
	Read, Host, Environment                           string
}

func namesOf(u URLs, d Demo) names {
	return names{
		u, d, ClientID, BackendID, partnerID, WalletsID, vendorID, vendorApp,
		ScopeRead, strings.TrimPrefix(u.API, "http://"), environmentFile,
	}
}

// WriteTranscript prints the addresses, the secrets of the demo's clients, and
// commands to paste into a shell, from a login to a revoked session.
func WriteTranscript(w io.Writer, u URLs, d Demo) error {
	if err := transcript.Execute(w, namesOf(u, d)); err != nil {
		return fmt.Errorf("printing the transcript: %w", err)
	}
	return nil
}

// transcript has a fixed PKCE pair (RFC 7636 §4), so that it needs only curl and sed.
var transcript = template.Must(template.New("transcript").Parse(`
Cambio     {{.Cambio}}
Provider   {{.Provider}}   users alice and bob, password = name; bob's e-mail is unverified
Demo API   {{.API}}/orders
Admin      {{.Admin}}   try: go run ./cmd/cambio session list --admin {{.Admin}} --admin-token-file {{.Folder}}/cambio.admin-token
Mail       {{.Mail}}   is shown here instead of sent
Clients    {{.App}}, and for the other proofs (cambio docs proofs):
           {{.Backend}}  secret {{.BackendSecret}}
           {{.Partner}}  signs with {{.Folder}}/partner.pem
           {{.Wallets}}  secret {{.WalletsSecret}}
Vendor     {{.Vendor}}   whose app's tokens are signed with the secret {{.VendorSecret}}
           for a shell: . {{.Folder}}/{{.Environment}}
Everything is in {{.Folder}}, trust.yaml and audit.log too, and is deleted when this ends (Ctrl-C).

# Paste this into another shell.
field() { sed -n 's/.*"'$1'":"\([^"]*\)".*/\1/p'; }

# 1. Log in at the provider as its app would: authorization code with PKCE.
LOGIN=$(curl -s -o /dev/null -w '%{redirect_url}' '{{.Provider}}/authorize?client_id={{.App}}&response_type=code&scope=openid+email+profile&redirect_uri={{.Callback}}&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256')
NEXT=$(curl -s -o /dev/null -w '%{redirect_url}' "$LOGIN" -d username=alice -d password=alice)
CODE=$(curl -s -o /dev/null -w '%{redirect_url}' "$NEXT" | sed 's/.*code=\([^&]*\).*/\1/')
ID_TOKEN=$(curl -s {{.Provider}}/oauth/token -d grant_type=authorization_code -d client_id={{.App}} -d redirect_uri={{.Callback}} -d code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk --data-urlencode code="$CODE" | field id_token)

# 2. Exchange the ID token for a session.
SESSION=$(curl -s {{.Cambio}}/oauth/token -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d client_id={{.App}} -d subject_token_type=urn:ietf:params:oauth:token-type:id_token -d subject_token="$ID_TOKEN" -d scope={{.Read}})
echo "$SESSION"

# 3. Call an API with it.
curl -s {{.API}}/orders -H "Authorization: Bearer $(echo "$SESSION" | field access_token)"

# 4. Refresh it.
REFRESHED=$(curl -s {{.Cambio}}/oauth/token -d grant_type=refresh_token -d client_id={{.App}} -d refresh_token="$(echo "$SESSION" | field refresh_token)")
echo "$REFRESHED"

# 5. Revoke it; the next refresh is refused.
curl -s -w 'revoked: %{http_code}\n' {{.Cambio}}/oauth/revoke -d client_id={{.App}} -d token="$(echo "$REFRESHED" | field refresh_token)"
curl -s {{.Cambio}}/oauth/token -d grant_type=refresh_token -d client_id={{.App}} -d refresh_token="$(echo "$REFRESHED" | field refresh_token)" -w '\n'
`))
