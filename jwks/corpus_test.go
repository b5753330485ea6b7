package jwks

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/jwks/jwkstest"
)

// badToken is a token that must be refused, made from a good one by changing
// one thing.
type badToken struct {
	name, token string
	kind        Kind
}

// forge makes bad tokens from an ES256 issuer whose keys are trusted, another
// whose keys are not, and a good token of the first.
type forge struct {
	issuer, other   *jwkstest.Issuer
	good            string
	h, p, s         string // its parts
	header, payload string // decoded
}

func newForge(t testing.TB) *forge {
	f := &forge{issuer: jwkstest.New(t), other: jwkstest.New(t)}
	f.good = f.issuer.Sign(f.issuer.Claims("alice", "app"))
	parts := strings.Split(f.good, ".")
	f.h, f.p, f.s = parts[0], parts[1], parts[2]
	f.header, f.payload = unbase64(t, f.h), unbase64(t, f.p)
	return f
}

func unbase64(t testing.TB, s string) string {
	t.Helper()
	b, err := decode(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// signed returns a token with the header as given, signed by the trusted key.
func (f *forge) signed(header string) string {
	return f.issuer.SignBytes([]byte(header), []byte(f.payload))
}

func (f *forge) shapes() []badToken {
	row := func(name, token string) badToken { return badToken{"shape: " + name, token, Malformed} }
	return []badToken{
		row("nothing", ""),
		row("a word", "foobar"),
		row("one dot", f.h+"."+f.p),
		row("three dots", f.good+"."),
		row("three dots, the first empty", "."+f.good),
		row("four dots", f.good+".."),
		row("a JWE", f.good+".AAAA.AAAA"),
		row("only dots", ".."),
		row("no header", "."+f.p+"."+f.s),
		row("no payload", f.h+".."+f.s),
		row("no signature", f.h+"."+f.p+"."),
		row("space before", " "+f.good),
		row("space after", f.good+" "),
		row("line feed after", f.good+"\n"),
		row("carriage return after", f.good+"\r"),
		row("CRLF after", f.good+"\r\n"),
		row("line feed before", "\n"+f.good),
		row("tab after", f.good+"\t"),
		row("NUL after", f.good+"\x00"),
		row("byte order mark", "\ufeff"+f.good),
		row("Bearer", "Bearer "+f.good),
		row("quotes", `"`+f.good+`"`),
		row("percent encoding", strings.ReplaceAll(f.good, ".", "%2E")),
		row("full-width dots", strings.ReplaceAll(f.good, ".", "．")),
		row("flattened JSON", fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, f.h, f.p, f.s)),
		row("general JSON", fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, f.p, f.h, f.s)),
		row("twice", f.good+f.good),
		row("more than 16 KiB", f.issuer.SignBytes([]byte(f.header), make([]byte, 13<<10))),
		row("a signature of 2 KiB", f.h+"."+f.p+"."+strings.Repeat("A", 2048)),
	}
}

// spellings respell each part so that lenient decoders read the same bytes.
func (f *forge) spellings() []badToken {
	var out []badToken
	for part, name := range []string{"header", "payload", "signature"} {
		with := func(what string, change func(string) string) {
			parts := []string{f.h, f.p, f.s}
			parts[part] = change(parts[part])
			out = append(out, badToken{name + ": " + what, strings.Join(parts, "."), Malformed})
		}
		insert := func(what string) func(string) string {
			return func(s string) string { return s[:8] + what + s[8:] }
		}
		with("padding", func(s string) string { return s + strings.Repeat("=", 1+(3-len(s)%4)%4) })
		with("padding of one", func(s string) string { return s + "=" })
		with("line feed inside", insert("\n"))
		with("carriage return inside", insert("\r"))
		with("CRLF inside", insert("\r\n"))
		with("four line feeds inside", insert("\n\n\n\n"))
		with("space inside", insert(" "))
		with("NUL inside", insert("\x00"))
		with("plus sign", insert("+"))
		with("slash", insert("/"))
		with("letter beyond ASCII", insert("é"))
		with("line feed at the end", func(s string) string { return s + "\n" })
		with("line feed at the start", func(s string) string { return "\n" + s })
		with("one letter too many", func(s string) string { return s + strings.Repeat("A", 1+(4-len(s)%4)%4) })
	}
	return append(out, f.strayBits()...)
}

