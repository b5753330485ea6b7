package jwks

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/jwks/jwkstest"

	"github.com/go-jose/go-jose/v4"
)

var everyPublicAlg = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

var testSecret = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func mustSet(t testing.TB, src Source, opts Options) *Set {
	t.Helper()
	set, err := New(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

func TestVerifyEveryAlgorithm(t *testing.T) {
	for _, alg := range everyPublicAlg {
		t.Run(alg, func(t *testing.T) {
			i := jwkstest.New(t, jwkstest.WithAlg(alg))
			set := mustSet(t, Source{JWKS: i.JWKS()}, Options{Algorithms: everyPublicAlg})
			token := i.Sign(i.Claims("alice", "app"), jwkstest.WithType("at+jwt"))
			for range 2 { // the second time without a fetch
				got, err := parseAndVerify(t.Context(), set, token, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				want, err := thumbprint(i.PublicKey())
				if err != nil {
					t.Fatal(err)
				}
				if got.Alg != alg || got.KeyID != i.KID() || got.Type != "at+jwt" || got.Thumbprint != want {
					t.Errorf("got %+v, want %s by %s", got, alg, want)
				}
				if p := strings.Split(token, ".")[1]; encode([]byte(got.Payload)) != p {
					t.Errorf("payload %s, want %s", got.Payload, p)
				}
			}
			_, err := parseAndVerify(t.Context(), set, tamper(token), time.Now())
			wantKind(t, err, SignatureInvalid)
			oracle(t, alg, token, i.PublicKey())
		})
	}
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		t.Run(alg, func(t *testing.T) {
			set := mustSet(t, Source{Secrets: []Secret{{"app", testSecret}}}, Options{Algorithms: []string{alg}})
			token := jwkstest.SignHMAC(alg, testSecret, map[string]any{"sub": "alice"})
			got, err := parseAndVerify(t.Context(), set, token, time.Now())
			if err != nil || got.Thumbprint != "app" || got.Payload != `{"sub":"alice"}` {
				t.Fatalf("Verify = %+v, %v", got, err)
			}
			_, err = parseAndVerify(t.Context(), set, tamper(token), time.Now())
			wantKind(t, err, SignatureInvalid)
			oracle(t, alg, token, testSecret)
		})
	}
}

// oracle requires that go-jose accepts what was accepted here.
func oracle(t *testing.T, alg, token string, key any) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := jws.Verify(key); err != nil || encode(payload) != strings.Split(token, ".")[1] {
		t.Fatalf("go-jose reads %q, %v", payload, err)
	}
}

// tamper changes one bit of the payload, in its first claim name.
func tamper(token string) string {
	parts := strings.Split(token, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	payload[2] ^= 1 // of the first name
	parts[1] = encode(payload)
	return strings.Join(parts, ".")
}

// The registration and the key must both allow an algorithm.
func TestOneKeyOneAlgorithm(t *testing.T) {
	i := jwkstest.New(t, jwkstest.WithAlg("RS256"))
	stated := jwksOf(t, i.JWKS())[0]
	unstated := with(stated, "alg", nil)
	pss := func() string {
		return i.SignWith("PS256", i.Claims("alice", "app"), jwkstest.WithKID(i.KID()))
	}
	for _, row := range []struct {
		name     string
		jwk      map[string]any
		accepted []string
		token    string
		want     Kind
	}{
		{"as stated", stated, []string{"RS256"}, i.Sign(i.Claims("a", "b")), ""},
		{"not stated", unstated, []string{"RS256"}, i.Sign(i.Claims("a", "b")), ""},
		{"not accepted", stated, []string{"PS256"}, i.Sign(i.Claims("a", "b")), AlgorithmNotAccepted},
		{"not as stated", stated, []string{"RS256", "PS256"}, pss(), AlgorithmNotAccepted},
		{"not of its type", unstated, []string{"RS256", "ES256"}, i.SignWith("ES256", i.Claims("a", "b"), jwkstest.WithKID(i.KID())), AlgorithmNotAccepted},
	} {
		t.Run(row.name, func(t *testing.T) {
			set := mustSet(t, Source{JWKS: jwkSet(t, row.jwk)}, Options{Algorithms: row.accepted})
			_, err := parseAndVerify(t.Context(), set, row.token, time.Now())
			wantKind(t, err, row.want)
		})
	}
}

// RFC 9864 gives EdDSA with this curve a name of its own. A registration that names
// one of the two accepts only that one; a key may state either.
func TestEd25519IsEdDSA(t *testing.T) {
	for _, row := range []struct {
		stated   any // alg of the key; nil: none
		accepted []string
		token    string
		want     Kind
	}{
		{"Ed25519", nil, "Ed25519", ""},
		{"EdDSA", nil, "Ed25519", ""},
		{"Ed25519", nil, "EdDSA", ""},
		{nil, nil, "Ed25519", ""},
		{"Ed25519", []string{"Ed25519"}, "Ed25519", ""},
		{"Ed25519", []string{"Ed25519"}, "EdDSA", AlgorithmNotAccepted},
		{"Ed25519", []string{"EdDSA"}, "Ed25519", AlgorithmNotAccepted},
	} {
		i := jwkstest.New(t, jwkstest.WithAlg("Ed25519"))
		set := mustSet(t, Source{JWKS: jwkSet(t, with(jwksOf(t, i.JWKS())[0], "alg", row.stated))}, Options{Algorithms: row.accepted})
		token := i.Sign(i.Claims("alice", "app"), jwkstest.WithHeader("alg", row.token))
		if err := verify(t, set, token); kindOf(err) != row.want {
			t.Errorf("key %v, accepted %v, token %s: %v, want %q", row.stated, row.accepted, row.token, err, row.want)
		}
	}
}

func TestDefaultAlgorithms(t *testing.T) {
	for _, alg := range append(everyPublicAlg, "Ed25519") {
		i := jwkstest.New(t, jwkstest.WithAlg(alg))
		want := Kind("")
		if !slices.Contains([]string{"RS256", "ES256", "ES384", "EdDSA", "Ed25519"}, alg) {
			want = AlgorithmNotAccepted
		}
		if err := verify(t, mustSet(t, Source{JWKS: i.JWKS()}, Options{}), i.Sign(i.Claims("alice", "app"))); kindOf(err) != want {
			t.Errorf("%s: %v, want %q", alg, err, want)
		}
	}
}

// Beside keys without kid, an unknown kid may still be that of a key which was just
// published.
func TestUnknownKIDIsFetchedBeforeKeysWithoutKID(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	nameless := jwkstest.New(t)
	i.Serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(jwkSet(t, append(jwksOf(t, i.JWKS()), with(jwksOf(t, nameless.JWKS())[0], "kid", nil))...))
	})
	set := discovered(t, i, c, func(o *Options) { o.AllowMissingKID = true })
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
	i.Rotate()
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
	wantFetches(t, i, 2)
	wantKind(t, verify(t, set, nameless.Sign(i.Claims("alice", "app"), jwkstest.WithKID("x"))), "")
}

