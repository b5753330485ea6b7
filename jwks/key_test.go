package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"cambio/jwks/jwkstest"

	"github.com/go-jose/go-jose/v4"
)

// goodJWK returns a public key of an algorithm.
func goodJWK(t *testing.T, alg string) map[string]any {
	t.Helper()
	return jwksOf(t, jwkstest.New(t, jwkstest.WithAlg(alg)).JWKS())[0]
}

func with(jwk map[string]any, pairs ...any) map[string]any {
	out := make(map[string]any)
	for k, v := range jwk {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(out, pairs[i].(string))
			continue
		}
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

// ones returns bits that are all set, in base64url.
func ones(bits int) string { return encode(slices.Repeat([]byte{0xff}, bits/8)) }

// Each bad key is beside a good one: the bad one is refused for the right reason,
// and the good one counts.
func TestRefusedKeys(t *testing.T) {
	rsaKey, ec, okp := goodJWK(t, "RS256"), goodJWK(t, "ES256"), goodJWK(t, "EdDSA")
	otherEC := goodJWK(t, "ES256")
	p384 := goodJWK(t, "ES384")
	for _, row := range []struct {
		name string
		jwk  map[string]any
		want string
	}{
		{"RSA of 1024 bits", with(rsaKey, "n", ones(1024)), "1024 bits"},
		{"RSA of 2040 bits", with(rsaKey, "n", ones(2040)), "2040 bits"},
		{"RSA of 8200 bits", with(rsaKey, "n", ones(8200)), "8200 bits"},
		{"RSA with n = 0", with(rsaKey, "n", "AA"), "0 bits"},
		{"RSA with an even n", with(rsaKey, "n", encode(append(slices.Repeat([]byte{0xff}, 255), 0xfe))), "even"},
		{"RSA with e = 1", with(rsaKey, "e", "AQ"), "e = 1"},
		{"RSA with e = 0", with(rsaKey, "e", "AA"), "e = 0"},
		{"RSA with e = 2", with(rsaKey, "e", "Ag"), "e = 2"},
		{"RSA with e = 3", with(rsaKey, "e", "Aw"), "e = 3"},
		{"RSA with e = 65539", with(rsaKey, "e", "AQAD"), "e = 65539"},
		{"RSA with e + 2^32", with(rsaKey, "e", "AQABAAEAAQ"), "31 bits"},
		{"RSA with a huge e", with(rsaKey, "e", ones(2048)), "31 bits"},
		{"RSA without n", with(rsaKey, "n", nil), "n is not base64url"},
		{"RSA without e", with(rsaKey, "e", nil), "e is not base64url"},
		{"RSA without either", with(rsaKey, "n", nil, "e", nil), "without its parameters"},
		{"RSA with a number for n", with(rsaKey, "n", 17), "n is not a string"},
		{"RSA with d", with(rsaKey, "d", "AQAB"), "private key"},
		{"RSA with p alone", with(rsaKey, "p", "AQAB"), "private key"},
		{"RSA with oth", with(rsaKey, "oth", []any{map[string]any{"r": "AQAB"}}), "private key"},
		{"RSA with a number for d", with(rsaKey, "d", 0), "private key"},
		{"RSA with n in no base64", with(rsaKey, "n", "?"+rsaKey["n"].(string)[1:]), "n is not base64url"},
		{"EC with d", with(ec, "d", "AQAB"), "private key"},
		{"EC with k", with(ec, "k", "AQAB"), "private key"},
		{"OKP with d", with(okp, "d", okp["x"]), "private key"},
		{"EC off the curve", with(ec, "y", otherEC["y"]), "not a point"},
		{"EC at 0, 0", with(ec, "x", encode(make([]byte, 32)), "y", encode(make([]byte, 32))), "not a point"},
		{"EC with x = p", with(ec, "x", encode(elliptic.P256().Params().P.Bytes())), "not a point"},
		{"EC with a short x", with(ec, "x", encode(make([]byte, 31))), "31 and 32 bytes"},
		{"EC with a long x", with(ec, "x", encode(make([]byte, 33))), "33 and 32 bytes"},
		{"EC without y", with(ec, "y", nil), "y is not base64url"},
		{"EC without both", with(ec, "x", nil, "y", nil), "without its parameters"},
		{"EC without crv", with(ec, "crv", nil), "curve"},
		{"EC of another curve's name", with(ec, "crv", "P-384"), "want 48"},
		{"EC on secp256k1", with(ec, "crv", "secp256k1"), "secp256k1"},
		{"EC on P-224", with(ec, "crv", "P-224"), "P-224"},
		{"EC with the alg of another curve", with(p384, "alg", "ES256"), "does not fit"},
		{"OKP of 31 bytes", with(okp, "x", encode(make([]byte, 31))), "31 bytes"},
		{"OKP with X25519", with(okp, "crv", "X25519"), "X25519"},
		{"OKP with Ed448", with(okp, "crv", "Ed448"), "Ed448"},
		{"OKP of order 1", with(okp, "x", encode(append([]byte{1}, make([]byte, 31)...))), "small order"},
		{"oct", map[string]any{"kty": "oct", "kid": "k", "k": ones(256)}, "symmetric"},
		{"oct for HS256", map[string]any{"kty": "oct", "alg": "HS256", "k": ones(256)}, "symmetric"},
		{"kty missing", with(ec, "kty", nil), "keys of type"},
		{"kty unknown", with(ec, "kty", "AKP"), "keys of type"},
		{"kty in other case", with(rsaKey, "kty", "rsa"), "keys of type"},
		{"kty of another type", with(ec, "kty", "RSA", "alg", nil), "without its parameters"},
		{"alg of another type", with(ec, "alg", "RS256"), "does not fit"},
		{"alg HS256", with(ec, "alg", "HS256"), "does not fit"},
		{"alg of encryption", with(rsaKey, "alg", "RSA-OAEP"), "RSA-OAEP"},
		{"alg none", with(ec, "alg", "none"), "none"},
		{"use enc", with(ec, "use", "enc"), "use is"},
		{"use in other case", with(ec, "use", "SIG"), "use is"},
		{"key_ops without verify", with(ec, "key_ops", []string{"encrypt"}), "key_ops"},
		{"Kty", with(ec, "Kty", "EC"), "only by case"},
		{"D", with(ec, "D", "AQAB"), "only by case"},
		{"only an x5c of no certificate", map[string]any{"kty": "EC", "x5c": []string{"AAAA"}}, "cannot be read"},
		{"only an x5c of eleven", map[string]any{"kty": "EC", "x5c": slices.Repeat([]string{"AAAA"}, 11)}, "11 certificates"},
		{"only an empty x5c", map[string]any{"kty": "EC", "x5c": []string{}}, "without its parameters"},
	} {
		t.Run(row.name, func(t *testing.T) {
			beside := goodJWK(t, "EdDSA")
			all, err := parseJWKS(jwkSet(t, row.jwk, beside))
			if err != nil {
				t.Fatal(err)
			}
			ks := newKeySet(all, &trust{}, testTime)
			if len(ks.usable) != 1 || ks.usable[0].kid != beside["kid"] {
				t.Fatalf("%d usable keys, want the good one", len(ks.usable))
			}
			if got := ks.infos[0].Refused; !strings.Contains(got, row.want) {
				t.Errorf("refused because %q, want %q", got, row.want)
			}
		})
	}
}

// rocaModulus returns a modulus of 2052 bits as the library of CVE-2017-15361
// computes it: its factors are k*M + 65537^a mod M, M the product of the first
// 126 primes.
func rocaModulus() *big.Int {
	m := big.NewInt(1)
	for p, found := int64(2), 0; found < 126; p++ {
		if prime := big.NewInt(p); prime.ProbablyPrime(0) {
			m.Mul(m, prime)
			found++
		}
	}
	factor := func(a, k int64) *big.Int {
		f := new(big.Int).Lsh(big.NewInt(k), uint(1022-m.BitLen()))
		f.SetBit(f, 0, 1).SetBit(f, 1025-m.BitLen(), 1).SetBit(f, 1024-m.BitLen(), 1)
		return f.Mul(f, m).Add(f, new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m))
	}
	n := factor(1234567, 1)
	return n.Mul(n, factor(7654321, 3))
}