// strayBits sets bits that base64 does not use. Not every length has them, so
// headers and payloads of several lengths are tried.
func (f *forge) strayBits() []badToken {
	var out []badToken
	for pad := range 3 {
		header := strings.Replace(f.header, "{", `{"pad":"`+strings.Repeat("x", pad)+`",`, 1)
		payload := strings.Replace(f.payload, "{", `{"pad":"`+strings.Repeat("x", pad)+`",`, 1)
		token := f.issuer.SignBytes([]byte(header), []byte(payload))
		for part, name := range []string{"header", "payload", "signature"} {
			parts := strings.Split(token, ".")
			if len(parts[part])%4 == 0 {
				continue
			}
			parts[part] = nextSpelling(parts[part])
			out = append(out, badToken{fmt.Sprintf("%s: stray bits (%d)", name, pad), strings.Join(parts, "."), Malformed})
		}
	}
	return out
}

// nextSpelling increments the last letter, whose lowest bits are not used.
func nextSpelling(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])+1])
}

// headers are signed by the trusted key: only the header is bad.
func (f *forge) headers() []badToken {
	kid := fmt.Sprintf(`"kid":%q`, f.issuer.KID())
	rows := []struct {
		name, header string
		kind         Kind
	}{
		{"an array", `[]`, Malformed},
		{"a string", `"ES256"`, Malformed},
		{"null", `null`, Malformed},
		{"empty", ` `, Malformed},
		{"an empty object", `{}`, Malformed},
		{"no alg", `{` + kid + `}`, Malformed},
		{"alg empty", `{"alg":"",` + kid + `}`, Malformed},
		{"alg null", `{"alg":null,` + kid + `}`, Malformed},
		{"alg a number", `{"alg":256,` + kid + `}`, Malformed},
		{"alg an array", `{"alg":["ES256"],` + kid + `}`, Malformed},
		{"alg twice", `{"alg":"ES256","alg":"ES256",` + kid + `}`, Malformed},
		{"alg twice, none first", `{"alg":"none","alg":"ES256",` + kid + `}`, Malformed},
		{"alg twice, one escaped", `{"alg":"ES256","\u0061lg":"none",` + kid + `}`, Malformed},
		{"Alg", `{"Alg":"ES256",` + kid + `}`, Malformed},
		{"Alg beside alg", `{"alg":"ES256","Alg":"none",` + kid + `}`, Malformed},
		{"kid twice", `{"alg":"ES256",` + kid + `,` + kid + `}`, Malformed},
		{"Kid beside kid", `{"alg":"ES256","Kid":"x",` + kid + `}`, Malformed},
		{"Kelvin id", `{"alg":"ES256","\u212aid":"x",` + kid + `}`, Malformed},
		{"TYP", `{"alg":"ES256","TYP":"JWT",` + kid + `}`, Malformed},
		{"Crit", `{"alg":"ES256","Crit":["exp"],"exp":1,` + kid + `}`, Malformed},
		{"B64", `{"alg":"ES256","B64":false,` + kid + `}`, Malformed},
		{"duplicates inside jwk", `{"alg":"ES256","jwk":{"a":1,"a":2},` + kid + `}`, Malformed},
		{"alg none", `{"alg":"none",` + kid + `}`, AlgorithmNotAccepted},
		{"alg None", `{"alg":"None",` + kid + `}`, AlgorithmNotAccepted},
		{"alg NONE", `{"alg":"NONE",` + kid + `}`, AlgorithmNotAccepted},
		{"alg lower case", `{"alg":"es256",` + kid + `}`, AlgorithmNotAccepted},
		{"alg with a space after", `{"alg":"ES256 ",` + kid + `}`, AlgorithmNotAccepted},
		{"alg with a space before", `{"alg":" ES256",` + kid + `}`, AlgorithmNotAccepted},
		{"alg with NUL", `{"alg":"ES256\u0000",` + kid + `}`, AlgorithmNotAccepted},
		{"alg ES256K", `{"alg":"ES256K",` + kid + `}`, AlgorithmNotAccepted},
		{"alg HS256", `{"alg":"HS256",` + kid + `}`, AlgorithmNotAccepted},
		{"alg of encryption", `{"alg":"dir",` + kid + `}`, AlgorithmNotAccepted},
		{"alg of another curve", `{"alg":"ES384",` + kid + `}`, AlgorithmNotAccepted},
		{"alg of another key type", `{"alg":"RS256",` + kid + `}`, AlgorithmNotAccepted},
		{"alg of another key type, PSS", `{"alg":"PS256",` + kid + `}`, AlgorithmNotAccepted},
		{"alg EdDSA", `{"alg":"EdDSA",` + kid + `}`, AlgorithmNotAccepted},
		{"crit empty", `{"alg":"ES256","crit":[],` + kid + `}`, Malformed},
		{"crit unknown", `{"alg":"ES256","crit":["exp"],"exp":1,` + kid + `}`, Malformed},
		{"crit b64", `{"alg":"ES256","crit":["b64"],"b64":true,` + kid + `}`, Malformed},
		{"crit kid", `{"alg":"ES256","crit":["kid"],` + kid + `}`, Malformed},
		{"crit null", `{"alg":"ES256","crit":null,` + kid + `}`, Malformed},
		{"crit a string", `{"alg":"ES256","crit":"exp",` + kid + `}`, Malformed},
		{"b64 true", `{"alg":"ES256","b64":true,` + kid + `}`, Malformed},
		{"b64 false", `{"alg":"ES256","b64":false,` + kid + `}`, Malformed},
		{"zip", `{"alg":"ES256","zip":"DEF",` + kid + `}`, Malformed},
		{"zip in lower case", `{"alg":"ES256","zip":"def",` + kid + `}`, Malformed},
		{"zip that is no compression, with enc", `{"alg":"ES256","zip":"RS256","enc":"A128GCM",` + kid + `}`, Malformed},
		{"enc", `{"alg":"ES256","enc":"A256GCM",` + kid + `}`, Malformed},
		{"cty JWT", `{"alg":"ES256","cty":"JWT",` + kid + `}`, TypeNotAccepted},
		{"cty jwt", `{"alg":"ES256","cty":"jwt",` + kid + `}`, TypeNotAccepted},
		{"cty application/jwt", `{"alg":"ES256","cty":"application/jwt",` + kid + `}`, TypeNotAccepted},
		{"cty a number", `{"alg":"ES256","cty":1,` + kid + `}`, Malformed},
		{"typ a number", `{"alg":"ES256","typ":1,` + kid + `}`, Malformed},
		{"typ null", `{"alg":"ES256","typ":null,` + kid + `}`, Malformed},
		{"no kid", `{"alg":"ES256"}`, KeyNotFound},
		{"kid empty", `{"alg":"ES256","kid":""}`, Malformed},
		{"kid null", `{"alg":"ES256","kid":null}`, Malformed},
		{"kid a number", `{"alg":"ES256","kid":1}`, Malformed},
		{"kid an array", `{"alg":"ES256","kid":["key-1"]}`, Malformed},
		{"kid of 257 bytes", `{"alg":"ES256","kid":"` + strings.Repeat("k", 257) + `"}`, Malformed},
		{"kid unknown", `{"alg":"ES256","kid":"key-9"}`, KeyNotFound},
		{"kid in other case", `{"alg":"ES256","kid":"KEY-1"}`, KeyNotFound},
		{"kid with a space", `{"alg":"ES256","kid":"key-1 "}`, KeyNotFound},
		{"kid with NUL", `{"alg":"ES256","kid":"key-1\u0000"}`, KeyNotFound},
		{"kid a path", `{"alg":"ES256","kid":"../../dev/null"}`, KeyNotFound},
		{"kid of a refused key", `{"alg":"ES256","kid":"weak"}`, KeyNotFound},
		{"trailing object", `{"alg":"ES256",` + kid + `}{}`, Malformed},
		{"trailing letter", `{"alg":"ES256",` + kid + `}x`, Malformed},
		{"trailing NUL", `{"alg":"ES256",` + kid + "}\x00", Malformed},
		{"trailing comma", `{"alg":"ES256",` + kid + `,}`, Malformed},
		{"a comment", `{"alg":"ES256",/**/` + kid + `}`, Malformed},
		{"single quotes", `{'alg':'ES256'}`, Malformed},
		{"bare names", `{alg:"ES256"}`, Malformed},
		{"byte order mark", "\ufeff" + `{"alg":"ES256",` + kid + `}`, Malformed},
		{"bad UTF-8 in a value", `{"alg":"ES256","x":"` + "\xff" + `",` + kid + `}`, Malformed},
		{"bad UTF-8 in a name", `{"alg":"ES256","` + "\xff" + `":1,` + kid + `}`, Malformed},
		{"half a surrogate", `{"alg":"ES256","x":"\ud800",` + kid + `}`, Malformed},
		{"half a surrogate in kid", `{"alg":"ES256","kid":"\udc00"}`, Malformed},
		{"a control byte", `{"alg":"ES256","x":"` + "\x01" + `",` + kid + `}`, Malformed},
		{"17 levels", `{"alg":"ES256","x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `,` + kid + `}`, Malformed},
		{"5,000 levels", `{"alg":"ES256","x":` + strings.Repeat("[", 2500) + strings.Repeat("]", 2500) + `,` + kid + `}`, Malformed},
		{"NaN", `{"alg":"ES256","x":NaN,` + kid + `}`, Malformed},
		{"a leading zero", `{"alg":"ES256","x":01,` + kid + `}`, Malformed},
		{"a hexadecimal escape", `{"alg":"\x45S256",` + kid + `}`, Malformed},
	}
	out := make([]badToken, len(rows))
	for i, r := range rows {
		out[i] = badToken{"header: " + r.name, f.signed(r.header), r.kind}
	}
	return out
}

// signatures are bad ones of a good header and payload.
func (f *forge) signatures(t testing.TB) []badToken {
	good := []byte(unbase64(t, f.s))
	r, s := good[:32], good[32:]
	order := new(big.Int).Set(f.issuer.PublicKey().(*ecdsa.PublicKey).Params().N)
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[10] ^= 1
	zero := make([]byte, 32)
	row := func(name string, sig []byte) badToken {
		return badToken{"signature: " + name, f.h + "." + f.p + "." + encode(sig), SignatureInvalid}
	}
	return []badToken{
		row("zeros", make([]byte, 64)),
		row("ones", slices.Repeat([]byte{0xff}, 64)),
		row("one bit flipped", flipped),
		row("one byte short", good[:63]),
		row("one byte long", append(slices.Clone(good), 0)),
		row("one zero byte before", append([]byte{0}, good...)),
		row("a byte short and a zero before", append([]byte{0}, good[:63]...)),
		row("ASN.1", der),
		row("r and s exchanged", slices.Concat(s, r)),
		row("r = 0", slices.Concat(zero, s)),
		row("s = 0", slices.Concat(r, zero)),
		row("s = n", slices.Concat(r, order.Bytes())),
		row("only r", r),
		row("twice", slices.Concat(good, good)),
		row("wider numbers", slices.Concat(zero, r, zero, s)),
		row("one byte", []byte{1}),
	}
}

// impostors have a valid signature by another key or of other content.
func (f *forge) impostors(t testing.TB) []badToken {
	claims := f.issuer.Claims("alice", "app")
	again := strings.Split(f.issuer.Sign(f.issuer.Claims("mallory", "app")), ".")
	attacker := jwksOf(t, f.other.JWKS())[0]
	cert, _ := pem.Decode([]byte(f.other.Certificates()[f.other.KID()]))
	by := func(opts ...jwkstest.SignOption) string {
		return f.other.Sign(claims, append(opts, jwkstest.WithKID(f.issuer.KID()))...)
	}
	row := func(name, token string, kind Kind) badToken { return badToken{"impostor: " + name, token, kind} }
	out := []badToken{
		row("another issuer's key, same kid", by(), SignatureInvalid),
		row("key in jwk", by(jwkstest.WithHeader("jwk", attacker)), SignatureInvalid),
		row("key in jwk, its own kid", f.other.Sign(claims, jwkstest.WithKID("mine"), jwkstest.WithHeader("jwk", attacker)), KeyNotFound),
		row("key at jku", by(jwkstest.WithHeader("jku", f.other.URL+jwkstest.JWKSPath)), SignatureInvalid),
		row("key at x5u", by(jwkstest.WithHeader("x5u", f.other.URL+jwkstest.CertificatesPath)), SignatureInvalid),
		row("key in x5c", by(jwkstest.WithHeader("x5c", [][]byte{cert.Bytes})), SignatureInvalid),
		row("another key of the issuer", f.issuer.Sign(claims, jwkstest.WithKID("second")), SignatureInvalid),
		row("another payload", f.h+"."+again[1]+"."+f.s, SignatureInvalid),
		row("another signature", f.h+"."+f.p+"."+again[2], SignatureInvalid),
		row("another header", encode([]byte(strings.Replace(f.header, "{", "{ ", 1)))+"."+f.p+"."+f.s, SignatureInvalid),
		row("unsigned", encode([]byte(`{"alg":"none"}`))+"."+f.p+".AA", AlgorithmNotAccepted),
		row("EdDSA by another key", f.other.SignWith("EdDSA", claims, jwkstest.WithKID(f.issuer.KID())), AlgorithmNotAccepted),
	}
	for name, secret := range publicSecrets(t, f.issuer) {
		header := fmt.Sprintf(`{"alg":"HS256","kid":%q}`, f.issuer.KID())
		input := encode([]byte(header)) + "." + f.p
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		out = append(out, row("HMAC with the public key, "+name, input+"."+encode(mac.Sum(nil)), AlgorithmNotAccepted))
	}
	return out
}

// publicSecrets are encodings of a public key that were used as an HMAC secret.
func publicSecrets(t testing.TB, i *jwkstest.Issuer) map[string][]byte {
	der, err := x509.MarshalPKIXPublicKey(i.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	point, err := i.PublicKey().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return map[string][]byte{
		"DER": der, "PEM": text, "PEM without the last line feed": text[:len(text)-1],
		"point": point, "JWKS": i.JWKS(), "empty": {},
	}
}

// all returns the bad tokens.
func (f *forge) all(t testing.TB) []badToken {
	return slices.Concat(f.shapes(), f.spellings(), f.headers(), f.signatures(t), f.impostors(t))
}

// keys returns the issuer's keys, with a second key and a refused one.
func (f *forge) keys(t testing.TB) []byte {
	t.Helper()
	second := jwksOf(t, jwkstest.New(t).JWKS())[0]
	second["kid"] = "second"
	weak := map[string]any{"kty": "RSA", "kid": "weak", "n": encode(slices.Repeat([]byte{0xff}, 128)), "e": "AQAB"}
	return jwkSet(t, append(jwksOf(t, f.issuer.JWKS()), second, weak)...)
}

// jwksOf returns the keys of a JSON Web Key Set.
func jwksOf(t testing.TB, jwks []byte) []map[string]any {
	t.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

// jwkSet returns a JSON Web Key Set.
func jwkSet(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	out, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBadTokens(t *testing.T) {
	f := newForge(t)
	set, err := New(Source{JWKS: f.keys(t)}, Options{Algorithms: []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseAndVerify(t.Context(), set, f.good, time.Now()); err != nil {
		t.Fatalf("the good token: %v", err)
	}
	rows := f.all(t)
	if len(rows) < 150 {
		t.Errorf("%d bad tokens, want at least 150", len(rows))
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := parseAndVerify(t.Context(), set, row.token, time.Now())
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("Verify = %v, %v; want an *Error", got, err)
			}
			if e.Kind != row.kind {
				t.Errorf("%v, want %s", err, row.kind)
			}
			if got.Payload != "" || got.Thumbprint != "" {
				t.Errorf("an error came with %+v", got)
			}
			if len(err.Error()) > 600 || strings.Contains(err.Error(), f.s) {
				t.Errorf("the error repeats too much of the token: %v", err)
			}
		})
	}
}

// These headers are unusual and valid: the corpus is refused for the reasons it
// names, not for its form.
func TestGoodHeaders(t *testing.T) {
	f := newForge(t)
	set, err := New(Source{JWKS: f.keys(t)}, Options{Algorithms: []string{"ES256"}})
	if err != nil {
		t.Fatal(err)
	}
	kid := fmt.Sprintf(`"kid":%q`, f.issuer.KID())
	for _, header := range []string{
		`{"alg":"ES256",` + kid + `}`,
		` { "alg" : "ES256" , ` + kid + ` } `,
		`{"alg":"\u0045S256",` + kid + `}`,
		`{"alg":"ES256","x":{"y":[1,2,{"z":null}]},` + kid + `}`,
		`{"alg":"ES256","cty":"json",` + kid + `}`,
		`{"alg":"ES256","zip":"RS256",` + kid + `}`, // as LinkedIn writes it
		`{"alg":"ES256","zip":"",` + kid + `}`,
		`{"alg":"ES256","zip":null,` + kid + `}`,
		`{"alg":"ES256","zip":{"x":1},` + kid + `}`,
		`{"alg":"ES256","jku":"https://evil.example","x5u":7,"x5c":[],"jwk":null,` + kid + `}`,
	} {
		if _, err := parseAndVerify(t.Context(), set, f.signed(header), time.Now()); err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
}
