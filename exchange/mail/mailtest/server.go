// Package mailtest provides a real SMTP server on loopback for tests, which records
// messages and can be made to refuse them.
package mailtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Options configure a Server. The zero value is SMTP in the clear without
// authentication.
type Options struct {
	STARTTLS bool
	TLS      bool // from the first byte
	// Username and Password are required if they are set.
	Username, Password string
}

// Stage is a command that a Server can refuse (RFC 5321 §3.3).
type Stage string

// The stages.
const (
	Mail Stage = "MAIL"
	Rcpt Stage = "RCPT"
	Data Stage = "DATA"
)

// Server is an SMTP server. Its methods are safe for concurrent use.
type Server struct {
	Host  string
	Port  int
	Roots *x509.CertPool // of its certificate
	// Certificate is the root's, in PEM.
	Certificate []byte

	options  Options
	listener net.Listener
	server   *smtp.Server
	mu       sync.Mutex
	messages []Message
	refuse   map[Stage]*smtp.SMTPError
	hang     chan struct{} // while it is open, DATA gets no response
}

// New starts a Server, which is closed at the end of the test.
func New(t testing.TB, options Options) *Server {
	t.Helper()
	s := &Server{options: options, refuse: make(map[Stage]*smtp.SMTPError)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := listener.Addr().(*net.TCPAddr)
	s.Host, s.Port = at.IP.String(), at.Port
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	s.server.Domain, s.server.AllowInsecureAuth = "mail.test", true
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	s.server.ReadTimeout, s.server.WriteTimeout = time.Minute, time.Minute
	config := &tls.Config{Certificates: []tls.Certificate{s.certificate()}}
	if options.STARTTLS {
		s.server.TLSConfig = config
	}
	if options.TLS {
		listener = tls.NewListener(listener, config)
	}
	s.listener = listener
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.server.Serve(listener) // ends with Close
	}()
	t.Cleanup(func() {
		s.Hang(false)
		s.Close()
		<-ended
	})
	return s
}

// Close stops the server before the end of the test.
func (s *Server) Close() {
	s.listener.Close() // also if Serve has not begun
	s.server.Close()
}

// Refuse makes the server respond to a stage with a reply code and a text, or normally
// again if the code is 0.
func (s *Server) Refuse(at Stage, code int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[at] = nil
	if code != 0 {
		s.refuse[at] = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
	}
}

// Hang sets whether messages get no response.
func (s *Server) Hang(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hang != nil {
		close(s.hang)
		s.hang = nil
	}
	if on {
		s.hang = make(chan struct{})
	}
}

// Messages returns the accepted messages, the oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Last returns the newest message.
func (s *Server) Last(t testing.TB) Message {
	t.Helper()
	all := s.Messages()
	if len(all) == 0 {
		t.Fatal("the SMTP server has no message")
	}
	return all[len(all)-1]
}

func (s *Server) refusal(at Stage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refuse[at]; err != nil {
		return err
	}
	return nil
}

// certificate returns that of package httptest, which is valid for loopback
// addresses, and makes it the root.
func (s *Server) certificate() tls.Certificate {
	h := httptest.NewTLSServer(nil)
	defer h.Close()
	s.Roots = x509.NewCertPool()
	s.Roots.AddCert(h.Certificate())
	s.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	return h.TLS.Certificates[0]
}

// session is one connection.
type session struct {
	server  *Server
	conn    *smtp.Conn
	message Message // being received
	user    string
}

func (c *session) AuthMechanisms() []string {
	if c.server.options.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (c *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != c.server.options.Username || password != c.server.options.Password {
			return smtp.ErrAuthFailed
		}
		c.user = username
		return nil
	}), nil
}

func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	if c.server.options.Username != c.user {
		return smtp.ErrAuthRequired
	}
	c.message = Message{From: from, User: c.user}
	_, c.message.TLS = c.conn.TLSConnectionState()
	return c.server.refusal(Mail)
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.message.To = append(c.message.To, to)
	return c.server.refusal(Rcpt)
}

func (c *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.server.mu.Lock()
	hang := c.server.hang
	c.server.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if err := c.server.refusal(Data); err != nil {
		return err
	}
	if err := c.message.read(raw); err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.messages = append(c.server.messages, c.message)
	return nil
}

func (c *session) Reset() { c.message = Message{} }

func (c *session) Logout() error { return nil }

// Message is a message that a Server has accepted.
type Message struct {
	From string   // of the envelope
	To   []string // of the envelope
	User string   // the authenticated user
	TLS  bool

	Raw     []byte
	Header  mail.Header
	Subject string // decoded
	Text    string // the part of type text/plain, decoded
	HTML    string // the part of type text/html, decoded
}

// Code returns the only number of six digits in the plain text.
func (m Message) Code(t testing.TB) string {
	t.Helper()
	found := regexp.MustCompile(`\b[0-9]{6}\b`).FindAllString(m.Text, -1)
	if len(found) != 1 {
		t.Fatalf("the message has %d codes:\n%s", len(found), m.Text)
	}
	return found[0]
}

// read parses a message of one part or of alternatives (RFC 2046 §5.1.4).
func (m *Message) read(raw []byte) error {
	m.Raw = raw
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	m.Header = msg.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return err
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return m.part(textproto.MIMEHeader(msg.Header), msg.Body)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for err == nil {
		var p *multipart.Part
		if p, err = parts.NextRawPart(); err == nil {
			err = m.part(p.Header, p)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func (m *Message) part(h textproto.MIMEHeader, body io.Reader) error {
	switch encoding := strings.ToLower(h.Get("Content-Transfer-Encoding")); encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "", "7bit", "8bit":
	default:
		return fmt.Errorf("transfer encoding %q", encoding)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	switch kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); {
	case err != nil:
		return err
	case kind == "text/plain":
		m.Text = string(text)
	case kind == "text/html":
		m.HTML = string(text)
	default:
		return fmt.Errorf("a part of type %q", kind)
	}
	return nil
}
