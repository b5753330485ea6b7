package registration

import (
	"testing"
	"time"

	"cambio/exchange"
)

func TestLintClient(t *testing.T) {
	keys := &exchange.Keys{JWKSURL: "https://acme.com/jwks"}
	for _, row := range []struct {
		name   string
		change func(*exchange.Client)
		want   []problem
	}{
		{"good", func(*exchange.Client) {}, nil},
		{"no id", func(c *exchange.Client) { c.ID = "" }, one("id", "missing")},
		{"no audiences", func(c *exchange.Client) { c.Audiences = nil }, one("audiences", "missing")},
		{"empty audience", func(c *exchange.Client) { c.Audiences = []string{""} }, one("audiences[0]", "empty")},
		{"wrong issuer id", func(c *exchange.Client) { c.Issuers = []string{"https://accounts.google.com"} }, one("issuers[0]", "1 to 64")},
		{"issuer twice", func(c *exchange.Client) { c.Issuers = []string{"a", "a"} }, one("issuers[1]", "already used")},

		{"default scope that is none", func(c *exchange.Client) { c.Scopes, c.DefaultScopes = []string{"orders:read"}, []string{"order:read"} }, one("defaultScopes[0]", "did you mean orders:read?")},
		{"default scopes alone", func(c *exchange.Client) { c.DefaultScopes = []string{"a"} }, one("defaultScopes[0]", "not in scopes")},

		{"auth misspelt", func(c *exchange.Client) { c.Auth = "client_secret_bsic" }, one("auth", "did you mean client_secret_basic?")},
		{"public with keys", func(c *exchange.Client) { c.Keys = keys }, one("keys", "no meaning for auth none")},
		{"public with secrets", func(c *exchange.Client) { c.Secrets = []exchange.ClientSecret{{ID: "a"}} }, one("secrets", "no meaning for auth none")},
		{"secret", func(c *exchange.Client) {
			c.Auth, c.Secrets = exchange.AuthSecretPost, []exchange.ClientSecret{{ID: "a"}}
		}, nil},
		{"secret with keys", func(c *exchange.Client) { c.Auth, c.Keys = exchange.AuthSecretBasic, keys }, one("keys", "no meaning for auth client_secret_basic")},
		{"assertion", func(c *exchange.Client) { c.Auth, c.Keys = exchange.AuthPrivateKeyJWT, keys }, nil},
		{"assertion without keys", func(c *exchange.Client) { c.Auth = exchange.AuthPrivateKeyJWT }, one("keys", "missing")},
		{"assertion with empty keys", func(c *exchange.Client) { c.Auth, c.Keys = exchange.AuthPrivateKeyJWT, &exchange.Keys{} }, one("keys", "missing")},
		{"assertion by a secret", func(c *exchange.Client) {
			c.Auth, c.Keys = exchange.AuthPrivateKeyJWT, &exchange.Keys{Secrets: secrets(longSecret)}
		}, one("keys.secrets", "needs public keys")},
		{"assertion by discovery", func(c *exchange.Client) {
			c.Auth, c.Keys = exchange.AuthPrivateKeyJWT, &exchange.Keys{DiscoveryURL: "https://acme.com"}
		}, one("keys.discoveryURL", "write jwksURL")},
		{"assertion over http", func(c *exchange.Client) {
			c.Auth, c.Keys = exchange.AuthPrivateKeyJWT, &exchange.Keys{JWKSURL: "http://acme.com"}
		}, one("keys.jwksURL", "https")},

		{"short grant", func(c *exchange.Client) { c.Grants = []string{"token-exchange"} }, one("grants[0]", "did you mean "+exchange.GrantTokenExchange)},
		{"authorization code", func(c *exchange.Client) { c.Grants = []string{"authorization_code"} }, one("grants[0]", "not one of")},
		{"public with client credentials", func(c *exchange.Client) { c.Grants = []string{exchange.GrantClientCredentials} }, one("grants[0]", "clients that authenticate")},
		{"public with assertions", func(c *exchange.Client) { c.Grants = []string{exchange.GrantJWTBearer} }, one("grants[0]", "clients that authenticate")},
		{"confidential with both", func(c *exchange.Client) {
			c.Auth, c.Grants = exchange.AuthSecretBasic, []string{exchange.GrantClientCredentials, exchange.GrantJWTBearer}
		}, nil},
		{"refresh without tokens", func(c *exchange.Client) { c.Grants = []string{exchange.GrantRefreshToken} }, one("grants", "set refreshTokens")},
		{"tokens without refresh", func(c *exchange.Client) {
			c.RefreshTokens, c.Grants = true, []string{exchange.GrantTokenExchange}
		}, one("grants", "lacks refresh_token")},

		{"ID tokens by RS256", func(c *exchange.Client) { c.IDTokenAlgorithm = "RS256" }, nil},
		{"ID tokens by a secret", func(c *exchange.Client) { c.IDTokenAlgorithm = "HS256" }, one("idTokenAlgorithm", "not one of")},

		{"short access token", func(c *exchange.Client) { c.AccessTokenLifetime = exchange.Duration(time.Second) }, one("accessTokenLifetime", "1m to 1h")},
		{"long access token", func(c *exchange.Client) { c.AccessTokenLifetime = exchange.Duration(61 * time.Minute) }, one("accessTokenLifetime", "1h1m is out of bounds")},
		{"sessions per user", func(c *exchange.Client) { c.MaxSessionsPerUser = 1000 }, nil},
		{"too many sessions per user", func(c *exchange.Client) { c.MaxSessionsPerUser = 1001 }, one("maxSessionsPerUser", "1 to 1000")},
		{"negative sessions per user", func(c *exchange.Client) { c.MaxSessionsPerUser = -1 }, one("maxSessionsPerUser", "1 to 1000")},
		{"grace", func(c *exchange.Client) { c.RefreshGrace = exchange.Duration(24 * time.Hour) }, nil},
		{"long grace", func(c *exchange.Client) { c.RefreshGrace = exchange.Duration(24*time.Hour + 1) }, one("refreshGrace", "1s to 24h")},
		{"negative grace", func(c *exchange.Client) { c.RefreshGrace = -1 }, one("refreshGrace", "1s to 24h")},
		{"idle beyond absolute", func(c *exchange.Client) { c.RefreshAbsolute = exchange.Duration(time.Hour) }, one("refreshIdle", "720h is longer than refreshAbsolute, which is 1h")},
		{"both short", func(c *exchange.Client) {
			c.RefreshAbsolute, c.RefreshIdle = exchange.Duration(time.Hour), exchange.Duration(time.Minute)
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := goodClient()
			row.change(c)
			same(t, lintClient(c), row.want)
		})
	}
}