func TestROCAKeysAreRefused(t *testing.T) {
	n := rocaModulus()
	if err := checkRSA(&rsa.PublicKey{N: n, E: 65537}); err == nil || !strings.Contains(err.Error(), "ROCA") {
		t.Errorf("checkRSA of a ROCA modulus of %d bits = %v", n.BitLen(), err)
	}
	if err := checkRSA(&rsa.PublicKey{N: n.Add(n, big.NewInt(2)), E: 65537}); err != nil {
		t.Errorf("checkRSA of another modulus: %v", err)
	}
}

func TestAcceptedKeys(t *testing.T) {
	ec := goodJWK(t, "ES256")
	rsaKey := goodJWK(t, "RS256")
	n := unbase64(t, rsaKey["n"].(string))
	for _, row := range []struct {
		name string
		jwk  map[string]any
	}{
		{"as served", ec},
		{"without alg, use and kid", with(ec, "alg", nil, "use", nil, "kid", nil)},
		{"key_ops verify", with(ec, "key_ops", []string{"verify"})},
		{"key_ops sign and verify", with(ec, "key_ops", []string{"sign", "verify"})},
		{"unknown members", with(ec, "iat", 7, "exp", nil, "x-note", map[string]any{})},
		{"x5u is not followed", with(ec, "x5u", "https://127.0.0.1:1/")},
		{"n with a zero byte before", with(rsaKey, "n", encode([]byte("\x00"+n)))},
		{"RSA of 8192 bits", with(rsaKey, "n", ones(8192))},
		{"kid of 256 bytes", with(ec, "kid", strings.Repeat("k", 256))},
	} {
		t.Run(row.name, func(t *testing.T) {
			all, err := parseJWKS(jwkSet(t, row.jwk))
			if err != nil || all[0].refused != nil {
				t.Fatalf("refused: %v, %v", err, all)
			}
		})
	}
}

