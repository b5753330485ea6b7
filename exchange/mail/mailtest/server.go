// Package mailtest provides a real SMTP server on loopback for tests, which records
// messages and can be made to refuse them.
package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"slices"
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
