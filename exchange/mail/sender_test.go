package mail_test

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cambio/exchange/mail"
	"cambio/exchange/mail/mailtest"
)

const (
	to   = "alice@example.com"
	code = "048151"
)

// config returns the Config for a server in the clear.
func config(s *mailtest.Server) mail.Config {
	return mail.Config{Host: s.Host, Port: s.Port, TLS: mail.NoTLS, From: "Login <login@example.org>", Roots: s.Roots}
}

func send(t *testing.T, cfg mail.Config, to, client string) error {
	t.Helper()
	s, err := mail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s.SendCode(t.Context(), to, client, code, 10*time.Minute)
}

func TestSendCodeInEachTLSMode(t *testing.T) {
	for _, row := range []struct {
		name   string
		server mailtest.Options
		tls    mail.TLSMode
	}{
		{"in the clear on loopback", mailtest.Options{}, mail.NoTLS},
		{"STARTTLS", mailtest.Options{STARTTLS: true}, mail.STARTTLS},
		{"STARTTLS and a password", mailtest.Options{STARTTLS: true, Username: "u", Password: "p"}, mail.STARTTLS},
		{"TLS", mailtest.Options{TLS: true}, mail.TLS},
		{"TLS and a password", mailtest.Options{TLS: true, Username: "u", Password: "p"}, mail.TLS},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := mailtest.New(t, row.server)
			cfg := config(s)
			cfg.TLS, cfg.Username, cfg.Password = row.tls, row.server.Username, row.server.Password
			if err := send(t, cfg, to, "Acme"); err != nil {
				t.Fatal(err)
			}
			m := s.Last(t)
			if m.From != "login@example.org" || len(m.To) != 1 || m.To[0] != to || m.User != row.server.Username || m.TLS != (row.tls != mail.NoTLS) {
				t.Errorf("sent %+v", m)
			}
			if m.Code(t) != code || !strings.Contains(m.HTML, code) || !strings.Contains(m.Text, "Acme") || !strings.Contains(m.HTML, "Acme") ||
				!strings.Contains(m.Text, "10 minutes") {
				t.Errorf("wrote %s\n%s", m.Text, m.HTML)
			}
			if m.Subject != "Your login code for Acme" || m.Header.Get("From") != `"Login" <login@example.org>` ||
				m.Header.Get("Message-Id") == "" || m.Header.Get("Date") == "" || m.Header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("headers are %v", m.Header)
			}
		})
	}
}

// The name of a client is neither markup nor a header.
func TestClientNamesAreEscaped(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	plain := config(s)
	if err := send(t, plain, to, "plain"); err != nil {
		t.Fatal(err)
	}
	headers := len(s.Last(t).Header)
	for _, row := range []struct{ name, client, subject, html string }{
		{"markup", `<img src=x onerror="f()">&`, `Your login code for <img src=x onerror="f()">&`, "&lt;img"},
		{"a header", "x\r\nBcc: eve@example.net", "Your login code for x  Bcc: eve@example.net", "x  Bcc"},
		{"a body", "x\r\n\r\n000000", "Your login code for x    000000", "x    000000"},
		{"another separator", "x\u2028y", "Your login code for x y", "x y"},
		{"not ASCII", "Würfel & Söhne 🎲", "Your login code for Würfel & Söhne 🎲", "Würfel &amp; Söhne 🎲"},
		{"a template", "{{.Code}}", "Your login code for {{.Code}}", "{{.Code}}"},
		{"an encoded word", "=?utf-8?q?x=0D=0ABcc:_eve?=", "", "=?utf-8"},
		{"nothing", "", "Your login code", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := send(t, plain, to, row.client); err != nil {
				t.Fatal(err)
			}
			m := s.Last(t)
			if row.subject != "" && m.Subject != row.subject || !strings.Contains(m.HTML, row.html) || strings.Contains(m.HTML, "<img") {
				t.Errorf("subject %q in\n%s", m.Subject, m.HTML)
			}
			if len(m.Header) != headers || len(m.To) != 1 || m.To[0] != to {
				t.Errorf("it changed the headers: %v to %v", m.Header, m.To)
			}
		})
	}
}

