package jwks

import (
	"net/http"
	"testing"
	"time"

	"cambio/jwks/jwkstest"
)

// unite returns the union of sources, each with its algorithms.
func unite(t *testing.T, c *clock, parts ...Part) *Union {
	t.Helper()
	return Join(c.now, parts...)
}

func part(t *testing.T, c *clock, src Source, algorithms ...string) Part {
	t.Helper()
	return Part{Set: mustSet(t, src, Options{Algorithms: algorithms, AllowPrivateAddresses: true, Now: c.now})}
}

func (u *Union) verify(t *testing.T, text string) error {
	t.Helper()
	token, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Verify(t.Context(), token, u.now())
	return err
}

// The secret is also published as a public key and the public key written as a
// secret: neither verifies where the other is meant.
func TestSecretsAndPublicKeysOfOneIssuerDoNotMix(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	claims := i.Claims("alice", "app")
	u := unite(t, c,
		part(t, c, Source{Secrets: []Secret{{"channel", testSecret}}}, "HS256"),
		part(t, c, Source{JWKSURL: i.URL + jwkstest.JWKSPath}, "ES256"))
	for _, row := range []struct {
		name, token string
		want        Kind
	}{
		{"by the secret", jwkstest.SignHMAC("HS256", testSecret, claims), ""},
		{"by the secret, named", jwkstest.SignHMAC("HS256", testSecret, claims, jwkstest.WithKID("channel")), ""},
		{"by the secret, with the kid of the key", jwkstest.SignHMAC("HS256", testSecret, claims, jwkstest.WithKID(i.KID())), ""},
		{"by the key", i.Sign(claims), ""},
		{"by another secret", jwkstest.SignHMAC("HS256", testSecret[1:33], claims), SignatureInvalid},
		{"by the key's numbers as a secret", jwkstest.SignHMAC("HS256", []byte(publicPEM(t, i.PublicKey())), claims), SignatureInvalid},
		{"by the key under the name of the secret", i.Sign(claims, jwkstest.WithHeader("alg", "HS256")), SignatureInvalid},
		{"an algorithm of neither", i.SignWith("ES384", claims), AlgorithmNotAccepted},
		{"an HMAC of neither", jwkstest.SignHMAC("HS384", testSecret, claims), AlgorithmNotAccepted},
		{"none", unsigned(`{"iss":"a"}`), Malformed},
	} {
		if err := u.verify(t, row.token); kindOf(err) != row.want || row.want == "" && err != nil {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	wantFetches(t, i, 1)
}

func TestSourceEnds(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	old := part(t, c, Source{Secrets: []Secret{{"legacy", testSecret}}}, "HS256")
	old.Until = testTime.Add(time.Hour)
	u := unite(t, c, old, part(t, c, Source{JWKSURL: i.URL + jwkstest.JWKSPath}, "ES256"))
	token := jwkstest.SignHMAC("HS256", testSecret, i.Claims("alice", "app"))
	c.advance(time.Hour - time.Second)
	wantKind(t, u.verify(t, token), "")
	c.advance(time.Second)
	wantKind(t, u.verify(t, token), AlgorithmNotAccepted)
	wantKind(t, u.verify(t, i.Sign(i.Claims("alice", "app"))), "")
	if u.Revoked("legacy") {
		t.Error("the end of a source revoked what it proved")
	}
	infos, err := u.Keys(t.Context())
	if err != nil || len(infos) != 2 || infos[0].Refused == "" || infos[1].Refused != "" {
		t.Errorf("Keys = %+v, %v; want the ended source's refused", infos, err)
	}
}

// Two key sets of one issuer: a token causes no fetch of the one that lacks its key.
func TestSourcesOfOneAlgorithm(t *testing.T) {
	first, second, c := jwkstest.New(t), jwkstest.New(t), &clock{}
	second.Rotate() // a kid of its own
	source := func(i *jwkstest.Issuer) Source { return Source{JWKSURL: i.URL + jwkstest.JWKSPath} }
	u := unite(t, c, part(t, c, source(first), "ES256"), part(t, c, source(second), "ES256"))
	token := second.Sign(second.Claims("alice", "app"))
	wantKind(t, u.verify(t, token), "")
	fetches := first.Fetches()
	for range 100 {
		c.advance(time.Second)
		wantKind(t, u.verify(t, token), "")
	}
	wantFetches(t, first, fetches)
	wantKind(t, u.verify(t, first.Sign(first.Claims("alice", "app"))), "")
	wantKind(t, u.verify(t, tamper(token)), SignatureInvalid)
	second.Fail(http.StatusBadGateway)
	c.advance(2 * time.Hour)
	wantKind(t, u.verify(t, token), Unavailable)
	wantKind(t, u.verify(t, first.Sign(first.Claims("alice", "app"))), "")
}

func TestRevokedInAUnion(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	fetched := part(t, c, Source{JWKSURL: i.URL + jwkstest.JWKSPath}, "ES256")
	key, err := thumbprint(i.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	revoking := part(t, c, Source{JWKSURL: i.URL + jwkstest.JWKSPath, RevokedKeys: []string{key}}, "ES256")
	secret := part(t, c, Source{Secrets: []Secret{{"app", testSecret}}}, "HS256")
	for _, row := range []struct {
		name string
		u    *Union
		key  string
		want bool
	}{
		{"a fetched key", unite(t, c, fetched, secret), key, false},
		{"a fetched key that is revoked", unite(t, c, revoking, secret), key, true},
		{"a secret", unite(t, c, fetched, secret), "app", false},
		{"a secret that was removed", unite(t, c, fetched), "app", true},
		{"a key without its source", unite(t, c, secret), key, true},
	} {
		if got := row.u.Revoked(row.key); got != row.want {
			t.Errorf("%s: revoked %t, want %t", row.name, got, row.want)
		}
	}
}