// What is not needed to verify with a key does not spoil it: it is noted.
func TestOptionalMembersSpoilNoSoundKey(t *testing.T) {
	ec, rsaKey := goodJWK(t, "ES256"), goodJWK(t, "RS256")
	cert := mustPEM(t, jwkstest.New(t).Certificates()["key-1"]) // of another key
	x5c := []string{base64.StdEncoding.EncodeToString(cert.Raw)}
	n := rsaKey["n"].(string)
	deep := strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)
	for _, row := range []struct {
		name string
		jwk  map[string]any
		want string // the note; empty: none
	}{
		{"x5t#S256 as base64url of hex", with(ec, "x5t#S256", encode([]byte(hex.EncodeToString(make([]byte, 32))))), "x5t#S256"},
		{"x5t#S256 a number", with(ec, "x5c", x5c, "x5t#S256", 7), "x5t#S256"},
		{"x5t#s256", with(ec, "x5t#s256", "AAAA"), ""},
		{"x5c of another key", with(ec, "x5c", x5c), "another key"},
		{"x5c empty", with(ec, "x5c", []string{}), ""},
		{"x5c null", with(ec, "x5c", json.RawMessage("null")), ""},
		{"x5c a string", with(ec, "x5c", x5c[0]), "x5c is not an array of strings"},
		{"x5c no base64", with(ec, "x5c", []string{"?"}), "x5c is not base64"},
		{"x5c no certificate", with(ec, "x5c", []string{"AAAA"}), "cannot be read"},
		{"x5c of eleven", with(ec, "x5c", slices.Repeat([]string{"AAAA"}, 11)), "11 certificates"},
		{"oth empty", with(rsaKey, "oth", []any{}), "oth is empty"},
		{"d empty", with(ec, "d", ""), "d is empty"},
		{"d null", with(ec, "d", json.RawMessage("null")), "d is empty"},
		{"key_ops of the private key", with(ec, "key_ops", []string{"sign"}), "key_ops is that of the private key"},
		{"key_ops empty", with(ec, "key_ops", []string{}), "key_ops"},
		{"key_ops a string", with(ec, "key_ops", "verify"), "key_ops"},
		{"key_ops of numbers", with(ec, "key_ops", []int{1}), "key_ops"},
		{"use empty", with(ec, "use", ""), "use is empty"},
		{"use a number", with(ec, "use", 1), "use is not a string"},
		{"alg empty", with(ec, "alg", ""), "alg is empty"},
		{"alg a list", with(ec, "alg", []string{"ES256"}), "alg is not a string"},
		{"kid a number", with(ec, "kid", 7), "kid is not a string"},
		{"kid of 257 bytes", with(ec, "kid", strings.Repeat("k", 257)), "256 bytes"},
		{"n in standard base64", with(rsaKey, "n", strings.NewReplacer("-", "+", "_", "/").Replace(n)+"=="), "n is not in base64url"},
		{"n padded", with(rsaKey, "n", n+"=="), "n is not in base64url"},
		{"n in lines", with(rsaKey, "n", n[:64]+"\n"+n[64:]), "n is not in base64url"},
		{"a member twice in a member", with(ec, "ext", json.RawMessage(`{"a":1,"a":2}`)), ""},
		{"a deep member", with(ec, "ext", json.RawMessage(deep)), ""},
		{"a huge number", with(ec, "iat", json.RawMessage("1e999")), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			all, err := parseJWKS(jwkSet(t, row.jwk))
			if err != nil {
				t.Fatal(err)
			}
			ks := newKeySet(all, &trust{}, testTime)
			if len(ks.usable) != 1 {
				t.Fatalf("the key is refused: %s", ks.infos[0].Refused)
			}
			if got := strings.Join(ks.infos[0].Notes, "; "); !strings.Contains(got, row.want) || row.want == "" && got != "" {
				t.Errorf("noted %q, want %q", got, row.want)
			}
		})
	}
}

