package registration

import (
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

func TestLintIssuer(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*exchange.Issuer)
		want   []problem
	}{
		{"good", func(*exchange.Issuer) {}, nil},
		{"a former url", func(i *exchange.Issuer) { i.URLs = []string{"https://former.example", "acme.com"} }, nil},
		{"an empty further url", func(i *exchange.Issuer) { i.URLs = []string{""} }, one("urls[0]", "")},
		{"a further url twice", func(i *exchange.Issuer) { i.URLs = []string{"a", "a"} }, one("urls[1]", "")},
		{"a placeholder among the urls", func(i *exchange.Issuer) { i.URLs = []string{"https://login.example/{tenantid}"} }, one("urls[0]", "placeholder")},
		{"further urls alone", func(i *exchange.Issuer) { i.URL, i.URLs = "", []string{"https://former.example"} }, one("url", "write the first of urls")},
		{"no id", func(i *exchange.Issuer) { i.ID = "" }, one("id", "missing")},
		{"id with capitals", func(i *exchange.Issuer) { i.ID = "Google" }, one("id", `"Google" must be 1 to 64`)},
		{"id that begins with a dash", func(i *exchange.Issuer) { i.ID = "-a" }, one("id", "begin with a letter")},
		{"id with a slash", func(i *exchange.Issuer) { i.ID = "a/b" }, one("id", `"a/b"`)},
		{"long id", func(i *exchange.Issuer) { i.ID = strings.Repeat("a", 65) }, one("id", "1 to 64")},
		{"longest id", func(i *exchange.Issuer) { i.ID = strings.Repeat("a", 64) }, nil},

		{"no url and no keys", func(i *exchange.Issuer) { i.URL = "" }, one("url", "missing")},
		{"no url but keys", func(i *exchange.Issuer) { i.URL, i.Keys.JWKSURL = "", "https://a.example/keys?app=1" }, nil},
		{"no url but discovery", func(i *exchange.Issuer) { i.URL, i.Keys.DiscoveryURL = "", "https://a.example/.well-known" }, one("url", "discovery document")},
		{"url without scheme", func(i *exchange.Issuer) { i.URL = "accounts.google.com" }, one("url", "keys.discoveryURL")},
		{"url without scheme, keys given", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = "acme.com", "{}" }, nil},
		{"url without scheme, keys fetched", func(i *exchange.Issuer) { i.URL, i.Keys.JWKSURL = "privy.io", "https://auth.privy.io/keys" }, nil},
		{"url without scheme, discovered elsewhere", func(i *exchange.Issuer) { i.URL, i.Keys.DiscoveryURL = "acme.com", "https://acme.com/d" }, nil},
		{"url that is a word", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = "my backend", "{}" }, nil},
		{"url that is a URN", func(i *exchange.Issuer) { i.URL, i.Keys.PEM = "urn:example:issuer#1", "x" }, nil},
		{"url that is a DID", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = "did:web:acme.com", "{}" }, nil},
		{"url that is an address", func(i *exchange.Issuer) {
			i.URL, i.Keys.CertificatesURL = "svc@acme.iam.gserviceaccount.com", "https://g.example/x509"
		}, nil},
		{"http url", func(i *exchange.Issuer) { i.URL = "http://a.example" }, one("url", "keys.allowPrivateAddresses")},
		{"http url, keys given", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = "http://a.example", "{}" }, nil},
		{"http url, keys fetched", func(i *exchange.Issuer) { i.URL, i.Keys.JWKSURL = "http://a.example", "https://a.example/keys" }, nil},
		{"http url, keys fetched by http", func(i *exchange.Issuer) { i.URL, i.Keys.JWKSURL = "http://a.example", "http://a.example/keys" }, one("keys.jwksURL", "must be https")},
		{"http url on a private network", func(i *exchange.Issuer) { i.URL, i.Keys.AllowPrivateAddresses = "http://keycloak:8080/realms/a", true }, nil},
		{"url of another scheme", func(i *exchange.Issuer) { i.URL = "ftp://a.example" }, one("url", "keys.discoveryURL")},
		{"url with query", func(i *exchange.Issuer) { i.URL += "?a=b" }, one("url", "keys.discoveryURL")},
		{"url with query, keys given", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = i.URL+"?a=b", "{}" }, nil},
		{"url with fragment", func(i *exchange.Issuer) { i.URL += "#" }, one("url", "keys.discoveryURL")},
		{"url with a placeholder", func(i *exchange.Issuer) { i.URL = "https://login.microsoftonline.com/{tenantid}/v2.0" }, one("url", "placeholder")},
		{"url with a space", func(i *exchange.Issuer) { i.URL += " " }, one("url", "spaces around")},
		{"url with a line break, keys given", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = i.URL+"\n", "{}" }, one("url", "control characters")},
		{"long url, keys given", func(i *exchange.Issuer) { i.URL, i.Keys.JWKS = strings.Repeat("a", 513), "{}" }, one("url", "longer than 512")},
		{"url without host", func(i *exchange.Issuer) { i.URL = "https:///a" }, one("url", "keys.discoveryURL")},
		{"url with a port only", func(i *exchange.Issuer) { i.URL = "https://:443" }, one("url", "keys.discoveryURL")},
		{"the discovery URL", func(i *exchange.Issuer) { i.URL = "https://a.example/.well-known/openid-configuration" }, one("url", `issuer in that document, such as "https://a.example"`)},
		{"the discovery URL below a path", func(i *exchange.Issuer) { i.URL = "https://a.example/t/.well-known/openid-configuration/" }, one("url", `"https://a.example/t"`)},
		{"the discovery URL of RFC 8414", func(i *exchange.Issuer) { i.URL = "https://a.example/.well-known/oauth-authorization-server/t" }, one("url", `"https://a.example/t"`)},
		{"the discovery URL, keys given", func(i *exchange.Issuer) {
			i.URL, i.Keys.JWKS = "https://a.example/.well-known/openid-configuration", "{}"
		}, one("url", "issuer in that document")},
		{"the discovery URL with a query", func(i *exchange.Issuer) { i.URL = "https://a.example/.well-known/openid-configuration?p=1" }, one("url", "issuer in that document")},
		{"the key set's URL", func(i *exchange.Issuer) { i.URL = "https://a.example/.well-known/jwks.json" }, one("url", "keys.jwksURL")},
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
		{"large tokens", func(i *exchange.Issuer) { i.MaxTokenSize = 64 << 10 }, nil},
		{"larger tokens", func(i *exchange.Issuer) { i.MaxTokenSize = 64<<10 + 1 }, one("maxTokenSize", "1024 to 65536")},
		{"tiny tokens", func(i *exchange.Issuer) { i.MaxTokenSize = 64 }, one("maxTokenSize", "1024 to 65536")},
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
			same(t, LintIssuer(i), row.want)
		})
	}
}
