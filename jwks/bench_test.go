package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"strings"
	"testing"
	"time"

	"cambio/jwks/jwkstest"

	"github.com/go-jose/go-jose/v4"
)

// BenchmarkVerify compares Verify with the bare cryptography of the standard
// library and with go-jose, on the same tokens.
func BenchmarkVerify(b *testing.B) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	for _, alg := range []string{"RS256", "ES256", "EdDSA", "HS256"} {
		var token string
		var public any = secret
		src := Source{Secrets: []Secret{{ID: "s", Value: secret}}}
		if alg == "HS256" {
			token = jwkstest.SignHMAC(alg, secret, benchClaims("https://issuer.example"))
		} else {
			issuer := jwkstest.New(b, jwkstest.WithAlg(alg))
			token = issuer.Sign(benchClaims(issuer.URL))
			public = issuer.PublicKey()
			src = Source{JWKS: issuer.JWKS()}
		}
		set, err := New(src, Options{Algorithms: []string{alg}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg+"/bare", func(b *testing.B) { benchBare(b, public, token) })
		b.Run(alg+"/Set", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseAndVerify(b.Context(), set, token, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/go-jose", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := jws.Verify(public); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchClaims returns the claims of a usual ID token.
func benchClaims(iss string) map[string]any {
	return map[string]any{
		"iss": iss, "sub": "auth0|65f2c1d7a9b8e3f4c5d6e7f8", "aud": "spa-client-id", "azp": "spa-client-id",
		"iat": 1700000000, "exp": 1700003600, "nonce": "n-0S6_WzA2Mj", "email": "alice@example.com",
		"email_verified": true, "name": "Alice Example", "picture": "https://cdn.example/alice.png",
	}
}

// benchBare decodes nothing and verifies only the signature.
func benchBare(b *testing.B, public any, token string) {
	input, encoded, _ := cutLast(token)
	signature, err := decode(nil, encoded)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if !bareVerify(public, []byte(input), signature) {
			b.Fatal("the signature does not hold")
		}
	}
}

func bareVerify(public any, input, signature []byte) bool {
	if pub, ok := public.(ed25519.PublicKey); ok {
		return ed25519.Verify(pub, input, signature)
	}
	if secret, ok := public.([]byte); ok {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return hmac.Equal(mac.Sum(nil), signature)
	}
	digest := sha256.Sum256(input)
	switch pub := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(pub, digest[:], r, s)
	}
	return false
}

func cutLast(token string) (before, after string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	return token[:i], token[i+1:], i >= 0
}

func BenchmarkParse(b *testing.B) {
	token := jwkstest.SignHMAC("HS256", []byte("secret"), benchClaims("https://issuer.example"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}
