package server

import (
	"cmp"
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
	"cambio/exchange/server/discovery"
	"cambio/exchange/session"
	"cambio/exchange/subject"
	"cambio/exchange/walletlogin"

	"github.com/prometheus/client_golang/prometheus"
)

// Config configures a Server. Fields without a stated default are required.
type Config struct {
	// Issuer is our public base URL and the iss of our tokens. It is the only
	// source of URLs in responses: Host and X-Forwarded-* are not used.
	Issuer string
	// Endpoints come from package endpoint.
	Endpoints []Endpoint
	// GrantTokens decides token requests; package grant has it.
	GrantTokens func(ctx context.Context, req *grant.Request, now time.Time) (*grant.Response, error)
	// Sessions parses and introspects our tokens.
	Sessions *session.Store
	// Clients returns the clients as of now. It is called for each request.
	Clients func() Clients
	// CheckSecret returns the ID of the client's live secret that equals secret,
	// empty if there is none.
	CheckSecret func(c *exchange.Client, secret string, now time.Time) (id string)
	// SecretUsed records that a secret has authenticated a client.
	SecretUsed func(clientID, secretID string, now time.Time)
	// Subjects verifies client assertions.
	Subjects *subject.Verifier
	// Spend spends the jti of client assertions, in a commit of its own; package
	// replay has it.
	Spend func(ctx context.Context, kind, id string, expires, now time.Time) error
	// ClientSessions finds the client sessions of wallets.
	ClientSessions *walletlogin.Store
	// LookupResponse finds responses by their Idempotency-Key; package idempotency
	// has it.
	LookupResponse func(ctx context.Context, req idempotency.Request, now time.Time) (*idempotency.Response, *idempotency.Lease, error)
	// Keys publishes our keys; package keys has them.
	Keys publisher
	// Limits slows down addresses that fail. Default: that of limit.Config.
	Limits *limit.Limiter
	// Audit gets one event for each decision.
	Audit *audit.Log
	// Logger gets what operators should look at. Default slog.Default.
	Logger *slog.Logger
	// Metrics is where metrics are registered. Default: nowhere.
	Metrics prometheus.Registerer
	// TrustedProxies may report the address they call for, in X-Forwarded-For or, if a
	// request has none, in Forwarded.
	TrustedProxies []netip.Prefix
	// ClientAddressHeader is the header that they report it in instead, such as
	// CF-Connecting-IP; X-Forwarded-For and Forwarded are then ignored.
	ClientAddressHeader string
	// MaxInFlight bounds the requests that are worked on at once, default
	// [DefaultMaxInFlight], and MaxQueued those that wait, default 1024. More are
	// refused with 503. Bodies are read before, so that slow senders hold no place.
	MaxInFlight, MaxQueued int
	// MaxOutside bounds the requests that wait for an issuer, mail server, webhook or
	// blockchain endpoint, default 4096, of which a quarter may wait for the same one.
	// More are refused as if it were unavailable.
	MaxOutside int
	// MaxRequestMemory bounds the bytes that requests with a body take while they
	// are read, wait or are worked on, default 128 MiB. The oldest whose body has not
	// arrived makes room, with 503.
	MaxRequestMemory int
	// Ready returns the checks of /readyz. Their errors are not shown. Default: none.
	Ready func(context.Context) []ReadyCheck
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// DefaultMaxInFlight is the default of Config.MaxInFlight.
const DefaultMaxInFlight = 1024

// ReadyCheck is the state of one part of the server.
type ReadyCheck struct {
	Name    string
	Err     error
	Warning bool // the server is ready in spite of Err
}

// Clients are the registered clients; a registry's snapshot is one.
type Clients interface {
	// Client returns the client of an ID, nil if there is none.
	Client(id string) *exchange.CompiledClient
	// Origins returns the origins of all clients, sorted.
	Origins() []string
	// DetailTypes returns the types of authorization_details that some client may
	// request, sorted.
	DetailTypes() []string
	// TokenSize returns the bytes of the largest token that any issuer accepts.
	TokenSize() int
}

type publisher interface {
	JWKS() (body []byte, etag string)
	Algorithms() []string
}

// Server is the public HTTP API. It is safe for concurrent use.
type Server struct {
	cfg            Config
	routes         map[string]*route // by path
	notFound       *route
	preflights     limit.Every // audit events of refused ones, by origin
	preflightMeter *meter
	gate           limit.Gate
	intake         limit.Intake
	metrics        *metrics
	discovery      atomic.Pointer[document]
	// assertionAudiences are our names that a client assertion may be for (RFC
	// 7523 §3).
	assertionAudiences []string
	draining           atomic.Bool
	warned             atomic.Int64 // when of an untrusted proxy, in Unix time
}

// New returns a Server.
func New(cfg Config) (*Server, error) {
	base, err := baseURL(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	cfg.defaults()
	s := &Server{cfg: cfg}
	s.gate.Open(cfg.MaxInFlight, cfg.MaxQueued, cfg.MaxOutside)
	s.intake.Open(cfg.MaxRequestMemory)
	s.assertionAudiences = []string{cfg.Issuer}
	for _, path := range []string{TokenPath, RevokePath, IntrospectPath} {
		s.assertionAudiences = append(s.assertionAudiences, discovery.URL(cfg.Issuer, path))
	}
	if err := s.updateDiscovery(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(cfg.Metrics, s); err != nil {
		return nil, err
	}
	s.addRoutes(base.Path)
	return s, nil
}

func (cfg *Config) defaults() {
	if cfg.Limits == nil {
		cfg.Limits = limit.New(limit.Config{})
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	cfg.MaxInFlight = cmp.Or(max(cfg.MaxInFlight, 0), DefaultMaxInFlight)
	cfg.MaxQueued = cmp.Or(max(cfg.MaxQueued, 0), 1024)
	cfg.MaxOutside = cmp.Or(max(cfg.MaxOutside, 0), 4096)
	cfg.MaxRequestMemory = cmp.Or(max(cfg.MaxRequestMemory, 0), 128<<20)
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) []ReadyCheck { return nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

// baseURL parses an issuer identifier (RFC 8414 §2).
func baseURL(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading issuer URL: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("issuer %q is not an http or https URL", issuer)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return nil, fmt.Errorf("issuer %q has a query or a fragment", issuer)
	case strings.HasSuffix(u.Path, "//"):
		return nil, fmt.Errorf("issuer %q ends in two slashes", issuer)
	case u.EscapedPath() != u.Path:
		return nil, errors.New("issuer URL has an escaped path")
	}
	u.Path = strings.TrimSuffix(u.Path, "/") // iss keeps it; paths are appended once
	return u, nil
}

// Drain makes /readyz respond with 503, so that load balancers send no more. Requests
// are served as before.
func (s *Server) Drain() { s.draining.Store(true) }

// HTTPServer returns an http.Server with the time and size limits that a public
// server needs: a sender has 10 s for a whole request. The limit of its header is
// the same, so that net/http sets the timer of a connection once.
func HTTPServer(h http.Handler) *http.Server {
	const sending = 10 * time.Second
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            sending,
		ReadTimeout:                  sending,
		WriteTimeout:                 60 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               16 << 10,
		DisableGeneralOptionsHandler: true, // OPTIONS * is refused like any other
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100,
			// What a client may send before an endpoint reads it.
			MaxReceiveBufferPerStream:     64 << 10,
			MaxReceiveBufferPerConnection: 256 << 10,
		},
	}
}
