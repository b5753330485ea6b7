package server_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"cambio/exchange/server"
)

// Without a valid credential, a confidential client differs from an unknown ID
// neither in the response, nor in whether it counts as a failure, from
// any page or none.
func TestConfidentialClientsAreLikeUnknownOnes(t *testing.T) {
	p := newWorld(t, func(cfg *server.Config) { cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	assertion := func(client string) string {
		claims := p.issuer.Claims(client, publicURL)
		claims["iss"] = client
		return p.issuer.Sign(claims) + "A"
	}
	credentials := map[string]func(client string) (params, headers []string){
		"an ID": func(client string) ([]string, []string) { return []string{"client_id", client}, nil },
		"a secret": func(client string) ([]string, []string) {
			return []string{"client_id", client, "client_secret", "guess"}, nil
		},
		"Basic": func(client string) ([]string, []string) {
			return nil, []string{"Authorization", basicAuth(client, "guess")}
		},
		"a Bearer token, which is ignored": func(client string) ([]string, []string) {
			return []string{"client_id", client}, []string{"Authorization", "Bearer guess"}
		},
		"a secret with a newline": func(client string) ([]string, []string) {
			return []string{"client_id", client, "client_secret", "guess\n"}, nil
		},
		"an X-API-Key": func(client string) ([]string, []string) { return nil, []string{"X-API-Key", client} },
		"an X-Server-Secret": func(client string) ([]string, []string) {
			return nil, []string{"X-API-Key", client, "X-Server-Secret", "guess"}
		},
		"an assertion": func(client string) ([]string, []string) {
			return []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion(client)}, nil
		},
	}
	address := 0
	for name, credential := range credentials {
		for _, origin := range []string{"", page, otherPage, evil} {
			// attempts returns the first response without what differs each time, and
			// how many more are given.
			attempts := func(client string) string {
				address++
				params, headers := credential(client)
				headers = append(headers, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", address))
				if origin != "" {
					headers = append(headers, "Origin", origin)
				}
				attempt := func() answer {
					if params == nil && headers[0] == "X-API-Key" {
						return p.post("/auth/external/exchange", `{"token":"x"}`, headers...)
					}
					return p.form("/oauth/token", exchangeParams("x", params...), headers...)
				}
				first, n := attempt(), 1
				for n < 15 && attempt().status == first.status {
					n++
				}
				for _, varying := range []string{"X-Request-Id", "Date", "Content-Length"} {
					first.header.Del(varying)
				}
				delete(first.json, "request_id")
				return fmt.Sprint(first.status, first.json, first.header, " after attempts: ", n)
			}
			p.pass(time.Hour) // secrets count by client as well
			unknown := attempts("unknown")
			for _, client := range []string{"post", "basic", "jwt", "machine"} {
				if got := attempts(client); got != unknown {
					t.Errorf("%s from %q: client %s gets\n%s, an unknown one\n%s", name, origin, client, got, unknown)
				}
			}
		}
	}
}
