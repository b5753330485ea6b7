package settings

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDifferencesNamesSettings(t *testing.T) {
	a, err := Load(writeConfig(t, "limits: {failures: 5}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(writeConfig(t, "log: {level: debug}\ntrustedProxies: [10.0.0.0/8]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Differences(b); !slices.Equal(got, []string{"trustedProxies", "log.level", "limits.failures"}) {
		t.Error(got)
	}
}

// Each row is a certificate that callers refuse, or one that they accept.
func TestCheckCertificate(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name       string
		host       string
		start, end time.Duration
		proxy      bool
		want       string
	}{
		{"good", "login.example.com", -time.Hour, time.Hour, false, ""},
		{"expired", "login.example.com", -time.Hour, -time.Minute, false, "expired on 2029-12-31"},
		{"not valid yet", "login.example.com", time.Minute, time.Hour, false, "is not valid before"},
		{"of another name", "other.example.com", -time.Hour, time.Hour, false, "is not for login.example.com, the host of issuer"},
		{"of another name, behind a proxy", "other.example.com", -time.Hour, time.Hour, true, ""},
		{"a wildcard", "*.example.com", -time.Hour, time.Hour, false, ""},
	} {
		leaf := &x509.Certificate{DNSNames: []string{row.host}, NotBefore: now.Add(row.start), NotAfter: now.Add(row.end)}
		c := Config{Issuer: "https://login.example.com", BehindProxy: row.proxy}
		if err := c.CheckCertificate(leaf, now); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

// The certificate that the settings name is checked with the other files.
func TestCheckFilesReadsTheCertificate(t *testing.T) {
	for _, row := range []struct {
		name, host string
		end        time.Duration
		mode       os.FileMode // of the key
		want       string
	}{
		{"good", "login.example.com", time.Hour, 0o600, ""},
		{"expired", "login.example.com", -time.Minute, 0o600, "expired on "},
		{"of another name", "other.example.com", time.Hour, 0o600, "is not for login.example.com"},
		{"a mounted key", "login.example.com", time.Hour, 0o444, ""},
		{"a key that others can read", "login.example.com", time.Hour, 0o644, "has mode 0644"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cert, key := writeCertificate(t, row.host, time.Now().Add(row.end))
			if err := os.Chmod(key, row.mode); err != nil {
				t.Fatal(err)
			}
			c, err := Load("", []string{"CAMBIO_ISSUER=https://login.example.com", "CAMBIO_TLS_CERT_FILE=" + cert, "CAMBIO_TLS_KEY_FILE=" + key,
				"CAMBIO_DATABASE=" + filepath.Join(t.TempDir(), "cambio.db")})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.CheckFiles(); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}

func writeCertificate(t *testing.T, host string, end time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: end.Add(-24 * time.Hour), NotAfter: end}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
