package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// TestTLS serves with a test certificate: both listeners speak https only.
func TestTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile, roots := selfSigned(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	issuer := jwkstest.New(t)
	s := startAt(t, "https", &tls.Config{RootCAs: roots}, "CAMBIO_TLS_CERT_FILE="+certFile, "CAMBIO_TLS_KEY_FILE="+keyFile, "SSL_CERT_FILE="+certFile)
	s.trust("%s", manifest(issuer.URL, audience))
	created := s.exchange(issuer.Sign(issuer.Claims("alice", app))).granted(t)
	claims, err := newAPI(s.url, audience, s.http).verify(t.Context(), created.AccessToken)
	if err != nil || claims.Issuer != s.url {
		t.Errorf("the access token says %+v: %v", claims, err)
	}
	s.refresh(created.RefreshToken).granted(t)

	resp, err := s.http.Get(s.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("served with %s, want HTTP/2", resp.Proto)
	}

	plain := strings.Replace(s.url, "https://", "http://", 1)
	resp, err = s.http.PostForm(plain+"/oauth/token", exchangeForm("x"))
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != 400 || resp.Header.Get("Content-Type") == "application/json" {
			t.Errorf("plain http got %s", resp.Status)
		}
	}
	s.call("/oauth/token", exchangeForm("x")).refused(t, 400, exchange.InvalidRequest, exchange.ReasonSubjectTokenMalformed)
}

// TestTLSByName checks --admin-name: the certificate is for the public name, and
// commands call the admin listener on loopback.
func TestTLSByName(t *testing.T) {
	t.Parallel()
	const name = "login.example.com"
	certFile, keyFile, roots := selfSigned(t, x509.Certificate{DNSNames: []string{name}})
	s := startAt(t, "https", &tls.Config{RootCAs: roots, ServerName: name},
		"CAMBIO_TLS_CERT_FILE="+certFile, "CAMBIO_TLS_KEY_FILE="+keyFile, "SSL_CERT_FILE="+certFile)
	address := strings.TrimPrefix(s.admin, "https://")
	s.cambio("", "client", "add", "web", "--audience", audience, "--admin", address, "--admin-name", name)
	for want, args := range map[string][]string{
		"--admin-name": {"--admin", address},
		"not other":    {"--admin", address, "--admin-name", "other.example.com"},
		"IP SANs":      {"--admin", s.admin},
		"use https":    {"--admin", "http://" + address, "--admin-name", name},
	} {
		cmd := s.command("", append([]string{"client", "list"}, args...)...)
		text, err := cmd.Output()
		if said := fmt.Sprint(cmd.Stderr); err == nil || len(text) > 0 || !strings.Contains(said, want) {
			t.Errorf("%v: %v, %s%s; want %q", args, err, text, said, want)
		}
	}
}

// selfSigned creates a self-signed certificate for the names in a template.
func selfSigned(t *testing.T, template x509.Certificate) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, content := range map[string][]byte{
		certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, roots
}
