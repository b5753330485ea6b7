package main

import (
	"crypto/x509"
	"fmt"
	netmail "net/mail"
	"os"
	"strings"
	"time"

	"cambio/exchange/mail"
	"cambio/exchange/server"
)

// mail checks what can be seen without opening files. A server without mail has
// none of it.
func (p *problems) mail(m *MailConfig) {
	if m.Host == "" {
		p.noteIf(m.From != "" || m.Username != "" || m.Port != 0, "$.mail.host", "is missing; without it no mail is sent")
		return
	}
	p.oneOf("$.mail.tls", string(m.TLS), string(mail.STARTTLS), string(mail.TLS), string(mail.NoTLS))
	p.noteIf(m.TLS == mail.NoTLS && !loopback(m.Host), "$.mail.tls", "want starttls or tls: "+m.Host+" is not loopback, and the network would read the codes")
	p.noteIf(m.Port < 0 || m.Port > 65535, "$.mail.port", "want 1 to 65535")
	_, err := netmail.ParseAddress(m.From)
	p.noteIf(err != nil, "$.mail.from", "want an address such as login@example.com or Acme <login@example.com>")
	has := m.Password != "" || m.PasswordFile != ""
	p.noteIf((m.Username != "") != has, "$.mail.username", "username and passwordFile go together")
	p.noteIf(m.Password != "" && m.PasswordFile != "", "$.mail.passwordFile", "the password itself is in "+envPrefix+"MAIL_PASSWORD already")
	const most = 20 * time.Second
	timeout := time.Duration(m.Timeout)
	p.noteIf(timeout < time.Second || timeout > most, "$.mail.timeout", "want 1s to 20s: somebody waits for it")
}

// openMail makes the sender of codes, if there is an SMTP server. It dials
// nobody.
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

// withMail gives a server its sender of codes. A nil one in its Config would not
// be none.
func (a *app) withMail(cfg server.Config) server.Config {
	if a.mail != nil {
		cfg.Mail = a.mail
	}
	return cfg
}
