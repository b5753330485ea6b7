package exchange_test

import (
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

// problem is where something is wrong and words that the message has.
type problem struct {
	path string
	says string
}

func same(t *testing.T, got []exchange.Problem, want []problem) {
	t.Helper()
	for i, w := range want {
		if i >= len(got) {
			t.Errorf("no problem at %s saying %q", w.path, w.says)
			continue
		}
		if got[i].Path != w.path || !strings.Contains(got[i].Message, w.says) {
			t.Errorf("got %s: %s\nwant %s: …%s…", got[i].Path, got[i].Message, w.path, w.says)
		}
	}
	for i := len(want); i < len(got); i++ {
		t.Errorf("not expected: %s: %s", got[i].Path, got[i].Message)
	}
}

func one(path, says string) []problem { return []problem{{path, says}} }

func goodIssuer() *exchange.Issuer {
	return &exchange.Issuer{ID: "google", URL: "https://accounts.google.com", Audiences: []string{"123.apps.googleusercontent.com"}}
}

const longSecret = "correct horse battery staple, thirty-two"

func secrets(values ...string) []exchange.SharedSecret {
	var out []exchange.SharedSecret
	for i, v := range values {
		out = append(out, exchange.SharedSecret{ID: string(rune('a' + i)), Value: v})
	}
	return out
}

func TestValidateIssuer(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*exchange.Issuer)
		want   []problem
	}{
		{"good", func(*exchange.Issuer) {}, nil},
		{"no id", func(i *exchange.Issuer) { i.ID = "" }, one("id", "missing")},
		{"id with capitals", func(i *exchange.Issuer) { i.ID = "Google" }, one("id", `"Google" must be 1 to 64`)},
		{"id that begins with a dash", func(i *exchange.Issuer) { i.ID = "-a" }, one("id", "begin with a letter")},
		{"id with a slash", func(i *exchange.Issuer) { i.ID = "a/b" }, one("id", `"a/b"`)},
		{"long id", func(i *exchange.Issuer) { i.ID = strings.Repeat("a", 65) }, one("id", "1 to 64")},
		{"longest id", func(i *exchange.Issuer) { i.ID = strings.Repeat("a", 64) }, nil},

		{"no url and no keys", func(i *exchange.Issuer) { i.URL = "" }, one("url", "missing")},
		{"no url but keys", func(i *exchange.Issuer) { i.URL, i.Keys.JWKSURL = "", "https://a.example/keys?app=1" }, nil},
		{"no url but discovery", func(i *exchange.Issuer) { i.URL, i.Keys.DiscoveryURL = "", "https://a.example/.well-known" }, one("url", "discovery document")},
		{"url without scheme", func(i *exchange.Issuer) { i.URL = "accounts.google.com" }, one("url", `write "https://accounts.google.com"`)},
		{"http url", func(i *exchange.Issuer) { i.URL = "http://a.example" }, one("url", "keys.allowPrivateAddresses")},
		{"http url on a private network", func(i *exchange.Issuer) { i.URL, i.Keys.AllowPrivateAddresses = "http://keycloak:8080/realms/a", true }, nil},
		{"url of another scheme", func(i *exchange.Issuer) { i.URL = "ftp://a.example" }, one("url", "must be https")},
		{"url with query", func(i *exchange.Issuer) { i.URL += "?a=b" }, one("url", "query")},
		{"url with fragment", func(i *exchange.Issuer) { i.URL += "#" }, one("url", "fragment")},
		{"url with a placeholder", func(i *exchange.Issuer) { i.URL = "https://login.microsoftonline.com/{tenantid}/v2.0" }, one("url", "placeholder")},
		{"url with a space", func(i *exchange.Issuer) { i.URL += " " }, one("url", "must be a URL")},
		{"url without host", func(i *exchange.Issuer) { i.URL = "https:///a" }, one("url", "must be a URL")},
		{"url with a port only", func(i *exchange.Issuer) { i.URL = "https://:443" }, one("url", "must be a URL")},
		{"trailing slash, as Auth0 has it", func(i *exchange.Issuer) { i.URL = "https://acme.eu.auth0.com/" }, nil},

		{"no audiences", func(i *exchange.Issuer) { i.Audiences = nil }, one("audiences", "missing")},
		{"empty audience", func(i *exchange.Issuer) { i.Audiences = []string{""} }, one("audiences[0]", "empty")},
		{"audience with a wildcard", func(i *exchange.Issuer) { i.Audiences = []string{"*"} }, one("audiences[0]", "list each")},
		{"audience with a line break", func(i *exchange.Issuer) { i.Audiences = []string{"a\n"} }, one("audiences[0]", "control characters")},
		{"audience twice", func(i *exchange.Issuer) { i.Audiences = []string{"a", "a"} }, one("audiences[1]", "already used by audiences[0]")},
		{"empty authorized party", func(i *exchange.Issuer) { i.AuthorizedParties = []string{""} }, one("authorizedParties[0]", "empty")},

		{"token types", func(i *exchange.Issuer) { i.TokenTypes = []string{"id_token", "jwt", "access_token"} }, nil},
		{"token type in full", func(i *exchange.Issuer) { i.TokenTypes = []string{exchange.TypeIDToken} }, one("tokenTypes[0]", `write "id_token"`)},
		{"token type misspelt", func(i *exchange.Issuer) { i.TokenTypes = []string{"idtoken"} }, one("tokenTypes[0]", "did you mean id_token?")},
		{"refresh tokens", func(i *exchange.Issuer) { i.TokenTypes = []string{"refresh_token"} }, one("tokenTypes[0]", "not one of")},
		{"header type", func(i *exchange.Issuer) { i.HeaderTypes = []string{"at+jwt"} }, nil},
		{"header type JWT", func(i *exchange.Issuer) { i.HeaderTypes = []string{"jwt"} }, one("headerTypes[0]", "always accepted")},

		{"skew", func(i *exchange.Issuer) { i.ClockSkew = exchange.Duration(5 * time.Minute) }, nil},
		{"long skew", func(i *exchange.Issuer) { i.ClockSkew = exchange.Duration(6 * time.Minute) }, one("clockSkew", "6m is out of bounds: write 1s to 5m")},
		{"negative skew", func(i *exchange.Issuer) { i.ClockSkew = -1 }, one("clockSkew", "out of bounds")},
		{"long lifetime", func(i *exchange.Issuer) { i.MaxLifetime = exchange.Duration(721 * time.Hour) }, one("maxLifetime", "1m to 720h")},
		{"short session", func(i *exchange.Issuer) { i.MaxSession = exchange.Duration(time.Second) }, one("maxSession", "1m to 8760h")},

		{"scope with a space", func(i *exchange.Issuer) { i.Scopes = []string{"a b"} }, one("scopes[0]", "its own item")},
		{"scope with a quotation mark", func(i *exchange.Issuer) { i.Scopes = []string{`a"`} }, one("scopes[0]", "RFC 6749 §3.3")},
		{"scope with an umlaut", func(i *exchange.Issuer) { i.Scopes = []string{"ä"} }, one("scopes[0]", "ASCII")},
		{"empty scope", func(i *exchange.Issuer) { i.Scopes = []string{""} }, one("scopes[0]", "empty")},
		{"scope twice", func(i *exchange.Issuer) { i.Scopes = []string{"a", "a"} }, one("scopes[1]", "already used")},
		{"two rules for a scope", func(i *exchange.Issuer) {
			i.ScopeRules = []exchange.ScopeRule{{Scope: "a", When: "true"}, {Scope: "a", When: "false", Mode: "audit"}}
		}, nil},
		{"rule for a scope that everyone has", func(i *exchange.Issuer) {
			i.Scopes, i.ScopeRules = []string{"a"}, []exchange.ScopeRule{{Scope: "a", When: "true"}}
		}, one("scopeRules[0].scope", "without condition")},
		{"scope rule without condition", func(i *exchange.Issuer) { i.ScopeRules = []exchange.ScopeRule{{Scope: "a"}} }, one("scopeRules[0].when", "missing")},
		{"scope rule of another mode", func(i *exchange.Issuer) {
			i.ScopeRules = []exchange.ScopeRule{{Scope: "a", When: "true", Mode: "audi"}}
		}, one("scopeRules[0].mode", "did you mean audit?")},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := goodIssuer()
			row.change(i)
			same(t, i.Validate(), row.want)
		})
	}
}

