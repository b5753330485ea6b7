package server_test

import (
	"context"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/exchange/grant"
)

// A request with a DPoP proof gets no token, which would not be bound to its key.
func TestDPoPProofsAreRefused(t *testing.T) {
	n := 0
	p := newWorld(t, withGrants(func(context.Context, *grant.Request) (*grant.Response, error) {
		n++
		return &grant.Response{AccessToken: "a", TokenType: "Bearer"}, nil
	}))
	for _, row := range []struct {
		name   string
		send   func(headers ...string) answer
		tokens bool
	}{
		{"token endpoint", func(h ...string) answer { return p.form("/oauth/token", exchangeParams("x", "client_id", "web"), h...) }, true},
		{"token endpoint without a client", func(h ...string) answer { return p.form("/oauth/token", exchangeParams("x"), h...) }, true},
		{"exchange", func(h ...string) answer {
			return p.post("/auth/external/exchange", `{"token":"x"}`, append(h, webPage...)...)
		}, true},
		{"refresh", func(h ...string) answer {
			return p.post("/auth/refresh", `{"refreshToken":"x"}`, append(h, webPage...)...)
		}, true},
		{"logout", func(h ...string) answer {
			return p.post("/auth/logout", `{"refreshToken":"x"}`, append(h, webPage...)...)
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.want(row.send(), 200, "")
			before := n
			for _, proof := range []string{"a.b.c", ""} {
				a := row.send("DPoP", proof)
				if !row.tokens {
					p.want(a, 200, "")
					continue
				}
				if p.want(a, 400, exchange.ReasonParameterInvalid); !strings.Contains(a.str("error_description"), "DPoP") {
					t.Errorf("it does not say why: %s", a.text)
				}
			}
			if n != before {
				t.Error("tokens were issued")
			}
		})
	}
}
