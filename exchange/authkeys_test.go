package exchange

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

func publicKey(t *testing.T, kind string, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestAuthKeys(t *testing.T) {
	rsaKey := func(bits int) *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	one, two := rsaKey(2048), rsaKey(2048)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, second := publicKey(t, "PUBLIC KEY", &one.PublicKey), publicKey(t, "PUBLIC KEY", &two.PublicKey)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(one)}))
	weak := &rsa.PublicKey{N: one.N, E: 3}
	for _, row := range []struct{ name, pem, says string }{
		{"one", good, ""},
		{"two", good + "\n" + second, ""},
		{"PKCS #1", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&one.PublicKey)})), ""},
		{"none", "", "is missing"},
		{"spaces", " \n", "is missing"},
		{"text", "my key", "has no PEM block"},
		{"text behind it", good + "my other key", "has no PEM block after 1"},
		{"a private key", private, "key 1 is a private key"},
		{"a private key in place of a public one", publicKey(t, "PRIVATE KEY", &one.PublicKey), "is a private key"},
		{"a certificate", publicKey(t, "CERTIFICATE", &one.PublicKey), `"CERTIFICATE"`},
		{"of a curve", publicKey(t, "PUBLIC KEY", &curve.PublicKey), "not an RSA key"},
		{"damaged", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), "cannot be read"},
		{"1024 bits", publicKey(t, "PUBLIC KEY", &rsaKey(1024).PublicKey), "1024 bits"},
		{"an exponent of 3", publicKey(t, "PUBLIC KEY", weak), "exponent 3"},
		{"twice", good + good, "key 2 is there twice"},
		{"too many", good + second + publicKey(t, "PUBLIC KEY", &rsaKey(2048).PublicKey) + publicKey(t, "PUBLIC KEY", &rsaKey(2048).PublicKey) + publicKey(t, "PUBLIC KEY", &rsaKey(2048).PublicKey), "at most 4"},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := &AuthKeys{SigningKeys: row.pem}
			keys, err := k.Signers()
			if row.says == "" {
				if err != nil || len(keys) == 0 || !k.Has(KeyID(&one.PublicKey)) || k.Has("") {
					t.Errorf("got %d keys, %v", len(keys), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.says) || len(keys) > 0 || k.Has(KeyID(&one.PublicKey)) {
				t.Errorf("got %d keys, %v", len(keys), err)
			}
			if strings.Contains(err.Error(), private[40:80]) {
				t.Errorf("it repeats a private key: %v", err)
			}
		})
	}
}
