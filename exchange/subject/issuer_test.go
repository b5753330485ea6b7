package subject

import (
	"encoding/base64"
	"testing"

	"cambio/jwks"
)

// FuzzIssuer: whatever the claims' decoder accepts, its iss is the one whose
// keys were asked.
func FuzzIssuer(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"a"}`, `{"\u0069ss":"a"}`, `{"iss":"a","x":{"iss":"b"}}`, `{"iss":"\ud83d\ude00"}`, `{"ISS":"a"}`, `{"iss":1}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := decodeClaims(string(payload))
		if err != nil {
			return
		}
		iss, ok := optionalText(claims, "iss")
		if !ok {
			return
		}
		if got, err := jwks.Issuer(jws(payload)); err != nil || got != iss {
			t.Fatalf("claims %s: iss is %q, but asked whose it is: %q, %v", payload, iss, got, err)
		}
	})
}

func jws(payload []byte) string {
	return b64([]byte(`{"alg":"ES256"}`)) + "." + b64(payload) + "." + b64(make([]byte, 64))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