func TestValidateKeys(t *testing.T) {
	pin := "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for _, row := range []struct {
		name string
		keys exchange.Keys
		algs []string
		want []problem
	}{
		{"discovery", exchange.Keys{}, nil, nil},
		{"two sources", exchange.Keys{JWKSURL: "https://a.example/k", PEM: "x"}, nil, one("keys", "jwksURL and pem")},
		{"secrets beside keys", exchange.Keys{JWKS: "{}", Secrets: secrets(longSecret)}, nil, one("keys", "jwks and secrets")},
		{"http keys", exchange.Keys{JWKSURL: "http://a.example/k"}, nil, one("keys.jwksURL", "https")},
		{"keys with a password", exchange.Keys{CertificatesURL: "https://a:hunter2@a.example/k"}, nil, one("keys.certificatesURL", `"https://a:xxxxx@a.example/k" has a user name or password`)},
		{"pin", exchange.Keys{PinnedSPKI: []string{pin}}, nil, nil},
		{"pin in hex", exchange.Keys{PinnedSPKI: []string{strings.Repeat("0a", 32)}}, nil, one("keys.pinnedSPKI[0]", "44 characters")},
		{"stray bits in a pin", exchange.Keys{PinnedSPKI: []string{strings.Replace(pin, "U=", "V=", 1)}}, nil, one("keys.pinnedSPKI[0]", "base64")},
		{"long age", exchange.Keys{MaxAge: exchange.Duration(11 * time.Minute)}, nil, one("keys.maxAge", "30s to 10m")},
		{"long stale", exchange.Keys{MaxStale: exchange.Duration(25 * time.Hour)}, nil, one("keys.maxStale", "30s to 24h")},

		{"public-key algorithms", exchange.Keys{}, []string{"RS256", "PS512", "ES384", "EdDSA"}, nil},
		{"none", exchange.Keys{}, []string{"none"}, one("algorithms[0]", "no signature")},
		{"None", exchange.Keys{}, []string{"None"}, one("algorithms[0]", "no signature")},
		{"lower case", exchange.Keys{}, []string{"rs256"}, one("algorithms[0]", "did you mean RS256?")},
		{"unknown", exchange.Keys{}, []string{"RSA-OAEP"}, one("algorithms[0]", "not one of")},
		{"algorithm twice", exchange.Keys{}, []string{"RS256", "RS256"}, one("algorithms[1]", "already used")},
		{"HMAC without secrets", exchange.Keys{}, []string{"HS256"}, one("algorithms[0]", "needs keys.secrets")},
		{"HMAC beside a public key's", exchange.Keys{}, []string{"RS256", "HS256"}, one("algorithms[1]", "needs keys.secrets")},
		{"a public key's with secrets", exchange.Keys{Secrets: secrets(longSecret)}, []string{"HS256", "RS256"}, one("algorithms[1]", "needs a public key")},
		{"HMAC", exchange.Keys{Secrets: secrets(longSecret)}, []string{"HS256"}, nil},
		{"HMAC by default", exchange.Keys{Secrets: secrets(longSecret)}, nil, nil},
		{"sealed", exchange.Keys{Secrets: []exchange.SharedSecret{{Sealed: []byte("x")}}}, nil, nil},
		{"a short secret", exchange.Keys{Secrets: secrets("hunter2")}, nil, one("keys.secrets[0].value", "has 7 bytes; at least 32")},
		{"a short secret for HS512", exchange.Keys{Secrets: secrets(longSecret)}, []string{"HS512"}, one("keys.secrets[0].value", "at least 64")},
		{"no secret", exchange.Keys{Secrets: secrets("")}, nil, one("keys.secrets[0].value", "missing")},
		{"two secrets", exchange.Keys{Secrets: secrets(longSecret, longSecret+"!")}, nil, nil},
		{"three secrets", exchange.Keys{Secrets: secrets(longSecret, longSecret+"!", longSecret+"?")}, nil, one("keys.secrets", "at most two")},
		{"two secrets of one name", exchange.Keys{Secrets: []exchange.SharedSecret{{ID: "a", Value: longSecret}, {ID: "a", Value: longSecret}}}, nil, one("keys.secrets[1].id", "already used")},
		{"two secrets, one without a name", exchange.Keys{Secrets: []exchange.SharedSecret{{ID: "a", Value: longSecret}, {Value: longSecret}}}, nil, one("keys.secrets[1].id", "missing")},
		{"anchors for secrets", exchange.Keys{Secrets: secrets(longSecret), Anchors: "x"}, nil, one("keys.anchors", "no meaning")},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := goodIssuer()
			i.Keys, i.Algorithms = row.keys, row.algs
			got := i.Validate()
			same(t, got, row.want)
			for _, p := range got {
				for _, secret := range []string{"hunter2", longSecret} {
					if strings.Contains(p.Message, secret) {
						t.Errorf("a message repeats a secret: %s", p.Message)
					}
				}
			}
		})
	}
}

