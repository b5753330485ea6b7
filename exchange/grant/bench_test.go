package grant_test

import (
	"fmt"
	"testing"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// BenchmarkToken measures the token endpoint without HTTP, for a known user: one
// RS256 verification, one ES256 signature and the rest.
func BenchmarkToken(b *testing.B) {
	for _, bb := range []struct{ name, client string }{{"no session", "plain"}, {"session", "spa"}} {
		b.Run(bb.name, func(b *testing.B) {
			w := newWorld(b, jwkstest.WithAlg("RS256"))
			texts := make([]string, 500) // of as many users: one user's sessions are bounded, and so is their rate
			for i := range texts {
				texts[i] = w.issuer.Sign(w.claims(bb.client, "jti", "1", "azp", bb.client, "sub", fmt.Sprint("user-", i),
					"email", "alice@example.com", "email_verified", true, "name", "Alice"))
			}
			client := w.registry.Snapshot().Client(bb.client)
			room := make([]exchange.Check, 0, 24) // the server has it from an earlier request
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				req := presenting(client, texts[n%len(texts)])
				n++
				req.Trail.Checks = room
				if _, err := w.token(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRefresh(b *testing.B) {
	w := newWorld(b)
	client := w.registry.Snapshot().Client("spa")
	resp, err := w.token(presenting(client, w.issuer.Sign(w.claims("spa"))))
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if resp, err = w.token(w.refresh("spa", resp.RefreshToken)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClientCredentials(b *testing.B) {
	w := newWorld(b)
	req := w.exchange("backend")
	req.GrantType, req.SubjectToken, req.SubjectTokenType = exchange.GrantClientCredentials, "", ""
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.token(req); err != nil {
			b.Fatal(err)
		}
	}
}
