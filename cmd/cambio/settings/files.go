package settings

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"cambio/exchange/mail"
	"cambio/keys"
)

// CheckFiles checks the files that a server needs to start. Those that a first start
// creates may be absent.
func (c *Config) CheckFiles() error {
	if c.TLS.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile); err != nil {
			return fmt.Errorf("loading tls: %w", err)
		}
	}
	if c.KeyEncryptionKeyFile != "" {
		if _, err := keys.ReadKEK(c.KeyEncryptionKeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	info, err := os.Stat(c.AdminTokenFile)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("admin token file %s can be read by other users of this machine; chmod 600 it", c.AdminTokenFile)
	}
	_, err = c.Mail.Sender()
	return err
}

// Sender returns the sender of login codes, nil without a host. It reads the files of
// the settings and opens no connection.
func (m *Mail) Sender() (*mail.Sender, error) {
	if m.Host == "" {
		return nil, nil
	}
	cfg := mail.Config{
		Host: m.Host, Port: m.Port, TLS: m.TLS, From: m.From, Username: m.Username, Password: string(m.Password),
		Timeout: time.Duration(m.Timeout),
	}
	if m.PasswordFile != "" {
		password, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("reading the password of the SMTP server: %w", err)
		}
		cfg.Password = strings.TrimRight(string(password), "\r\n")
	}
	if m.CAFile != "" {
		pem, err := os.ReadFile(m.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the roots of the SMTP server: %w", err)
		}
		if cfg.Roots = x509.NewCertPool(); !cfg.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the roots of the SMTP server: %s holds no certificate; write it in PEM, lines between BEGIN CERTIFICATE and END CERTIFICATE", m.CAFile)
		}
	}
	return mail.New(cfg)
}
