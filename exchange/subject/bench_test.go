package subject

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks"
	"cambio/jwks/jwkstest"
)

// BenchmarkVerify measures an RS256 verification, BenchmarkChecks one without the
// signature.
func BenchmarkVerify(b *testing.B) {
	p := newFixture(b, jwkstest.WithAlg("RS256"))
	benchmark(b, p)
}

func BenchmarkChecks(b *testing.B) {
	p := newFixture(b)
	p.issuers["one"].Keys = acceptingKeys{}
	benchmark(b, p)
}

func benchmark(b *testing.B, p *fixture) {
	claims := p.Claims("auth0|5f7c8ec7c33c6c004bbafe82", "app")
	for name, v := range map[string]any{
		"azp": "app", "auth_time": p.now.Unix(), "nonce": "n-0S6_WzA2Mj", "email": "alice@example.com", "email_verified": true,
		"name": "Alice Example", "amr": []string{"pwd", "otp"}, "groups": []string{"staff", "admin"}, "jti": "7a6f1c0e-6c1b-4b5f-9a52-0123456789ab",
	} {
		claims[name] = v
	}
	token := exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken}
	room := make([]exchange.Check, 0, 24)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.verifier.Verify(b.Context(), token, &exchange.Recorder{Checks: room}, p.now); err != nil {
			b.Fatal(err)
		}
	}
}

// acceptingKeys accepts every signature.
type acceptingKeys struct{}

func (acceptingKeys) Verify(_ context.Context, t *jwks.Token, _ time.Time) (jwks.Verified, error) {
	_, payload, _ := strings.Cut(t.SigningInput(), ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	return jwks.Verified{Payload: string(text), Type: "JWT", Alg: "RS256", Thumbprint: "key"}, err
}

func (acceptingKeys) Revoked(string) bool { return false }

func (acceptingKeys) Close() {}
