package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/grant"
	"cambio/exchange/idempotency"
	"cambio/exchange/limit"
	"cambio/exchange/session"
	"cambio/exchange/subject"

	"github.com/jub0bs/cors"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Server needs. Fields without a stated default are required.
type Config struct {
	// Issuer is our public base URL and the iss of our tokens. It is the only
	// source of URLs in answers: Host and X-Forwarded-* are never asked.
	Issuer string
	// Grants answers token requests; package grant has it.
	Grants granter
	// Sessions answers about tokens of ours; package session has it.
	Sessions sessions
	// Clients is the clients as of now. It is called anew for each request, so
	// that a change counts from the next one.
	Clients func() Clients
	// CheckSecret is the ID of the client's live secret that a secret is, empty
	// if it is none.
	CheckSecret func(c *exchange.Client, secret string, now time.Time) (id string)
	// SecretUsed is told by which of its secrets a client has authenticated.
	// Default: nobody is.
	SecretUsed func(clientID, secretID string, now time.Time)
	// Subjects verifies subject tokens and client assertions; package subject
	// has it.
	Subjects verifier
	// Replays spends the jti of client assertions; package replay has it.
	Replays spender
	// ClientSessions are those that backends open for wallets; package walletlogin
	// has them.
	ClientSessions clientSessions
	// Answers keeps what requests with an Idempotency-Key got; package idempotency
	// has it.
	Answers answers
	// Requests keeps requests for logins by auth key; package keylogin has it.
	Requests keyRequests
	// Mail sends codes; package mail has it. Default: none, so that codes are
	// refused as exchange.ReasonMailUnavailable.
	Mail mailer
	// Keys publishes our keys; package keys has them.
	Keys publisher
	// Limits slows down addresses that fail. Default: those of limit.Config.
	Limits *limit.Limiter
	// Audit gets one event for each decision.
	Audit *audit.Log
	// Logger is told what operators should look at. Default slog.Default.
	Logger *slog.Logger
	// Metrics is where metrics are registered. Default: nowhere.
	Metrics prometheus.Registerer
	// TrustedProxies may say in X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// MaxInFlight is how many requests are worked on at once, default
	// [DefaultMaxInFlight], and MaxQueued how many may wait for that, default
	// 1024. More are answered 503. Bodies are read before, so that slow senders
	// hold up nobody.
	MaxInFlight, MaxQueued int
	// Ready are the checks of /readyz. Their errors are not shown.
	Ready func(context.Context) []ReadyCheck
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// DefaultMaxInFlight is how many requests are worked on at once unless a Config
// says otherwise.
const DefaultMaxInFlight = 1024

// ReadyCheck is what one part of the server says about itself.
type ReadyCheck struct {
	Name string
	Err  error
}

// Clients are the registered clients; a registry's snapshot is one.
type Clients interface {
	// Client is the client of an ID, nil if there is none.
	Client(id string) *exchange.CompiledClient
	// Origins are the origins of all clients, sorted.
	Origins() []string
	// DetailTypes are the types of authorization_details that some client may
	// ask for, sorted.
	DetailTypes() []string
}

type granter interface {
	Token(ctx context.Context, req *grant.Request, now time.Time) (*grant.Response, error)
}

type sessions interface {
	Introspect(ctx context.Context, token string, now time.Time) (session.Introspection, error)
	RevokeToken(ctx context.Context, token, clientID string, now time.Time) (session.RevokedToken, error)
	// Parse reads an access token of ours that counts now.
	Parse(ctx context.Context, token string, now time.Time) (*exchange.AccessToken, error)
}

type verifier interface {
	Verify(ctx context.Context, token exchange.SubjectToken, checks []exchange.Check, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, []exchange.Check, error)
	ClientAssertion(ctx context.Context, party *exchange.CompiledClient, assertion *subject.Assertion, audiences []string, now time.Time) (jti string, expires time.Time, err error)
}

type spender interface {
	// Spend refuses what was spent before, in a commit of its own.
	Spend(ctx context.Context, kind, id string, expires, now time.Time) error
}

type answers interface {
	Lookup(ctx context.Context, k idempotency.Request, now time.Time) (*idempotency.Response, *idempotency.Lease, error)
}

type publisher interface {
	JWKS() (body []byte, etag string)
	Algorithms() []string
}

// Server is the public HTTP. It is safe for concurrent use.
type Server struct {
	cfg        Config
	entries    map[string]*entry // path → what answers there
	unknown    *entry
	preflight  cors.Middleware
	preflights *meter
	gate       gate
	metrics    *metrics
	discovery  atomic.Pointer[document]
	// assertionAudiences are the names of ours that a client assertion may be
	// for (RFC 7523 §3).
	assertionAudiences []string
	// decoy is whose secret is checked when a client is not known.
	decoy    *exchange.Client
	draining atomic.Bool
}

// New makes a Server.
func New(cfg Config) (*Server, error) {
	base, err := baseURL(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	cfg.defaults()
	s := &Server{cfg: cfg, decoy: decoy()}
	s.gate.open(cfg.MaxInFlight, cfg.MaxQueued)
	for _, path := range []string{"", tokenPath, revokePath, introspectPath} {
		s.assertionAudiences = append(s.assertionAudiences, cfg.Issuer+path)
	}
	if err := s.describe(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Metrics, s); err != nil {
		return nil, err
	}
	s.route(base.Path)
	s.ClientsChanged()
	return s, nil
}

func (cfg *Config) defaults() {
	if cfg.Limits == nil {
		cfg.Limits = limit.New(limit.Config{})
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	if cfg.Mail == nil {
		cfg.Mail = noMail{}
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = DefaultMaxInFlight
	}
	if cfg.MaxQueued <= 0 {
		cfg.MaxQueued = 1024
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) []ReadyCheck { return nil }
	}
	if cfg.SecretUsed == nil {
		cfg.SecretUsed = func(string, string, time.Time) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

// baseURL reads an issuer identifier (RFC 8414 §2).
func baseURL(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading issuer URL: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("issuer %q is not an http or https URL", issuer)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return nil, fmt.Errorf("issuer %q has a query or a fragment", issuer)
	case strings.HasSuffix(issuer, "/"):
		return nil, fmt.Errorf("issuer %q ends in a slash", issuer)
	case u.EscapedPath() != u.Path:
		return nil, errors.New("issuer URL has an escaped path")
	}
	return u, nil
}

// Handler is what http.Server serves.
func (s *Server) Handler() http.Handler { return s }

// Drain makes /readyz answer 503, so that load balancers send no more. Requests
// are answered as before.
func (s *Server) Drain() { s.draining.Store(true) }

// HTTPServer is an http.Server with the time and size limits that a public
// server needs: a sender has 10 s for a whole request. The limit of its header is
// the same, for which net/http sets the timer of a connection once.
func HTTPServer(h http.Handler) *http.Server {
	const sending = 10 * time.Second
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            sending,
		ReadTimeout:                  sending,
		WriteTimeout:                 60 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               16 << 10,
		DisableGeneralOptionsHandler: true, // OPTIONS * goes through the error door
	}
}
