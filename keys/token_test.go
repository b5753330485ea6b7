package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"cambio/storage"
)

func sign(t testing.TB, r *Ring, jti string) string {
	t.Helper()
	token, err := r.Sign("at+jwt", []byte(`{"jti":"`+jti+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// verifyWith verifies as an API does, with the JWK Set and go-jose.
func verifyWith(t testing.TB, jwks []byte, token string) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(set.Key(jws.Signatures[0].Header.KeyID)); n != 1 {
		t.Fatalf("the JWK set has %d keys of that ID", n)
	}
	payload, err := jws.Verify(&set)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// EdDSA has a name of its own with this curve (RFC 9864), which go-jose does not
// know.
func TestSignUnderTheNewNameOfEdDSA(t *testing.T) {
	r := open(t, openStore(t), algorithm(Ed25519))
	token := sign(t, r, "a")
	if _, err := r.Verify(token, "at+jwt"); err != nil {
		t.Fatal(err)
	}
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil || !strings.Contains(string(header), `"alg":"Ed25519"`) {
		t.Errorf("header %s, %v", header, err)
	}
	if body, _ := r.JWKS(); !strings.Contains(string(body), `"alg":"Ed25519"`) {
		t.Errorf("published %s", body)
	}
}

func TestSign(t *testing.T) {
	for _, alg := range []string{ES256, RS256, EdDSA} {
		t.Run(alg, func(t *testing.T) {
			r := open(t, openStore(t), algorithm(alg))
			body, _ := r.JWKS()
			for i := range 50 { // r and s of all lengths and halves
				want := fmt.Sprintf(`{"jti":"%d"}`, i)
				token := sign(t, r, fmt.Sprint(i))
				if got, err := r.Verify(token, "at+jwt"); err != nil || string(got) != want {
					t.Fatalf("verified %q, %v", got, err)
				}
				if got := verifyWith(t, body, token); string(got) != want {
					t.Fatalf("go-jose read %q", got)
				}
			}
			if strings.Contains(string(body), `"d"`) {
				t.Error("the JWK set has a private member")
			}
		})
	}
}

func TestTypeCannotInjectHeaders(t *testing.T) {
	r := open(t, openStore(t))
	typ := `x","alg":"none`
	token, err := r.Sign(typ, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(token, typ); err != nil {
		t.Error(err)
	}
	body, _ := r.JWKS()
	verifyWith(t, body, token)
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestVerifyRefuses(t *testing.T) {
	for _, alg := range []string{ES256, RS256, EdDSA} {
		t.Run(alg, func(t *testing.T) {
			r, other := open(t, openStore(t), algorithm(alg)), open(t, openStore(t), algorithm(alg))
			good := sign(t, r, "good")
			p := strings.Split(good, ".")
			join := func(s ...string) string { return strings.Join(s, ".") }
			flipped := []byte(good)
			if c := &flipped[len(good)-8]; *c == 'A' {
				*c = 'B'
			} else {
				*c = 'A'
			}
			tests := []struct {
				name, token, typ string
				want             error
			}{
				{"as signed", good, "at+jwt", nil},
				{"another type", good, "JWT", ErrUnknownKey},
				{"by another server", sign(t, other, "good"), "at+jwt", ErrUnknownKey},
				{"another payload", join(p[0], strings.Split(sign(t, r, "evil"), ".")[1], p[2]), "at+jwt", ErrSignature},
				{"flipped", string(flipped), "at+jwt", ErrSignature},
				{"no signature", join(p[0], p[1], ""), "at+jwt", ErrSignature},
				{"alg none", join(encoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)), p[1], ""), "at+jwt", ErrUnknownKey},
				{"header with a space", join(encoding.EncodeToString([]byte(`{"alg":"`+alg+`", "typ":"at+jwt","kid":"`+r.List()[0].ID+`"}`)), p[1], p[2]), "at+jwt", ErrUnknownKey},
				{"stray bits", good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, good[len(good)-1])+1]), "at+jwt", ErrMalformed},
				{"padded", good + "=", "at+jwt", ErrMalformed},
				{"line break in the payload", join(p[0], p[1][:3]+"\n"+p[1][3:], p[2]), "at+jwt", ErrMalformed},
				{"line break after", good + "\n", "at+jwt", ErrMalformed},
				{"carriage return in the signature", good[:len(good)-3] + "\r" + good[len(good)-3:], "at+jwt", ErrMalformed},
				{"a dot more", good + ".", "at+jwt", ErrMalformed},
				{"a dot less", p[0] + "." + p[1], "at+jwt", ErrMalformed},
				{"standard alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+", "at+jwt", ErrMalformed},
				{"empty", "", "at+jwt", ErrMalformed},
				{"too long", good + strings.Repeat("A", maxToken), "at+jwt", ErrMalformed},
			}
			for _, tt := range tests {
				got, err := r.Verify(tt.token, tt.typ)
				if !errors.Is(err, tt.want) || (err == nil) != (got != nil) {
					t.Errorf("%s: %q, %v, want %v", tt.name, got, err, tt.want)
				}
			}
		})
	}
}