func TestKIDNamesTheKey(t *testing.T) {
	i := jwkstest.New(t)
	first := i.Sign(i.Claims("alice", "app"))
	i.Rotate()
	claims := i.Claims("alice", "app")
	nameless := jwkSet(t, with(jwksOf(t, i.JWKS())[1], "kid", nil))
	bundle := []byte(publicPEM(t, jwkstest.New(t).PublicKey()) + publicPEM(t, i.PublicKey()))
	for _, row := range []struct {
		name  string
		src   Source
		allow bool
		token string
		want  Kind
	}{
		{"named", Source{JWKS: i.JWKS()}, false, i.Sign(claims), ""},
		{"the older key", Source{JWKS: i.JWKS()}, false, first, ""},
		{"the other key's name", Source{JWKS: i.JWKS()}, false, i.Sign(claims, jwkstest.WithKID("key-1")), SignatureInvalid},
		{"the other key's name, missing allowed", Source{JWKS: i.JWKS()}, true, i.Sign(claims, jwkstest.WithKID("key-1")), SignatureInvalid},
		{"missing", Source{JWKS: i.JWKS()}, false, i.Sign(claims, jwkstest.WithoutKID()), KeyNotFound},
		{"missing, allowed", Source{JWKS: i.JWKS()}, true, i.Sign(claims, jwkstest.WithoutKID()), ""},
		{"missing, allowed, another issuer", Source{JWKS: i.JWKS()}, true, jwkstest.New(t).Sign(claims, jwkstest.WithoutKID()), SignatureInvalid},
		{"unknown, missing allowed", Source{JWKS: i.JWKS()}, true, i.Sign(claims, jwkstest.WithKID("x")), KeyNotFound},
		{"named, the key is not", Source{JWKS: nameless}, false, i.Sign(claims), KeyNotFound},
		{"named, the key is not, allowed", Source{JWKS: nameless}, true, i.Sign(claims), ""},
		{"named, no key is, allowed, another issuer", Source{JWKS: nameless}, true, jwkstest.New(t).Sign(claims), SignatureInvalid},
		{"missing in both", Source{JWKS: nameless}, false, i.Sign(claims, jwkstest.WithoutKID()), KeyNotFound},
		{"missing in both, allowed", Source{JWKS: nameless}, true, i.Sign(claims, jwkstest.WithoutKID()), ""},
		{"PEM, named", Source{PEM: bundle}, false, i.Sign(claims), ""},
		{"PEM, missing", Source{PEM: bundle}, false, i.Sign(claims, jwkstest.WithoutKID()), ""},
		{"PEM, another issuer", Source{PEM: bundle}, false, jwkstest.New(t).Sign(claims), SignatureInvalid},
		{"certificates, named", Source{Certificates: i.Certificates()}, false, i.Sign(claims), ""},
		{"certificates, missing", Source{Certificates: i.Certificates()}, false, i.Sign(claims, jwkstest.WithoutKID()), KeyNotFound},
		{"certificates, missing, allowed", Source{Certificates: i.Certificates()}, true, i.Sign(claims, jwkstest.WithoutKID()), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			set := mustSet(t, row.src, Options{AllowMissingKID: row.allow})
			_, err := parseAndVerify(t.Context(), set, row.token, time.Now())
			wantKind(t, err, row.want)
		})
	}
}

