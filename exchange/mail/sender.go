// Package mail sends codes that prove an address, through the operator's SMTP
// server (RFC 5321).
//
// A message is sent over TLS, unless the server is on this machine. Either the server
// accepts it within a bounded time, or sending fails: there is no queue. Errors and
// logs never contain the code.
package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"cambio/jwks/egress"
)

// TLSMode is how a connection to the SMTP server is encrypted.
type TLSMode string

// The modes.
const (
	STARTTLS TLSMode = "starttls" // required after EHLO (RFC 3207), port 587
	TLS      TLSMode = "tls"      // from the first byte (RFC 8314 §3.3), port 465
	NoTLS    TLSMode = "none"     // in the clear, on loopback only, port 25
)

// Config configures a [Sender].
type Config struct {
	Host string
	Port int     // default: that of the mode
	TLS  TLSMode // default STARTTLS
	// Username and Password authenticate the Sender (RFC 4954), both or neither.
	Username, Password string
	// From is the sender: an address, or a name and an address (RFC 5322 §3.4).
	From string
	// Roots has the CAs that the server's certificate must chain to. Default: the
	// system's.
	Roots *x509.CertPool
	// Timeout bounds one message from dialing to the server's last response. Default
	// 10s.
	Timeout time.Duration
	// MaxConcurrent bounds the messages that are sent at once, default 16. MaxWaiting
	// bounds those that wait besides, as part of their Timeout, default 240: a server
	// that does not respond must not collect callers without end.
	MaxConcurrent, MaxWaiting int
}

// Sender sends codes. It is safe for concurrent use.
type Sender struct {
	cfg   Config
	from  *mail.Address
	helo  string
	slots chan struct{} // one for each message that is being sent
	// waiters are the callers whose message is being sent or waits.
	waiters *egress.Waiters
}

