package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"cambio/exchange/mail"
	"cambio/exchange/server"
)

// openMail creates the sender of codes if an SMTP server is configured. It opens no
// connection.
func (a *app) openMail() error {
	m := &a.cfg.Mail
	if m.Host == "" {
		return nil
	}
	cfg := mail.Config{
		Host: m.Host, Port: m.Port, TLS: m.TLS, From: m.From, Username: m.Username, Password: string(m.Password),
		Timeout: time.Duration(m.Timeout),
	}
	if m.PasswordFile != "" {
		password, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return fmt.Errorf("reading the password of the SMTP server: %w", err)
		}
		cfg.Password = strings.TrimRight(string(password), "\r\n")
	}
	if m.CAFile != "" {
		pem, err := os.ReadFile(m.CAFile)
		if err != nil {
			return fmt.Errorf("reading the roots of the SMTP server: %w", err)
		}
		if cfg.Roots = x509.NewCertPool(); !cfg.Roots.AppendCertsFromPEM(pem) {
			return hinted(fmt.Errorf("reading the roots of the SMTP server: %s holds no certificate", m.CAFile), "it is PEM: lines between BEGIN CERTIFICATE and END CERTIFICATE")
		}
	}
	sender, err := mail.New(cfg)
	a.mail = sender
	return err
}

// withMail sets the sender of codes. A nil *mail.Sender in the interface would not
// be nil.
func (a *app) withMail(cfg server.Config) server.Config {
	if a.mail != nil {
		cfg.Mail = a.mail
	}
	return cfg
}
