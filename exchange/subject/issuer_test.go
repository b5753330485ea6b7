package subject

import (
	"encoding/base64"
	"testing"

	"cambio/jwks"
)

// FuzzIssuer: the iss of claims that the decoder accepts is the one whose keys
// verified them.
func FuzzIssuer(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"a"}`, `{"\u0069ss":"a"}`, `{"iss":"a","x":{"iss":"b"}}`, `{"iss":"\ud83d\ude00"}`, `{"ISS":"a"}`, `{"iss":1}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := parseObject(string(payload), claimRules)
		if err != nil {
			return
		}
		iss, ok := optionalString(claims, "iss")
		if !ok {
			return
		}
		if got, err := jwks.Parse(jws(payload)); err != nil || got.Issuer() != iss {
			t.Fatalf("claims %s: iss is %q, and parsed as %+v, %v", payload, iss, got, err)
		}
	})
}

func jws(payload []byte) string {
	return b64([]byte(`{"alg":"ES256"}`)) + "." + b64(payload) + "." + b64(make([]byte, 64))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