// An issuer whose encoder writes bytes that are not UTF-8 into a comment spoils no
// key.
func TestBadBytesSpoilNoKey(t *testing.T) {
	set := bytes.Replace(jwkSet(t, with(goodJWK(t, "ES256"), "x-note", "here")), []byte("here"), []byte("\xff"), 1)
	all, err := parseJWKS(set)
	if err != nil || all[0].refused != nil {
		t.Fatalf("parseJWKS = %+v, %v", all, err)
	}
}

// RFC 7517 §4.2 leaves uses open: SPIFFE bundles write jwt-svid.
func TestUsesOfKeysAreRegistered(t *testing.T) {
	i := jwkstest.New(t)
	src := Source{JWKS: jwkSet(t, with(jwksOf(t, i.JWKS())[0], "use", "jwt-svid"))}
	if _, err := New(src, Options{}); err == nil || !strings.Contains(err.Error(), "use is \"jwt-svid\"") {
		t.Errorf("New without uses = %v", err)
	}
	src.Uses = []string{"jwt-svid"}
	wantKind(t, verify(t, mustSet(t, src, Options{}), i.Sign(i.Claims("alice", "app"))), "")
}

func TestBadSets(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"nothing", ``, "not valid JSON"},
		{"an array", `[]`, "wrong type"},
		{"no keys", `{}`, "without keys"},
		{"keys null", `{"keys":null}`, "keys"},
		{"keys an object", `{"keys":{}}`, "keys"},
		{"keys twice", `{"keys":[],"keys":[]}`, "repeated member name"},
		{"Keys", `{"Keys":[]}`, "only by case"},
		{"two sets", `{"keys":[]}{"keys":[]}`, "after the JSON document"},
		{"too many keys", `{"keys":[` + strings.Repeat("{},", 256) + `{}]}`, "more than 256 keys"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := parseJWKS([]byte(row.text)); err == nil || got != nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("parseJWKS = %v, %v; want %q", got, err, row.want)
			}
		})
	}
	all, err := parseJWKS([]byte(`{"keys":[1,null,"x",[],{"kty":"EC","kty":"EC"}]}`))
	if err != nil || len(all) != 5 {
		t.Fatalf("a set of bad keys: %v, %v", all, err)
	}
	for _, p := range all {
		if p.refused == nil {
			t.Errorf("accepted %+v", p.key)
		}
	}
}