// A token without kid costs no verification by each of an issuer's keys, however
// many there are.
func TestTriedKeysAreBounded(t *testing.T) {
	i := jwkstest.New(t)
	for range maxTries {
		i.Rotate()
	}
	set := mustSet(t, Source{JWKS: i.JWKS()}, Options{AllowMissingKID: true})
	_, err := parseAndVerify(t.Context(), set, i.Sign(i.Claims("a", "b"), jwkstest.WithoutKID()), time.Now())
	wantKind(t, err, KeyNotFound)
	_, err = parseAndVerify(t.Context(), set, i.Sign(i.Claims("a", "b")), time.Now())
	wantKind(t, err, "")
}

func TestSecrets(t *testing.T) {
	old, next, foreign := testSecret[:32], testSecret[1:33], testSecret[2:34]
	src := Source{Secrets: []Secret{{"old", old}, {"next", next}}}
	claims := map[string]any{"sub": "alice"}
	i := jwkstest.New(t)
	for _, row := range []struct {
		name   string
		change func(*Source)
		token  string
		want   Kind
	}{
		{"the old one", nil, jwkstest.SignHMAC("HS256", old, claims), ""},
		{"the next one", nil, jwkstest.SignHMAC("HS256", next, claims), ""},
		{"by its ID", nil, jwkstest.SignHMAC("HS256", next, claims, jwkstest.WithKID("next")), ""},
		{"by the other's ID", nil, jwkstest.SignHMAC("HS256", next, claims, jwkstest.WithKID("old")), SignatureInvalid},
		{"by the issuer's own kid", nil, jwkstest.SignHMAC("HS256", next, claims, jwkstest.WithKID("v7")), ""},
		{"another secret", nil, jwkstest.SignHMAC("HS256", foreign, claims), SignatureInvalid},
		{"an empty one", nil, jwkstest.SignHMAC("HS256", nil, claims), SignatureInvalid},
		{"another hash", nil, jwkstest.SignHMAC("HS384", old, claims), AlgorithmNotAccepted},
		{"an asymmetric token", nil, i.Sign(claims), AlgorithmNotAccepted},
		{"revoked", func(s *Source) { s.RevokedKeys = []string{"old"} }, jwkstest.SignHMAC("HS256", old, claims), SignatureInvalid},
		{"the other revoked", func(s *Source) { s.RevokedKeys = []string{"old"} }, jwkstest.SignHMAC("HS256", next, claims), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			mine := src
			if row.change != nil {
				row.change(&mine)
			}
			_, err := parseAndVerify(t.Context(), mustSet(t, mine, Options{}), row.token, time.Now())
			wantKind(t, err, row.want)
		})
	}
}