func TestValidateRules(t *testing.T) {
	for _, row := range []struct {
		name string
		rule exchange.ClaimValidationRule
		want []problem
	}{
		{"claim", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "acme.com"}, nil},
		{"expression", exchange.ClaimValidationRule{Expression: "claims.hd == 'acme.com'", Mode: "audit", Message: "Only for Acme."}, nil},
		{"both", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Expression: "true"}, one("claimValidationRules[0]", "keep one way")},
		{"expression with value", exchange.ClaimValidationRule{RequiredValue: "a", Expression: "true"}, one("claimValidationRules[0]", "keep one way")},
		{"neither", exchange.ClaimValidationRule{Name: "a"}, one("claimValidationRules[0]", "is empty")},
		{"claim without value", exchange.ClaimValidationRule{Claim: "hd"}, one("claimValidationRules[0].requiredValue", `"hd" in claims`)},
		{"boolean as text", exchange.ClaimValidationRule{Claim: "email_verified", RequiredValue: "true"}, one("claimValidationRules[0].claim", "claims.email_verified == true")},
		{"mode", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Mode: "Audit"}, one("claimValidationRules[0].mode", "did you mean audit?")},
		{"message with quotation marks", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: `only "staff"`}, one("claimValidationRules[0].message", "RFC 6749 §5.2")},
		{"message with an umlaut", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: "für alle"}, one("claimValidationRules[0].message", "'ü'")},
		{"message of two lines", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: "a\nb"}, one("claimValidationRules[0].message", `'\n'`)},
		{"long message", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: strings.Repeat("a", 257)}, one("claimValidationRules[0].message", "256 bytes")},
		{"name with control characters", exchange.ClaimValidationRule{Name: "a\x1b[31m", Claim: "hd", RequiredValue: "a"}, one("claimValidationRules[0].name", `\x1b`)},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := goodIssuer()
			i.ClaimValidationRules = []exchange.ClaimValidationRule{row.rule}
			same(t, i.Validate(), row.want)
		})
	}
	i := goodIssuer()
	i.ClaimValidationRules = []exchange.ClaimValidationRule{{Name: "a", Expression: "true"}, {Name: "a", Expression: "true"}}
	same(t, i.Validate(), one("claimValidationRules[1].name", "already used by claimValidationRules[0].name"))
}