func TestBadCertificateSpoilsNoOther(t *testing.T) {
	i := jwkstest.New(t)
	good := i.Certificates()[i.KID()]
	for _, row := range []struct{ name, text, want string }{
		{"an array", `[]`, "wrong type"},
		{"a kid twice", `{"k":"","k":""}`, "repeated member name"},
		{"too many", `{` + manyMembers(maxKeys+1) + `}`, "more than 256 keys"},
	} {
		if got, err := parseCertificates([]byte(row.text)); err == nil || got != nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, %v; want %q", row.name, got, err, row.want)
		}
	}
	text, err := json.Marshal(map[string]any{"bad": "x", "good": good, "number": 7})
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseCertificates(text)
	if err != nil || len(all) != 3 || all[0].refused == nil || all[1].refused != nil || all[2].refused == nil {
		t.Fatalf("parseCertificates = %+v, %v", all, err)
	}
}

// The rows are all encodings of the 8 points of small order
// (https://eprint.iacr.org/2020/1244, table 1).
func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	for _, x := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0200000000000000000000000000000000000000000000000000000000000000", // no point
	} {
		pub, err := hex.DecodeString(x)
		if err != nil {
			t.Fatal(err)
		}
		if checkEd25519(pub) == nil {
			t.Errorf("accepted %s", x)
		}
	}
	for range 20 {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkEd25519(pub); err != nil {
			t.Errorf("%x: %v", pub, err)
		}
	}
}

// The oracles are go-jose and the example of RFC 7638 §3.1.
func TestThumbprint(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 256))
	for _, pub := range []crypto.PublicKey{ec.Public(), ed, &rsa.PublicKey{N: n, E: 65537}} {
		want, err := (&jose.JSONWebKey{Key: pub}).Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := thumbprint(pub); err != nil || got != encode(want) {
			t.Errorf("thumbprint of %T = %s, %v; want %s", pub, got, err, encode(want))
		}
	}
	all, err := parseJWKS([]byte(`{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}]}`))
	if err != nil || all[0].thumbprint != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Fatalf("thumbprint %s, %v", all[0].thumbprint, err)
	}
}

// FuzzParseKeys: parsing does not panic, and an accepted key is of a supported
// type and has a thumbprint.
func FuzzParseKeys(f *testing.F) {
	ed := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey)
	for _, seed := range []string{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + encode(ed) + `"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AAAA"]}]}`,
		`{"keys":[]}`, `{"a":"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) ([]parsed, error){
			func(b []byte) ([]parsed, error) { return parseJWKS(b) }, parseCertificates, func(b []byte) ([]parsed, error) { return parsePEM(b, false) },
		} {
			all, err := parse(data)
			if err != nil && all != nil {
				t.Fatalf("an error came with %v", all)
			}
			for _, p := range all {
				if p.refused == nil && (p.public == nil || p.secret != nil || len(p.thumbprint) != base64url.EncodedLen(sha256.Size)) {
					t.Fatalf("accepted %+v", p.key)
				}
			}
		}
	})
}

func manyMembers(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"m%d":0`, i))
	}
	return strings.Join(out, ",")
}