// Every ECDSA signature (r, s) has a valid twin (r, n-s).
func TestVerifyRefusesTwin(t *testing.T) {
	r := open(t, openStore(t))
	token := sign(t, r, "x")
	dot := strings.LastIndexByte(token, '.')
	raw, err := encoding.DecodeString(token[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(raw[scalar:])
	s.Sub(order, s).FillBytes(raw[scalar:])
	twin := token[:dot+1] + encoding.EncodeToString(raw)
	body, _ := r.JWKS()
	verifyWith(t, body, twin) // it is valid
	if _, err := r.Verify(twin, "at+jwt"); !errors.Is(err, ErrSignature) {
		t.Errorf("the twin: %v, want ErrSignature", err)
	}
}

// Every signature is converted to one that is accepted, with a low s.
func TestES256(t *testing.T) {
	private := fixedES256(t)
	rapid.Check(t, func(t *rapid.T) {
		digest := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")
		der, err := private.Sign(nil, digest, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := fromDER(der)
		if err != nil || len(raw) != 64 {
			t.Fatalf("%x: %v", der, err)
		}
		if !verifyES256(&private.PublicKey, digest, raw) {
			t.Fatalf("%x became %x", der, raw)
		}
	})
}

func TestFromDERRefuses(t *testing.T) {
	private := fixedES256(t)
	der, err := private.Sign(nil, make([]byte, 32), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for n := range der {
		if out, err := fromDER(der[:n]); err == nil {
			t.Errorf("%d bytes of %d became %x", n, len(der), out)
		}
	}
	one, large := "\x02\x01\x01", "\x02\x21\x00"+strings.Repeat("\xff", 32)
	for name, text := range map[string]string{
		"a byte more": string(der) + "\x00", "r = 0": "\x30\x06\x02\x01\x00" + one, "s = -1": "\x30\x06" + one + "\x02\x01\xff",
		"r over the order": "\x30\x26" + large + one, "s over the order": "\x30\x26" + one + large, "no s": "\x30\x03" + one,
		"a leading zero": "\x30\x07\x02\x02\x00\x01" + one,
	} {
		if out, err := fromDER([]byte(text)); err == nil {
			t.Errorf("%s became %x", name, out)
		}
	}
}

func fixedES256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), kek)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// fixed returns a ring whose keys are the same in each process, for fuzzing.
func fixed(t testing.TB, private crypto.Signer, alg string) *Ring {
	t.Helper()
	s, err := newSealer(kek)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := x509.MarshalPKIXPublicKey(private.Public())
	plain, _ := x509.MarshalPKCS8PrivateKey(private)
	m := member{ID: "fixed", Algorithm: alg, State: StateActive, Public: public, Sealed: s.seal(sealName("fixed"), plain)}
	st, err := newState([]member{m}, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	r := &Ring{kek: s}
	r.state.Store(st)
	return r
}

// FuzzVerify: only one spelling of a valid token is accepted.
func FuzzVerify(f *testing.F) {
	rings := []*Ring{
		fixed(f, fixedES256(f), ES256),
		fixed(f, ed25519.NewKeyFromSeed(kek), EdDSA),
	}
	good := make([]string, len(rings))
	for i, r := range rings {
		good[i] = sign(f, r, "x")
		f.Add(good[i])
		f.Add(good[i] + "\n")
	}
	f.Fuzz(func(t *testing.T, token string) {
		for i, r := range rings {
			payload, err := r.Verify(token, "at+jwt")
			if err != nil && payload != nil {
				t.Errorf("an error came with a payload")
			}
			if err == nil && token != good[i] {
				t.Errorf("a second spelling was accepted: %q", token)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{ES256, EdDSA, RS256} {
		r := open(b, openStore(b), algorithm(alg))
		payload := []byte(`{"jti":"` + strings.Repeat("x", 400) + `"}`)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign("at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
		token, _ := r.Sign("at+jwt", payload)
		b.Run(alg+"-verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Verify(token, "at+jwt"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSignParallel(b *testing.B) {
	r := open(b, openStore(b))
	payload := []byte(`{"jti":"` + strings.Repeat("x", 400) + `"}`)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Sign("at+jwt", payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A client's ID tokens can be of another algorithm than access tokens. The key is
// published and the same after a restart, and makes no access token.
func TestSignByAnotherAlgorithm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cambio.db")
	e := reopen(t, path)
	open := func() *Ring {
		r, err := Open(t.Context(), e, config())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	if _, err := r.SignBy(RS256, "JWT", []byte("{}")); err == nil {
		t.Error("signed without a key")
	}
	if err := r.Ensure(t.Context(), "", ES256, RS256, RS256); err != nil {
		t.Fatal(err)
	}
	if got := r.Algorithms(); !slices.Equal(got, []string{ES256, RS256}) || len(r.List()) != 4 {
		t.Errorf("algorithms %v, %d keys", got, len(r.List()))
	}
	token, err := r.SignBy(RS256, "JWT", []byte(`{"sub":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, etag := r.JWKS()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	if payload, err := signed.Verify(set); err != nil || string(payload) != `{"sub":"a"}` {
		t.Errorf("payload %s, %v", payload, err)
	}
	if _, err := r.Verify(token, "JWT"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("accepted as one of the ring's own: %v", err)
	}
	again := open()
	if err := again.Ensure(t.Context(), RS256); err != nil {
		t.Fatal(err)
	}
	if _, same := again.JWKS(); same != etag {
		t.Error("other keys after a restart")
	}
	kid := signed.Signatures[0].Header.KeyID
	if err := again.Revoke(t.Context(), kid, start); err != nil || slices.ContainsFunc(again.List(), func(i Info) bool { return i.ID == kid }) {
		t.Errorf("revoking a key of the other ring: %v", err)
	}
	if err := again.Revoke(t.Context(), "absent", start); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("revoking an absent key: %v", err)
	}
	before := again.List()
	if err := again.Rotate(t.Context(), start); err != nil || len(again.List()) <= len(before) {
		t.Errorf("rotating: %v", err)
	}
}