func TestValidateMappings(t *testing.T) {
	extra := func(keys ...string) exchange.ClaimMappings {
		var m exchange.ClaimMappings
		for _, k := range keys {
			m.Extra = append(m.Extra, exchange.ExtraMapping{Key: k, ValueExpression: "claims.a"})
		}
		return m
	}
	for _, row := range []struct {
		name     string
		mappings exchange.ClaimMappings
		want     []problem
	}{
		{"extra", extra("groups", "https://acme.com/roles", "tenant_id"), nil},
		{"extra without key", extra(""), one("claimMappings.extra[0].key", "missing")},
		{"extra twice", extra("a", "a"), one("claimMappings.extra[1].key", "already used")},
		{"extra with a space", extra("a b"), one("claimMappings.extra[0].key", "letters, digits")},
		{"extra without value", exchange.ClaimMappings{Extra: []exchange.ExtraMapping{{Key: "a"}}}, one("claimMappings.extra[0].valueExpression", "missing")},
		{"claim and expression", exchange.ClaimMappings{Subject: exchange.Mapping{Claim: "oid", Expression: "claims.oid"}}, one("claimMappings.subject", "keep one")},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := goodIssuer()
			i.ClaimMappings = row.mappings
			same(t, i.Validate(), row.want)
		})
	}
	for _, reserved := range strings.Fields(`iss sub aud exp nbf iat jti client_id scope sid typ act may_act cnf
		authorization_details auth_time acr amr idp origin nonce azp at_hash c_hash s_hash active token_type username events partner_id customer_id invoice_id Scope SUB Client_Id`) {
		i := goodIssuer()
		i.ClaimMappings = extra(reserved)
		same(t, i.Validate(), one("claimMappings.extra[0].key", "only the server writes"))
	}
}

func goodClient() *exchange.Client {
	return &exchange.Client{ID: "web", Issuers: []string{"google"}, Audiences: []string{"https://api.acme.com"}, Origins: []string{"https://app.acme.com"}}
}

func TestValidateClient(t *testing.T) {
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

		{"short access token", func(c *exchange.Client) { c.AccessTokenLifetime = exchange.Duration(time.Second) }, one("accessTokenLifetime", "1m to 1h")},
		{"long access token", func(c *exchange.Client) { c.AccessTokenLifetime = exchange.Duration(61 * time.Minute) }, one("accessTokenLifetime", "1h1m is out of bounds")},
		{"idle beyond absolute", func(c *exchange.Client) { c.RefreshAbsolute = exchange.Duration(time.Hour) }, one("refreshIdle", "720h is longer than refreshAbsolute, which is 1h")},
		{"both short", func(c *exchange.Client) {
			c.RefreshAbsolute, c.RefreshIdle = exchange.Duration(time.Hour), exchange.Duration(time.Minute)
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := goodClient()
			row.change(c)
			same(t, c.Validate(), row.want)
		})
	}
}

