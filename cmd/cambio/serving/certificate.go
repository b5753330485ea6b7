package serving

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"

	"cambio/cmd/cambio/settings"
)

// CertificateEvery is how often the files of the certificate are looked at, so that
// one that was renewed is used without a signal.
const CertificateEvery = 30 * time.Second

// Certificate is the certificate of both listeners. It is safe for concurrent use.
type Certificate struct {
	cfg     settings.Config
	current atomic.Pointer[tls.Certificate]
}

// NewCertificate reads the configured certificate; nil without an error if there is
// none.
func NewCertificate(cfg settings.Config) (*Certificate, error) {
	if cfg.TLS.CertFile == "" {
		return nil, nil
	}
	c := &Certificate{cfg: cfg}
	_, err := c.Reload()
	return c, err
}

// Reload reads the files, and reports whether the certificate is another one. After an
// error, such as one of a certificate that is renewed and a key that is not yet, the
// former one stays in use. So it does where the new one cannot be used now.
func (c *Certificate) Reload() (changed bool, err error) {
	next, err := c.cfg.TLS.Load()
	if err != nil {
		return false, err
	}
	before := c.current.Load()
	if before != nil && before.Leaf.Equal(next.Leaf) {
		return false, nil
	}
	if err := settings.CheckValidity(next.Leaf, time.Now()); err != nil && before != nil {
		return false, fmt.Errorf("the certificate in %s %w", c.cfg.TLS.CertFile, err)
	}
	c.current.Store(&next)
	return true, nil
}

// Config returns the configuration of a TLS listener.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
		MinVersion:     tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}
}

// Leaf returns the certificate in use, without its chain.
func (c *Certificate) Leaf() *x509.Certificate { return c.current.Load().Leaf }