func TestLintOrigins(t *testing.T) {
	const local = "http is only for localhost"
	for origin, says := range map[string]string{
		"https://app.acme.com":              "",
		"https://app.acme.com:8443":         "",
		"http://localhost:5173":             "",
		"http://127.0.0.1:5173":             "",
		"http://127.8.8.8":                  "",
		"http://[::1]:5173":                 "",
		"http://tauri.localhost":            "",
		"http://shop.tenant.localhost:3000": "",
		"https://xn--bcher-kva.com":         "",
		"https://192.168.1.5:3000":          "",
		"capacitor://localhost":             "",
		"ionic://localhost":                 "",
		"tauri://localhost":                 "",
		"app://obsidian.md":                 "",
		"chrome-extension://abcdefghi":      "",
		"safari-web-extension://F3C4-AB":    "",
		"https://*.preview.acme.com":        "",
		"https://*.acme.com":                "",
		"https://*.preview.acme.com:8443":   "",
		"http://app.acme.com":               local,
		"http://localhost.acme.com":         local,
		"http://10.0.0.1":                   local,
		"http://xlocalhost":                 local,
		"https://app.acme.com/":             `write "https://app.acme.com"`,
		"https://app.acme.com/a":            `write "https://app.acme.com"`,
		"https://app.acme.com?":             `write "https://app.acme.com"`,
		"https://app.acme.com:443":          `write "https://app.acme.com"`,
		"http://localhost:80":               `write "http://localhost"`,
		"https://App.acme.com":              `write "https://app.acme.com"`,
		"capacitor://localhost/":            `write "capacitor://localhost"`,
		"HTTPS://app.acme.com":              `write "https://app.acme.com"`,
		"https://*.preview.acme.com/":       `write "https://*.preview.acme.com"`,
		"*":                                 "first label of a host",
		"https://*":                         "first label of a host",
		"https://app.*.acme.com":            "first label of a host",
		"https://a*.acme.com":               "first label of a host",
		"https://*.*.acme.com":              "first label of a host",
		"https://app.acme.com:*":            "first label of a host",
		"http://*.localhost":                "first label of a host",
		"capacitor://*":                     "first label of a host",
		"https://*.com":                     "first label of a host",
		"https://*.co.uk":                   "names below co.uk",
		"https://*.vercel.app":              "names below vercel.app",
		"null":                              "sandboxed",
		"file://":                           "sandboxed",
		"":                                  "must be an origin",
		"app.acme.com":                      "must be an origin",
		"localhost:3000":                    "must be an origin",
		"capacitor://":                      "must be an origin",
		"https://a@app.acme.com":            "must be an origin",
		"https://bücher.com":                "must be an origin",
	} {
		c := goodClient()
		c.Origins = []string{origin}
		var want []problem
		if says != "" {
			want = one("origins[0]", says)
		}
		t.Run(origin, func(t *testing.T) { same(t, lintClient(c), want) })
	}
}
