package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"cambio/cmd/cambio/settings"
	"cambio/exchange/mail"
)

// openMail returns the sender of codes, nil if no SMTP server is configured. It
// opens no connection.
func openMail(m *settings.Mail) (*mail.Sender, error) {
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
			return nil, hinted(fmt.Errorf("reading the roots of the SMTP server: %s holds no certificate", m.CAFile), "it is PEM: lines between BEGIN CERTIFICATE and END CERTIFICATE")
		}
	}
	return mail.New(cfg)
}
