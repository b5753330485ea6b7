package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

func sign(t testing.TB, r *Ring, jti string) string {
	t.Helper()
	token, err := r.Sign("at+jwt", []byte(`{"jti":"`+jti+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// verifyWith verifies as an API does that has our JWK Set and go-jose.
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

func TestSignRefusesType(t *testing.T) {
	r := open(t, openStore(t))
	if token, err := r.Sign(`x","alg":"none`, []byte("{}")); err == nil {
		t.Errorf("signed %s", token)
	}
	token, err := r.Sign("secevent+jwt", []byte("{}")) // a type without a ready header
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(token, "secevent+jwt"); err != nil {
		t.Error(err)
	}
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
				{"another server's", sign(t, other, "good"), "at+jwt", ErrUnknownKey},
				{"another's payload", join(p[0], strings.Split(sign(t, r, "evil"), ".")[1], p[2]), "at+jwt", ErrSignature},
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

// An ECDSA signature has a valid twin (r, n-s). Ours has not.
func TestVerifyRefusesTwin(t *testing.T) {
	r := open(t, openStore(t))
	token := sign(t, r, "x")
	dot := strings.LastIndexByte(token, '.')
	raw, err := encoding.DecodeString(token[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	negate(raw[scalar:])
	twin := token[:dot+1] + encoding.EncodeToString(raw)
	body, _ := r.JWKS()
	verifyWith(t, body, twin) // it is valid
	if _, err := r.Verify(twin, "at+jwt"); !errors.Is(err, ErrSignature) {
		t.Errorf("the twin: %v, want ErrSignature", err)
	}
}

// Both conversions are inverses of each other, and agree with crypto/ecdsa.
func TestDER(t *testing.T) {
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
		low, ok := toDER(raw)
		if !ok || !ecdsa.VerifyASN1(&private.PublicKey, digest, low) {
			t.Fatalf("%x became %x", der, low)
		}
	})
}

func TestDERScalars(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) *big.Int {
			b := rapid.SliceOfN(rapid.Byte(), 1, scalar).Draw(t, name)
			return new(big.Int).SetBytes(b)
		}
		r, s := draw("r"), draw("s")
		raw := append(r.FillBytes(make([]byte, scalar)), s.FillBytes(make([]byte, scalar))...)
		der, ok := toDER(raw)
		if high := s.Cmp(new(big.Int).SetBytes(halfOrder)) > 0; high == ok {
			t.Fatalf("s high: %v, converted: %v", high, ok)
		}
		if !ok {
			return
		}
		back, err := fromDER(der)
		if err != nil || string(back) != string(raw) {
			t.Fatalf("%x became %x, %v", raw, back, err)
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
	if out, err := fromDER(append(der, 0)); err == nil {
		t.Errorf("a byte more became %x", out)
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

// fixed is a ring whose keys are the same in each process, for fuzzing.
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

// Of a token whose signature holds there is one spelling.
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
