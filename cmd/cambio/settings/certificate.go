package settings

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"time"

	"cambio/keys"
)

// Load reads the certificate with its chain, and its key.
func (t TLS) Load() (tls.Certificate, error) {
	cert, err := os.ReadFile(t.CertFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("loading tls: %w", err)
	}
	key, err := keys.ReadSecretFile(t.KeyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("loading tls: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("loading tls: %s with %s: %w", t.CertFile, t.KeyFile, err)
	}
	return pair, nil
}

// CheckCertificate returns what is wrong with the server's own certificate: callers
// would refuse it now, or for the host of the issuer. Behind a proxy, callers see the
// proxy's.
func (c *Config) CheckCertificate(leaf *x509.Certificate, now time.Time) error {
	if err := CheckValidity(leaf, now); err != nil {
		return fmt.Errorf("the certificate in %s %w", c.TLS.CertFile, err)
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || c.BehindProxy {
		return nil
	}
	if err := leaf.VerifyHostname(u.Hostname()); err != nil {
		return fmt.Errorf("the certificate in %s is not for %s, the host of issuer: %w", c.TLS.CertFile, u.Hostname(), err)
	}
	return nil
}

// CheckValidity returns an error if a certificate is not valid now.
func CheckValidity(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("expired on %s; renew it", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("is not valid before %s; check the clock", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}
