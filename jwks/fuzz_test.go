package jwks

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fuzzKey is the same in every process: fuzz workers are processes of their
// own, and a key made at start would spoil every seed.
func fuzzKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) }

func fuzzSet(f *testing.F) *Set {
	return mustSet(f, Source{JWKS: fuzzJWKS()}, Options{Algorithms: everyPublicAlg, AllowMissingKID: true})
}

func fuzzJWKS() []byte {
	x := encode(fuzzKey().Public().(ed25519.PublicKey))
	return []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + x + `"}]}`)
}

func fuzzSign(header, payload []byte) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(ed25519.Sign(fuzzKey(), []byte(input)))
}

// FuzzVerify: what is accepted, go-jose accepts with the same payload, and an
// error comes with nothing.
func FuzzVerify(f *testing.F) {
	for _, seed := range []string{
		`{"alg":"EdDSA","kid":"k","typ":"JWT"}`, `{"alg":"EdDSA"}`, `{"alg":"EdDSA","Alg":"none"}`,
		`{"alg":"EdDSA","crit":["b64"],"b64":false}`, `{"alg":"EdDSA","alg":"EdDSA"}`, `{"alg":"EdDSA","cty":"JWT"}`,
		`{"alg":"EdDSA","nonce":"n","x5u":"https://a.example","jku":"b","zip":"DEF"}`,
	} {
		f.Add([]byte(seed), []byte(`{"sub":"alice"}`))
	}
	set := fuzzSet(f)
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		token := fuzzSign(header, payload)
		got, err := parseAndVerify(t.Context(), set, token, time.Time{})
		if err != nil {
			if got.Payload != "" || got.Thumbprint != "" {
				t.Fatalf("an error came with %+v", got)
			}
			return
		}
		if got.Payload != string(payload) {
			t.Fatalf("payload %q, want %q", got.Payload, payload)
		}
		header = withoutForeignKeys(t, header)
		jws, err := jose.ParseSignedCompact(fuzzSign(header, payload), []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatalf("accepted header %q, go-jose says %v", header, err)
		}
		want, err := jws.Verify(fuzzKey().Public())
		if err != nil || !bytes.Equal(want, payload) {
			t.Fatalf("accepted header %q, go-jose says %v and reads %q", header, err, want)
		}
		if kid := jws.Signatures[0].Header.KeyID; kid != got.KeyID {
			t.Fatalf("kid %q, go-jose reads %q", got.KeyID, kid)
		}
	})
}

// withoutForeignKeys removes parameters that are not read here, and for whose
// values go-jose may refuse a header. It returns a header without any as it is.
func withoutForeignKeys(t *testing.T, header []byte) []byte {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(header, &members); err != nil {
		t.Fatal(err)
	}
	before := len(members)
	for _, name := range []string{"jwk", "x5c", "nonce", "x5t", "x5t#S256"} {
		delete(members, name)
	}
	if len(members) == before {
		return header
	}
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzSpelling: of all texts similar to a good token, only the token is accepted.
func FuzzSpelling(f *testing.F) {
	good := fuzzSign([]byte(`{"alg":"EdDSA","kid":"k"}`), []byte(`{"sub":"alice"}`))
	f.Add(good, 0, byte(0))
	f.Add(good+"\n", 10, byte('\n'))
	f.Add(good+"=", 40, byte('='))
	f.Add(" "+good, len(good)-1, good[len(good)-1]+1)
	set := fuzzSet(f)
	f.Fuzz(func(t *testing.T, token string, at int, b byte) {
		changed := []byte(good)
		changed[uint(at)%uint(len(good))] = b
		inserted := bytes.Join([][]byte{changed[:uint(at)%uint(len(good))], []byte(good[uint(at)%uint(len(good)):])}, []byte{b})
		for _, text := range []string{token, string(changed), string(inserted)} {
			if _, err := parseAndVerify(t.Context(), set, text, time.Time{}); err == nil && text != good {
				t.Fatalf("accepted another spelling: %q", text)
			}
		}
	})
}
