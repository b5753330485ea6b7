package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"cambio/jwks/jwkstest"
)

// testTime is the time of these tests.
var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// authority is a certificate that signs others.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string, parent *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: testTime.Add(-time.Hour), NotAfter: testTime.Add(2 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if parent == nil {
		a.cert = makeCertificate(t, template, template, key.Public(), key)
	} else {
		a.cert = makeCertificate(t, template, parent.cert, key.Public(), parent.key)
	}
	return a
}

func makeCertificate(t *testing.T, template, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue returns a certificate of pub, valid for an hour around testTime unless
// changed.
func (a *authority) issue(t *testing.T, pub crypto.PublicKey, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "issuer"},
		NotBefore: testTime.Add(-time.Hour), NotAfter: testTime.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, c := range change {
		c(template)
	}
	return makeCertificate(t, template, a.cert, pub, a.key)
}

func pemOf(certs ...*x509.Certificate) string {
	var out strings.Builder
	for _, c := range certs {
		pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return out.String()
}

func publicPEM(t *testing.T, pub crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// x5cJWK returns a key that consists of its certificates.
func x5cJWK(kty, kid string, certs ...*x509.Certificate) map[string]any {
	var x5c []string
	for _, c := range certs {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return map[string]any{"kty": kty, "kid": kid, "x5c": x5c}
}

// verifies requires that a set of src verifies a token at testTime, or fails.
func verifies(t *testing.T, src Source, token string) error {
	t.Helper()
	set, err := New(src, Options{Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = parseAndVerify(t.Context(), set, token, testTime)
	return err
}

func TestAnchors(t *testing.T) {
	i := jwkstest.New(t)
	token := i.Sign(i.Claims("alice", "app"))
	own := jwksOf(t, i.JWKS())[0]
	root, foreign := newAuthority(t, "root", nil), newAuthority(t, "root", nil)
	middle := newAuthority(t, "middle", root)
	kid, pub := i.KID(), i.PublicKey()
	leaf, deep := root.issue(t, pub), middle.issue(t, pub)
	anchors := []byte(pemOf(root.cert))
	x5c := func(certs ...*x509.Certificate) Source {
		return Source{JWKS: jwkSet(t, x5cJWK("EC", kid, certs...)), Anchors: anchors}
	}
	for _, row := range []struct {
		name string
		src  Source
		want Kind // empty: accepted
	}{
		{"only x5c", Source{JWKS: jwkSet(t, x5cJWK("EC", kid, leaf))}, ""},
		{"only x5c, self-signed", Source{JWKS: jwkSet(t, x5cJWK("EC", kid, mustPEM(t, i.Certificates()[kid])))}, ""},
		{"a chain to the anchor", x5c(leaf), ""},
		{"a chain over another", x5c(deep, middle.cert), ""},
		{"a chain with its root", x5c(deep, middle.cert, root.cert), ""},
		{"a chain with a hole", x5c(deep), KeyNotFound},
		{"a root of the same name", x5c(foreign.issue(t, pub)), KeyNotFound},
		{"a root of the same name, brought along", x5c(foreign.issue(t, pub), foreign.cert), KeyNotFound},
		{"no certificate", Source{JWKS: jwkSet(t, own), Anchors: anchors}, KeyNotFound},
		{"expired", x5c(root.issue(t, pub, ends(-time.Second))), KeyNotFound},
		{"not valid yet", x5c(root.issue(t, pub, begins(time.Second))), KeyNotFound},
		{"not for signatures", x5c(root.issue(t, pub, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })), KeyNotFound},
		{"signed by a leaf", x5c(fromLeaf(t, root, pub)...), KeyNotFound},
		{"expired, without anchors", Source{JWKS: jwkSet(t, x5cJWK("EC", kid, root.issue(t, pub, ends(-time.Second))))}, ""},
		{"PEM with its link", Source{PEM: []byte(pemOf(deep, middle.cert)), Anchors: anchors}, ""},
		{"PEM without its link", Source{PEM: []byte(pemOf(deep)), Anchors: anchors}, KeyNotFound},
		{"PEM of a bare key", Source{PEM: []byte(publicPEM(t, pub)), Anchors: anchors}, KeyNotFound},
		{"named PEM with its link", Source{Certificates: map[string]string{kid: pemOf(deep, middle.cert)}, Anchors: anchors}, ""},
		{"named PEM of a foreign root", Source{Certificates: map[string]string{kid: pemOf(foreign.issue(t, pub))}, Anchors: anchors}, KeyNotFound},
	} {
		t.Run(row.name, func(t *testing.T) { wantKind(t, verifies(t, row.src, token), row.want) })
	}
}

func ends(after time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = testTime.Add(after) }
}

func begins(after time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore = testTime.Add(after) }
}

// fromLeaf returns a certificate signed by one that is no CA.
func fromLeaf(t *testing.T, root *authority, pub crypto.PublicKey) []*x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &authority{key: key, cert: root.issue(t, key.Public())}
	return []*x509.Certificate{leaf.issue(t, pub), leaf.cert}
}

func mustPEM(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	keys, err := readPEM([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return keys[0].cert
}

func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	if kindOf(err) != want || want == "" && err != nil {
		t.Fatalf("%v, want %s", err, want)
	}
}

func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

func TestAnchoredKeyIsValidWithItsWholeChain(t *testing.T) {
	i := jwkstest.New(t)
	token := i.Sign(i.Claims("alice", "app"))
	root := newAuthority(t, "root", nil)
	leaf := root.issue(t, i.PublicKey(), begins(time.Minute), ends(time.Hour))
	set, err := New(Source{JWKS: jwkSet(t, x5cJWK("EC", i.KID(), leaf)), Anchors: []byte(pemOf(root.cert))},
		Options{Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		after time.Duration
		want  Kind
	}{{0, KeyNotFound}, {time.Minute, ""}, {time.Hour, ""}, {time.Hour + time.Second, KeyNotFound}} {
		_, err := parseAndVerify(t.Context(), set, token, testTime.Add(row.after))
		wantKind(t, err, row.want)
	}
}

func TestCertificateOfAnotherKey(t *testing.T) {
	i, other := jwkstest.New(t), jwkstest.New(t)
	root := newAuthority(t, "root", nil)
	mine, theirs := root.issue(t, i.PublicKey()), root.issue(t, other.PublicKey())
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	sum := sha256.Sum256(mine.Raw)
	jwk := jwksOf(t, i.JWKS())[0]
	for _, row := range []struct {
		name string
		jwk  map[string]any
		want string // empty: accepted
	}{
		{"of the key", with(jwk, "x5c", x5cJWK("", "", mine)["x5c"]), ""},
		{"of the key, with its hash", with(jwk, "x5c", x5cJWK("", "", mine)["x5c"], "x5t#S256", encode(sum[:])), ""},
		{"with another hash", with(jwk, "x5c", x5cJWK("", "", theirs)["x5c"], "x", jwksOf(t, other.JWKS())[0]["x"],
			"y", jwksOf(t, other.JWKS())[0]["y"], "x5t#S256", encode(sum[:])), ""},
		{"of another key", with(jwk, "x5c", x5cJWK("", "", theirs)["x5c"]), "another key"},
		{"of another key first", with(jwk, "x5c", x5cJWK("", "", theirs, mine)["x5c"]), "another key"},
		{"of another type", x5cJWK("RSA", "k", mine), "kty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			all, err := parseJWKS(jwkSet(t, row.jwk))
			if err != nil {
				t.Fatal(err)
			}
			anchored := newKeySet(all, &trust{anchors: pool}, testTime)
			got := anchored.infos[0].Refused
			if row.want == "" && got != "" || !strings.Contains(got, row.want) {
				t.Fatalf("refused because %q, want %q", got, row.want)
			}
		})
	}
}

func TestPinsAndRevocations(t *testing.T) {
	i, other := jwkstest.New(t), jwkstest.New(t)
	token := i.Sign(i.Claims("alice", "app"))
	pin := func(pub crypto.PublicKey) string {
		sum, err := spkiHash(pub)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	mine, err := thumbprint(i.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := thumbprint(other.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		src  Source
		want Kind
	}{
		{"pinned", Source{PinnedSPKI: []string{pin(other.PublicKey()), pin(i.PublicKey())}}, ""},
		{"another is pinned", Source{PinnedSPKI: []string{pin(other.PublicKey())}}, KeyNotFound},
		{"revoked", Source{RevokedKeys: []string{mine}}, KeyNotFound},
		{"another is revoked", Source{RevokedKeys: []string{theirs}}, ""},
		{"pinned and revoked", Source{PinnedSPKI: []string{pin(i.PublicKey())}, RevokedKeys: []string{mine}}, KeyNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.src.JWKS = i.JWKS()
			wantKind(t, verifies(t, row.src, token), row.want)
			row.src.JWKS, row.src.PEM = nil, []byte(publicPEM(t, i.PublicKey()))
			wantKind(t, verifies(t, row.src, token), row.want)
		})
	}
}

// A key that the issuer stopped publishing is not revoked.
func TestRevokedIsTheOperatorsDoing(t *testing.T) {
	i, other := jwkstest.New(t), jwkstest.New(t)
	mine, err := thumbprint(i.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sum, err := spkiHash(other.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	pins := []string{base64.StdEncoding.EncodeToString(sum[:])}
	secret := Secret{ID: "s1", Value: make([]byte, 32)}
	url := Source{JWKSURL: i.URL + "/jwks"}
	for _, row := range []struct {
		name string
		src  Source
		key  string
		want bool
	}{
		{"fetched", url, mine, false},
		{"fetched, unknown", url, "x", false},
		{"fetched, revoked", Source{JWKSURL: url.JWKSURL, RevokedKeys: []string{mine}}, mine, true},
		{"in a set", Source{JWKS: i.JWKS()}, mine, false},
		{"in another set", Source{JWKS: other.JWKS()}, mine, true},
		{"in a set, revoked", Source{JWKS: i.JWKS(), RevokedKeys: []string{mine}}, mine, true},
		{"in a set, another is pinned", Source{JWKS: i.JWKS(), PinnedSPKI: pins}, mine, true},
		{"in PEM", Source{PEM: []byte(publicPEM(t, i.PublicKey()))}, mine, false},
		{"in other PEM", Source{PEM: []byte(publicPEM(t, other.PublicKey()))}, mine, true},
		{"a certificate map", Source{Certificates: map[string]string{"k": publicPEM(t, i.PublicKey())}}, mine, false},
		{"another certificate map", Source{Certificates: map[string]string{"k": publicPEM(t, other.PublicKey())}}, mine, true},
		{"a secret", Source{Secrets: []Secret{secret}}, "s1", false},
		{"another secret", Source{Secrets: []Secret{secret}}, "s0", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := mustSet(t, row.src, Options{AllowPrivateAddresses: true}).Revoked(row.key); got != row.want {
				t.Errorf("revoked: %v, want %v", got, row.want)
			}
		})
	}
	// An expired certificate revokes nothing.
	root := newAuthority(t, "root", nil)
	src := Source{PEM: []byte(pemOf(root.issue(t, i.PublicKey()))), Anchors: []byte(pemOf(root.cert))}
	late := Options{Now: func() time.Time { return testTime.Add(1000 * time.Hour) }}
	if mustSet(t, src, late).Revoked(mine) {
		t.Error("a key is revoked because its certificate expired")
	}
}

// PEM keys and certificates are refused for the same reasons as JWKs.
func TestWeakKeysInPEM(t *testing.T) {
	root := newAuthority(t, "root", nil)
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	three := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 3}
	private, err := x509.MarshalPKCS8PrivateKey(root.key)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, text, want string }{
		{"1024 bits", publicPEM(t, weak), "1024 bits"},
		{"1024 bits in a certificate", pemOf(root.issue(t, weak)), "1024 bits"},
		{"1024 bits, PKCS #1", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(weak)})), "1024 bits"},
		{"e = 3", publicPEM(t, three), "e = 3"},
		{"P-224", publicPEM(t, p224.Public()), "P-224"},
		{"a private key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "public keys or certificates"},
		{"not DER", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "PUBLIC KEY"},
		{"text after", pemOf(root.cert) + "and more", "not PEM"},
		{"only text", "ssh-ed25519 AAAA", "not PEM"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for name, src := range map[string]Source{
				"PEM":          {PEM: []byte(row.text)},
				"Certificates": {Certificates: map[string]string{"k": row.text}},
			} {
				set, err := New(src, Options{})
				if err == nil || set != nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), row.want) {
					t.Errorf("New(%s) = %v, %v; want %q", name, set, err, row.want)
				}
			}
		})
	}
}
