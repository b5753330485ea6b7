package registration

import (
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

func several(sources ...exchange.Keys) exchange.Keys { return exchange.Keys{Sources: sources} }

func named(id string) []exchange.SharedSecret {
	return []exchange.SharedSecret{{ID: id, Value: longSecret}}
}

func TestLintKeys(t *testing.T) {
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
		{"a secret with a line break", exchange.Keys{Secrets: secrets(longSecret + "\n")}, nil, one("keys.secrets[0].value", "ends with whitespace")},
		{"pin", exchange.Keys{PinnedSPKI: []string{pin}}, nil, nil},
		{"pin in hex", exchange.Keys{PinnedSPKI: []string{strings.Repeat("0a", 32)}}, nil, one("keys.pinnedSPKI[0]", "44 characters")},
		{"stray bits in a pin", exchange.Keys{PinnedSPKI: []string{strings.Replace(pin, "U=", "V=", 1)}}, nil, one("keys.pinnedSPKI[0]", "base64")},
		{"long age", exchange.Keys{MaxAge: exchange.Duration(11 * time.Minute)}, nil, one("keys.maxAge", "30s to 10m")},
		{"a proxy", exchange.Keys{Proxy: "http://proxy.example:3128"}, nil, nil},
		{"a proxy with a password", exchange.Keys{Proxy: "http://a:hunter2@proxy.example"}, nil, one("keys.proxy", "password")},
		{"a proxy that is a host", exchange.Keys{Proxy: "proxy.example"}, nil, one("keys.proxy", "no scheme")},
		{"files", exchange.Keys{CAFile: "/etc/ca.pem", BearerTokenFile: "/run/token"}, nil, nil},
		{"a relative file of certificates", exchange.Keys{CAFile: "ca.pem"}, nil, one("keys.caFile", "absolute")},
		{"a relative file of a token", exchange.Keys{BearerTokenFile: "token"}, nil, one("keys.bearerTokenFile", "absolute")},
		{"listed addresses", exchange.Keys{AllowAddresses: []string{"10.0.0.0/8", "fd12::/16"}, JWKSURL: "http://10.1.2.3/k"}, nil, nil},
		{"a listed address without length", exchange.Keys{AllowAddresses: []string{"10.0.0.1"}}, nil, one("keys.allowAddresses[0]", "network such as")},
		{"a listed address with a length", exchange.Keys{AllowAddresses: []string{"10.0.0.1/8"}}, nil, one("keys.allowAddresses[0]", `write "10.0.0.0/8"`)},
		{"a short timeout", exchange.Keys{Timeout: 1}, nil, one("keys.timeout", "1s to 30s")},
		{"long stale", exchange.Keys{MaxStale: exchange.Duration(25 * time.Hour)}, nil, one("keys.maxStale", "30s to 24h")},

		{"several sources", several(exchange.Keys{Secrets: secrets(longSecret), Algorithms: []string{"HS256"}}, exchange.Keys{JWKSURL: "https://a.example/k", Algorithms: []string{"ES256"}}), nil, nil},
		{"several sources, and the algorithms of one", several(exchange.Keys{Secrets: secrets(longSecret)}, exchange.Keys{PEM: "x"}), []string{"ES256"}, one("algorithms", "in each of keys.sources")},
		{"a secret's source of a public key's algorithm", several(exchange.Keys{Secrets: secrets(longSecret), Algorithms: []string{"ES256"}}), nil, one("keys.sources[0].algorithms[0]", "needs a public key")},
		{"a public key's source of a secret's algorithm", several(exchange.Keys{}, exchange.Keys{JWKSURL: "https://a.example/k", Algorithms: []string{"HS256"}}), nil, one("keys.sources[1].algorithms[0]", "a public key is no secret")},
		{"a source of two kinds", several(exchange.Keys{Secrets: secrets(longSecret), PEM: "x"}), nil, one("keys.sources[0]", "pem and secrets")},
		{"a source by http", several(exchange.Keys{JWKSURL: "http://a.example/k"}), nil, one("keys.sources[0].jwksURL", "https")},
		{"a short secret in a source", several(exchange.Keys{Secrets: secrets("hunter2")}), nil, one("keys.sources[0].secrets[0].value", "has 7 bytes")},
		{"sources in a source", several(several(exchange.Keys{PEM: "x"})), nil, one("keys.sources[0].sources", "in the one list")},
		{"two sources with a secret of one name", several(exchange.Keys{Secrets: named("a")}, exchange.Keys{Secrets: named("a")}), nil, one("keys.sources[1].secrets[0].id", "already used")},
		{"members beside sources", exchange.Keys{Sources: []exchange.Keys{{PEM: "x"}}, AllowMissingKID: true}, nil, one("keys", "beside sources")},
		{"a source beside sources", exchange.Keys{Sources: []exchange.Keys{{PEM: "x"}}, PEM: "y"}, nil, one("keys", "beside sources")},
		{"algorithms of the one source", exchange.Keys{PEM: "x", Algorithms: []string{"ES256"}}, nil, one("keys.algorithms", "beside keys")},
		{"an end of the one source", exchange.Keys{PEM: "x", Until: time.Now()}, nil, one("keys.until", "one of several")},

		{"public-key algorithms", exchange.Keys{}, []string{"RS256", "PS512", "ES384", "EdDSA", "Ed25519"}, nil},
		{"uses", exchange.Keys{Uses: []string{"jwt-svid"}}, nil, nil},
		{"a use that is the default", exchange.Keys{Uses: []string{"sig"}}, nil, one("keys.uses[0]", "always accepted")},
		{"a use for encryption", exchange.Keys{Uses: []string{"enc"}}, nil, one("keys.uses[0]", "encryption")},
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
			got := LintIssuer(i)
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

// What is fetched must be https; an issuer that is never fetched may have any iss.
func TestOnlyFetchedIssuersNeedHTTPS(t *testing.T) {
	listed := []string{"10.0.0.0/8"}
	for _, row := range []struct {
		url  string
		keys exchange.Keys
		want []problem
	}{
		{"http://a.example", exchange.Keys{}, one("url", "not https")},
		{"http://10.1.2.3", exchange.Keys{AllowAddresses: listed}, nil},
		{"http://a.example", exchange.Keys{JWKS: "{}"}, nil},
		{"acme.com", exchange.Keys{JWKSURL: "https://a.example/k"}, nil},
		{"acme.com", exchange.Keys{JWKSURL: "http://a.example/k"}, one("keys.jwksURL", "https")},
		{"acme.com", exchange.Keys{DiscoveryURL: "https://a.example/d"}, nil},
		{"acme.com", several(exchange.Keys{PEM: "x"}, exchange.Keys{Secrets: secrets(longSecret)}), nil},
		{"acme.com", several(exchange.Keys{PEM: "x"}, exchange.Keys{Algorithms: []string{"ES256"}}), one("url", "no discovery document")},
		{"http://10.1.2.3", several(exchange.Keys{AllowAddresses: listed}), nil},
	} {
		i := goodIssuer()
		i.URL, i.Keys = row.url, row.keys
		t.Run(row.url, func(t *testing.T) { same(t, LintIssuer(i), row.want) })
	}
}