// New returns a Sender. It does not connect.
func New(cfg Config) (*Sender, error) {
	if cfg.TLS == "" {
		cfg.TLS = STARTTLS
	}
	if cfg.Port == 0 {
		cfg.Port = map[TLSMode]int{STARTTLS: 587, TLS: 465, NoTLS: 25}[cfg.TLS]
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxConcurrent <= 0 {
		cfg.MaxConcurrent = 16
	}
	if cfg.MaxWaiting <= 0 {
		cfg.MaxWaiting = 240
	}
	from, err := cfg.check()
	if err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return &Sender{
		cfg: cfg, from: from, helo: domain, slots: make(chan struct{}, cfg.MaxConcurrent),
		waiters: egress.NewWaiters(cfg.MaxConcurrent + cfg.MaxWaiting),
	}, nil
}

// check validates a Config whose defaults are set, and returns the sender.
func (c *Config) check() (*mail.Address, error) {
	from, err := mail.ParseAddress(c.From)
	switch {
	case c.Host == "":
		return nil, errors.New("mail: the SMTP server's host is missing")
	case c.Port < 1 || c.Port > 65535:
		return nil, fmt.Errorf("mail: port %d is not between 1 and 65535", c.Port)
	case c.TLS != STARTTLS && c.TLS != TLS && c.TLS != NoTLS:
		return nil, fmt.Errorf("mail: TLS mode %q is not one of starttls, tls, none", c.TLS)
	case c.TLS == NoTLS && !loopback(c.Host):
		return nil, fmt.Errorf("mail: %s is not on loopback, so TLS mode none would send codes unencrypted", c.Host)
	case (c.Username == "") != (c.Password == ""):
		return nil, errors.New("mail: user name and password must be set together")
	case err != nil:
		return nil, fmt.Errorf("mail: the sender is not an address: %w", err)
	}
	return from, nil
}

// loopback reports whether host is this machine, without looking up names.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// Begin takes a place among the callers that wait for the server, before there is a code to
// send, so that a caller beyond the bound is refused at once and nothing is stored
// for it. Its caller calls end once, after SendCode. For that time a request holds no
// place among those in flight, see [egress.WithPlace].
func (s *Sender) Begin(ctx context.Context) (end func(), err error) {
	end, ok := s.waiters.Begin(ctx, s.server())
	if !ok {
		return nil, busyError(fmt.Sprintf("%d messages to %s are being sent or wait", s.cfg.MaxConcurrent+s.cfg.MaxWaiting, s.server()))
	}
	return end, nil
}

// busyError is the refusal of a caller beyond the bound.
type busyError string

func (e busyError) Error() string { return string(e) }

// Overloaded reports that too many callers wait. The server itself was not tried.
func (busyError) Overloaded() bool { return true }

// server returns the address of the SMTP server.
func (s *Sender) server() string { return net.JoinHostPort(s.cfg.Host, strconv.Itoa(s.cfg.Port)) }

// SendCode sends a code and its lifetime to an address of the form local@domain, with
// the name of the client that it is for. It returns nil once the server has accepted
// the message.
func (s *Sender) SendCode(ctx context.Context, to, client, code string, lifetime time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	err := s.send(ctx, to, message{Client: oneLine(client), Code: code, Minutes: int(lifetime / time.Minute)})
	if err != nil {
		return s.describe(ctx, err, code)
	}
	return nil
}

func (s *Sender) send(ctx context.Context, to string, m message) error {
	msg, err := s.compose(to, m)
	if err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fmt.Errorf("%d messages are being sent already: %w", cap(s.slots), ctx.Err())
	}
	client, err := gomail.NewClient(s.cfg.Host, s.options(ctx)...)
	if err != nil {
		return err
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := client.SendWithSMTPClient(conn, msg); err != nil {
		return err
	}
	_ = conn.Quit() // the server has accepted the message
	return nil
}

// options returns the options of one connection. The library's own timeout restarts
// with each command, so the connection is closed when ctx ends.
func (s *Sender) options(ctx context.Context) []gomail.Option {
	config := &tls.Config{ServerName: s.cfg.Host, RootCAs: s.cfg.Roots, MinVersion: tls.VersionTLS12}
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		if s.cfg.TLS == TLS {
			conn = tls.Client(conn, config)
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		return conn, nil
	}
	options := []gomail.Option{
		gomail.WithPort(s.cfg.Port), gomail.WithTimeout(s.cfg.Timeout), gomail.WithHELO(s.helo),
		gomail.WithTLSConfig(config), gomail.WithDialContextFunc(dial), gomail.WithTLSPolicy(gomail.NoTLS),
		gomail.WithoutNoop(), gomail.WithoutSMTPUTF8(),
	}
	if s.cfg.TLS == STARTTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.cfg.Username != "" {
		options = append(options, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
			gomail.WithUsername(s.cfg.Username), gomail.WithPassword(s.cfg.Password))
	}
	return options
}

// describe returns err with the server's name and without secrets, which a server's
// response may repeat.
func (s *Sender) describe(ctx context.Context, err error, code string) error {
	const limit = 512
	text := err.Error()
	if ctx.Err() != nil {
		text = fmt.Sprintf("not sent within %s: %s", s.cfg.Timeout, text)
	}
	for _, secret := range []string{code, s.cfg.Password} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "(hidden)")
		}
	}
	return fmt.Errorf("sending mail through %s: %s", s.server(), text[:min(len(text), limit)])
}

// message is the data of the templates.
type message struct {
	Client  string // may be empty
	Code    string
	Minutes int
}

//go:embed code.txt
var plainSource string

//go:embed code.html
var htmlSource string

var (
	plainTemplate = texttemplate.Must(texttemplate.New("code.txt").Parse(plainSource))
	htmlTemplate  = htmltemplate.Must(htmltemplate.New("code.html").Parse(htmlSource))
)

// compose returns the message. Its subject does not contain the code: subjects appear
// on lock screens and in the logs of mail servers.
func (s *Sender) compose(to string, m message) (*gomail.Msg, error) {
	recipient, err := mail.ParseAddress(to)
	if err != nil || recipient.Address != to {
		return nil, errors.New("the recipient is not an address of the form local@domain")
	}
	var plain, html bytes.Buffer
	if err := plainTemplate.Execute(&plain, m); err != nil {
		return nil, err
	}
	if err := htmlTemplate.Execute(&html, m); err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(recipient)
	msg.Subject(subject(m.Client))
	msg.SetDate()
	msg.SetMessageIDWithValue(rand.Text() + "@" + s.helo)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no automatic responses
	msg.SetBodyString(gomail.TypeTextPlain, plain.String())
	msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return msg, nil
}

func subject(client string) string {
	if client == "" {
		return "Your login code"
	}
	return "Your login code for " + client
}

// oneLine returns a name for a header: characters that could begin another line
// become spaces.
func oneLine(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, name)
}