func TestRecipientIsOneAddress(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	for _, bad := range []string{"", "alice", "a@b>\r\nRCPT TO:<eve@example.net", "Alice <a@example.com>", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com"} {
		if err := send(t, config(s), bad, "Acme"); err == nil {
			t.Errorf("sent to %q", bad)
		}
	}
	if n := len(s.Messages()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// An error names the server and the reason, and contains no secrets.
func TestErrorsNameServerAndHideSecrets(t *testing.T) {
	open := func(o mailtest.Options) func(*testing.T, *mail.Config) *mailtest.Server {
		return func(t *testing.T, cfg *mail.Config) *mailtest.Server {
			s := mailtest.New(t, o)
			cfg.Host, cfg.Port, cfg.Roots = s.Host, s.Port, s.Roots
			return s
		}
	}
	refusing := func(at mailtest.Stage, status int) func(*testing.T, *mail.Config) *mailtest.Server {
		return func(t *testing.T, cfg *mail.Config) *mailtest.Server {
			s := open(mailtest.Options{})(t, cfg)
			s.Refuse(at, status, "no "+code+" here")
			return s
		}
	}
	for _, row := range []struct {
		name   string
		server func(*testing.T, *mail.Config) *mailtest.Server
		change func(*mail.Config)
		says   string
	}{
		{"down", open(mailtest.Options{}), nil, "refused"},
		{"no STARTTLS", open(mailtest.Options{}), func(c *mail.Config) { c.TLS = mail.STARTTLS }, "STARTTLS"},
		{"an untrusted certificate", open(mailtest.Options{STARTTLS: true}), func(c *mail.Config) { c.TLS, c.Roots = mail.STARTTLS, x509.NewCertPool() }, "certificate"},
		{"an untrusted certificate from the first byte", open(mailtest.Options{TLS: true}), func(c *mail.Config) { c.TLS, c.Roots = mail.TLS, x509.NewCertPool() }, "certificate"},
		{"a wrong password", open(mailtest.Options{STARTTLS: true, Username: "u", Password: "p"}), func(c *mail.Config) {
			c.TLS, c.Username, c.Password = mail.STARTTLS, "u", "the wrong password"
		}, "535"},
		{"no password", open(mailtest.Options{Username: "u", Password: "p"}), nil, "authenticate"},
		{"the sender refused", refusing(mailtest.Mail, 550), nil, "550"},
		{"the recipient refused for now", refusing(mailtest.Rcpt, 450), nil, "450"},
		{"the recipient refused", refusing(mailtest.Rcpt, 550), nil, "550"},
		{"the message refused for now", refusing(mailtest.Data, 451), nil, "451"},
		{"the message refused", refusing(mailtest.Data, 554), nil, "554"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := mail.Config{TLS: mail.NoTLS, From: "login@example.org"}
			s := row.server(t, &cfg)
			if row.name == "down" {
				s.Close()
			}
			if row.change != nil {
				row.change(&cfg)
			}
			err := send(t, cfg, to, "Acme")
			if err == nil {
				t.Fatal("SendCode reported success")
			}
			text := err.Error()
			if !strings.Contains(text, row.says) || !strings.Contains(text, net.JoinHostPort(cfg.Host, "")) {
				t.Errorf("got %s", text)
			}
			if strings.Contains(text, code) || cfg.Password != "" && strings.Contains(text, cfg.Password) {
				t.Errorf("the error contains a secret: %s", text)
			}
			if n := len(s.Messages()); n != 0 {
				t.Errorf("%d messages were accepted", n)
			}
		})
	}
}

// A server that does not respond delays no caller longer than the timeout, also those
// that wait for a slot.
func TestHangingServerIsBounded(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	s.Hang(true)
	cfg := config(s)
	cfg.Timeout, cfg.MaxConcurrent = 100*time.Millisecond, 1
	sender, err := mail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := sender.SendCode(t.Context(), to, "Acme", code, time.Minute); err == nil {
				t.Error("SendCode reported success")
			}
		})
	}
	all.Wait()
	s.Hang(false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sender.SendCode(ctx, to, "Acme", code, time.Minute); err == nil {
		t.Error("it was sent after the caller had left")
	}
}

// As many callers wait for the server as may; the next is refused at once.
func TestWaitingCallersAreBounded(t *testing.T) {
	s := mailtest.New(t, mailtest.Options{})
	cfg := config(s)
	cfg.MaxConcurrent, cfg.MaxWaiting = 1, 2
	sender, err := mail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var ends []func()
	for range 3 {
		end, err := sender.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, err := sender.Begin(t.Context()); err == nil || !strings.Contains(err.Error(), "3 messages") {
		t.Errorf("a fourth caller: %v", err)
	}
	ends[0]()
	if end, err := sender.Begin(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		end()
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*mail.Config)
		ok     bool
	}{
		{"good", func(*mail.Config) {}, true},
		{"no host", func(c *mail.Config) { c.Host = "" }, false},
		{"no sender", func(c *mail.Config) { c.From = "" }, false},
		{"a sender that is a name", func(c *mail.Config) { c.From = "Login" }, false},
		{"two lines", func(c *mail.Config) { c.From = "a@example.org\r\nBcc: b@example.org" }, false},
		{"a port", func(c *mail.Config) { c.Port = 70000 }, false},
		{"another mode", func(c *mail.Config) { c.TLS = "ssl" }, false},
		{"in the clear", func(c *mail.Config) { c.TLS = mail.NoTLS }, false},
		{"in the clear on this machine", func(c *mail.Config) { c.TLS, c.Host = mail.NoTLS, "127.0.0.1" }, true},
		{"in the clear on this machine by IPv6", func(c *mail.Config) { c.TLS, c.Host = mail.NoTLS, "::1" }, true},
		{"a user without a password", func(c *mail.Config) { c.Username = "u" }, false},
		{"a password without a user", func(c *mail.Config) { c.Password = "p" }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := mail.Config{Host: "smtp.example.org", From: "Login <login@example.org>"}
			row.change(&cfg)
			if _, err := mail.New(cfg); (err == nil) != row.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
