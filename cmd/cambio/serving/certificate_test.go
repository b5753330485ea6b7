package serving

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cambio/cmd/cambio/settings"
)

// pair returns a certificate of a number, valid until end, and its key, in PEM.
func pair(t *testing.T, number int64, end time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// A renewed certificate is used without a signal, once its key is there too; one that
// has expired never replaces one that is valid.
func TestCertificateIsRenewedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cfg := settings.Config{TLS: settings.TLS{CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}}
		write := func(name string, text []byte) {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		end := time.Now().Add(24 * time.Hour)
		first, firstKey := pair(t, 1, end)
		second, secondKey := pair(t, 2, end)
		third, thirdKey := pair(t, 3, time.Now().Add(-time.Hour))
		write(cfg.TLS.CertFile, first)
		write(cfg.TLS.KeyFile, firstKey)
		c, err := NewCertificate(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go c.Watch(ctx, slog.New(slog.NewTextHandler(&log, nil)))
		for _, step := range []struct {
			name string
			text []byte
			used int64
		}{
			{cfg.TLS.CertFile, second, 1}, // whose key is missing
			{cfg.TLS.KeyFile, secondKey, 2},
			{cfg.TLS.CertFile, third, 2},
			{cfg.TLS.KeyFile, thirdKey, 2},
		} {
			write(step.name, step.text)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if got := c.Leaf().SerialNumber.Int64(); got != step.used {
				t.Errorf("certificate %d is used, want %d: %s", got, step.used, &log)
			}
		}
		if n := strings.Count(log.String(), "stays in use"); n != 3 {
			t.Errorf("%d errors are logged, want one for each: %s", n, &log)
		}
	})
}
