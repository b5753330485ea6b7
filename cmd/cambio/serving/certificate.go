package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"cambio/cmd/cambio/settings"
)

// certificateEvery is how often the files of the certificate are looked at, so that
// one that was renewed is used without a signal.
const certificateEvery = 30 * time.Second

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

// Warn logs why callers will refuse the certificate, if there is one.
func (c *Certificate) Warn(log *slog.Logger) {
	if c == nil {
		return
	}
	if err := c.cfg.CheckCertificate(c.Leaf(), time.Now()); err != nil {
		log.Warn("callers will refuse the server's certificate", "problem", err)
	}
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

// Watch looks at the files until ctx ends, and logs a renewal, and an error unless it
// is the one before. A nil Certificate has none.
func (c *Certificate) Watch(ctx context.Context, log *slog.Logger) {
	if c == nil {
		return
	}
	ticker := time.NewTicker(certificateEvery)
	defer ticker.Stop()
	before := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			before = c.renew(log, before)
		}
	}
}

func (c *Certificate) renew(log *slog.Logger, before string) (failure string) {
	changed, err := c.Reload()
	if err == nil {
		if changed {
			log.Info("the certificate was renewed", "until", c.Leaf().NotAfter)
		}
		return ""
	}
	if err.Error() != before {
		log.Error("the certificate is not reloaded; the former one stays in use", "error", err)
	}
	return err.Error()
}