func TestValidateOrigins(t *testing.T) {
	for origin, says := range map[string]string{
		"https://app.acme.com":         "",
		"https://app.acme.com:8443":    "",
		"http://localhost:5173":        "",
		"http://127.0.0.1:5173":        "",
		"http://[::1]:5173":            "",
		"https://xn--bcher-kva.com":    "",
		"http://app.acme.com":          "http is only for localhost",
		"http://localhost.acme.com":    "http is only for localhost",
		"http://10.0.0.1":              "http is only for localhost",
		"https://app.acme.com/":        `write "https://app.acme.com"`,
		"https://app.acme.com/a":       `write "https://app.acme.com"`,
		"https://app.acme.com?":        `write "https://app.acme.com"`,
		"https://app.acme.com:443":     `write "https://app.acme.com"`,
		"http://localhost:80":          `write "http://localhost"`,
		"https://App.acme.com":         `write "https://app.acme.com"`,
		"https://*.acme.com":           "list each",
		"*":                            "list each",
		"null":                         "sandboxed",
		"":                             "must be an origin",
		"app.acme.com":                 "must be an origin",
		"https://a@app.acme.com":       "must be an origin",
		"https://bücher.com":           "must be an origin",
		"chrome-extension://abcdefghi": "must be https",
	} {
		c := goodClient()
		c.Origins = []string{origin}
		var want []problem
		if says != "" {
			want = one("origins[0]", says)
		}
		t.Run(origin, func(t *testing.T) { same(t, c.Validate(), want) })
	}
}

func TestValidateManifest(t *testing.T) {
	i, c := *goodIssuer(), *goodClient()
	other := i
	other.ID, other.URL = "entra", "https://login.microsoftonline.com/1/v2.0"
	bad := other
	bad.ID, bad.URL, bad.ClaimValidationRules = "auth0", "https://acme.auth0.com/", []exchange.ClaimValidationRule{{}}
	m := exchange.Manifest{Issuers: []exchange.Issuer{i, other, bad, i}, Clients: []exchange.Client{c, c}}
	same(t, m.Validate(), []problem{
		{"$.issuers[2].claimValidationRules[0]", "is empty"},
		{"$.issuers[3].id", `"google" is already used by $.issuers[0].id`},
		{"$.issuers[3].url", "already used by $.issuers[0].url"},
		{"$.clients[1].id", "already used by $.clients[0].id"},
	})
	if found := (&exchange.Manifest{}).Validate(); found != nil {
		t.Errorf("an empty manifest has %v", found)
	}
}

func TestAccepts(t *testing.T) {
	for _, row := range []struct {
		types []string
		typ   string
		want  bool
	}{
		{nil, exchange.TypeIDToken, true},
		{nil, exchange.TypeJWT, true},
		{nil, exchange.TypeAccessToken, false},
		{nil, "", false},
		{[]string{"access_token"}, exchange.TypeAccessToken, true},
		{[]string{"access_token"}, exchange.TypeIDToken, false},
		{[]string{"access_token"}, "access_token", false},
		{[]string{"refresh_token"}, "urn:example:refresh_token", false},
	} {
		i := exchange.Issuer{TokenTypes: row.types}
		if got := i.Accepts(row.typ); got != row.want {
			t.Errorf("%q accepts %q: %v", row.types, row.typ, got)
		}
	}
}

func TestClientMayUse(t *testing.T) {
	for _, row := range []struct {
		name   string
		client exchange.Client
		grant  string
		want   bool
	}{
		{"exchange by default", exchange.Client{}, exchange.GrantTokenExchange, true},
		{"no refresh by default", exchange.Client{}, exchange.GrantRefreshToken, false},
		{"refresh with refresh tokens", exchange.Client{RefreshTokens: true}, exchange.GrantRefreshToken, true},
		{"no client credentials by default", exchange.Client{Auth: exchange.AuthSecretBasic}, exchange.GrantClientCredentials, false},
		{"only what is listed", exchange.Client{Grants: []string{exchange.GrantClientCredentials}}, exchange.GrantTokenExchange, false},
	} {
		if got := row.client.MayUse(row.grant); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

func TestClientOrigins(t *testing.T) {
	c := goodClient()
	for origin, want := range map[string]bool{
		"": true, "https://app.acme.com": true,
		"https://app.acme.com.evil.com": false, "http://app.acme.com": false, "https://app.acme.com/": false, "null": false, "*": false,
	} {
		if c.AllowsOrigin(origin) != want {
			t.Errorf("%q: want %v", origin, want)
		}
	}
}