// A later change of the caller's slice changes no key.
func TestSecretIsCopied(t *testing.T) {
	value := slices.Clone(testSecret)
	set := mustSet(t, Source{Secrets: []Secret{{"s", value}}}, Options{})
	clear(value)
	_, err := parseAndVerify(t.Context(), set, jwkstest.SignHMAC("HS256", testSecret, map[string]any{}), time.Now())
	wantKind(t, err, "")
}

func TestBadRegistrations(t *testing.T) {
	const issuer = "https://issuer.example"
	i := jwkstest.New(t)
	secrets := []Secret{{"s", testSecret}}
	for _, row := range []struct {
		name string
		src  Source
		opts Options
		want string
	}{
		{"nothing", Source{}, Options{}, "Issuer: "},
		{"an issuer over http", Source{Issuer: "http://issuer.example"}, Options{}, "Issuer: "},
		{"an issuer that is not a URL", Source{Issuer: "issuer"}, Options{}, "Issuer: "},
		{"discovery without issuer", Source{DiscoveryURL: issuer + "/d"}, Options{}, "Issuer: "},
		{"discovery over http", Source{Issuer: issuer, DiscoveryURL: "http://issuer.example/d"}, Options{}, "DiscoveryURL: "},
		{"a JWKS URL over http", Source{JWKSURL: "http://issuer.example/k"}, Options{}, "JWKSURL: "},
		{"a JWKS URL of a file", Source{JWKSURL: "file:///etc/passwd"}, Options{AllowPrivateAddresses: true}, "JWKSURL: "},
		{"a JWKS URL with a password", Source{JWKSURL: "https://a:b@issuer.example/k"}, Options{}, "JWKSURL: "},
		{"a JWKS URL without host", Source{JWKSURL: "https:///k"}, Options{}, "JWKSURL: "},
		{"certificates over http", Source{CertificatesURL: "http://issuer.example/c"}, Options{}, "CertificatesURL: "},
		{"two sources", Source{JWKSURL: issuer + "/k", JWKS: i.JWKS()}, Options{}, "JWKS: "},
		{"a URL and secrets", Source{JWKSURL: issuer + "/k", Secrets: secrets}, Options{}, "Secrets: "},
		{"JWKS without keys", Source{JWKS: []byte(`{"keys":[]}`)}, Options{}, "JWKS: "},
		{"JWKS of oct alone", Source{JWKS: []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)}, Options{}, "JWKS: "},
		{"JWKS no JSON", Source{JWKS: []byte(`keys`)}, Options{}, "JWKS: "},
		{"a kid that is empty", Source{Certificates: map[string]string{"": publicPEM(t, i.PublicKey())}}, Options{}, "Certificates: "},
		{"two keys of a kid", Source{Certificates: map[string]string{"k": strings.Repeat(publicPEM(t, i.PublicKey()), 2)}}, Options{}, "Certificates: "},
		{"a short secret", Source{Secrets: []Secret{{"s", testSecret[:31]}}}, Options{}, "Secrets: "},
		{"a secret without ID", Source{Secrets: []Secret{{"", testSecret}}}, Options{}, "Secrets: "},
		{"three secrets", Source{Secrets: []Secret{{"a", testSecret}, {"b", testSecret}, {"c", testSecret}}}, Options{}, "Secrets: "},
		{"two secrets of an ID", Source{Secrets: []Secret{{"a", testSecret}, {"a", testSecret}}}, Options{}, "Secrets: "},
		{"a secret too short for HS512", Source{Secrets: []Secret{{"s", testSecret[:63]}}}, Options{Algorithms: []string{"HS512"}}, "Secrets: "},
		{"HS256 with public keys", Source{JWKS: i.JWKS()}, Options{Algorithms: []string{"ES256", "HS256"}}, "Algorithms: "},
		{"ES256 with secrets", Source{Secrets: secrets}, Options{Algorithms: []string{"HS256", "ES256"}}, "Algorithms: "},
		{"none", Source{JWKS: i.JWKS()}, Options{Algorithms: []string{"none"}}, "Algorithms: "},
		{"an alg in other case", Source{JWKS: i.JWKS()}, Options{Algorithms: []string{"es256"}}, "Algorithms: "},
		{"anchors of secrets", Source{Secrets: secrets, Anchors: []byte(i.Certificates()[i.KID()])}, Options{}, "Anchors: "},
		{"anchors that are not PEM", Source{JWKS: i.JWKS(), Anchors: []byte("x")}, Options{}, "Anchors: "},
		{"anchors that are keys", Source{JWKS: i.JWKS(), Anchors: []byte(publicPEM(t, i.PublicKey()))}, Options{}, "Anchors: "},
		{"a short pin", Source{JWKS: i.JWKS(), PinnedSPKI: []string{"AAAA"}}, Options{}, "PinnedSPKI: "},
		{"a kid for a thumbprint", Source{JWKS: i.JWKS(), RevokedKeys: []string{"key-1"}}, Options{}, "RevokedKeys: "},
		{"an age over 10 minutes", Source{JWKSURL: issuer + "/k"}, Options{MaxAge: 11 * time.Minute}, "MaxAge: "},
		{"a negative age", Source{JWKSURL: issuer + "/k"}, Options{MaxAge: -1}, "MaxAge: "},
		{"stale before old", Source{JWKSURL: issuer + "/k"}, Options{MaxStale: time.Minute}, "MaxStale: "},
		{"stale for days", Source{JWKSURL: issuer + "/k"}, Options{MaxStale: 25 * time.Hour}, "MaxStale: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			set, err := New(row.src, row.opts)
			if err == nil || set != nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Fatalf("New = %v, %v; want an error that begins with %q", set, err, row.want)
			}
			if strings.Contains(err.Error(), string(testSecret[:31])) {
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

func TestKeysIncludeRefusedOnes(t *testing.T) {
	i := jwkstest.New(t)
	weak := map[string]any{"kty": "RSA", "kid": "weak", "n": ones(1024), "e": "AQAB"}
	set := mustSet(t, Source{JWKS: jwkSet(t, append(jwksOf(t, i.JWKS()), weak)...)}, Options{})
	infos, err := set.Keys(t.Context())
	if err != nil || len(infos) != 2 {
		t.Fatalf("Keys = %+v, %v; want two", infos, err)
	}
	want := KeyInfo{KeyID: i.KID(), Type: "EC", Alg: "ES256", Use: "sig", Thumbprint: infos[0].Thumbprint}
	if !reflect.DeepEqual(infos[0], want) || want.Thumbprint == "" {
		t.Errorf("got %+v, want %+v", infos[0], want)
	}
	if infos[1].KeyID != "weak" || !strings.Contains(infos[1].Refused, "1024 bits") {
		t.Errorf("got %+v, want the weak key refused", infos[1])
	}
	infos[0].KeyID = "changed"
	if again, _ := set.Keys(t.Context()); again[0].KeyID != i.KID() {
		t.Error("a caller changed the set")
	}
}

// A caller waits for a place no longer than its context, and a place is released
// whatever the outcome.
func TestVerifyingIsBounded(t *testing.T) {
	i := jwkstest.New(t)
	places := make(chan struct{}, 1)
	set := mustSet(t, Source{JWKS: i.JWKS()}, Options{Verifying: places})
	good := i.Sign(i.Claims("alice", "app"))
	for _, token := range []string{good, tamper(good), good} {
		parseAndVerify(t.Context(), set, token, time.Now())
		if len(places) != 0 {
			t.Fatal("a place was not released")
		}
	}
	places <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := parseAndVerify(ctx, set, good, time.Now())
	wantKind(t, err, Overloaded)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it to say that the context ended", err)
	}
	_, err = parseAndVerify(ctx, set, "no token", time.Now())
	wantKind(t, err, Malformed)
}

// parseAndVerify parses a token and verifies it.
func parseAndVerify(ctx context.Context, s *Set, text string, now time.Time) (Verified, error) {
	t, err := Parse(text)
	if err != nil {
		return Verified{}, err
	}
	return s.Verify(ctx, t, now)
}
