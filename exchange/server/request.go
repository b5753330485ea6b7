package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/grant"
	"cambio/exchange/limit"
	"cambio/jwks/strictjson"
)

// Request is a request and its response. Nothing may keep it, or what it points
// to of its own, beyond the response: later requests reuse it.
type Request struct {
	ID     string // request_id
	Now    time.Time
	Caller Caller
	// Token is the token request of an endpoint that has one. Its Trail describes
	// the decision of any endpoint.
	Token grant.Request
	// NotGranted is a refusal for the audit log that the response tells otherwise
	// than as an error.
	NotGranted *exchange.Error

	server   *Server
	endpoint *route
	w        http.ResponseWriter
	http     *http.Request
	clients  Clients // one state of the registry for the whole request
	addr     netip.Addr
	origin   string // the Origin header, empty outside browsers
	form     Form
	checks   [usualChecks]exchange.Check // backs Token.Trail.Checks

	reading       limit.Reading // of the body
	counted       bool          // reading has begun
	proved        bool          // what was asked for has succeeded and shows a proof
	idempotency   idempotencyState
	countsFailure bool        // a failure counts against the address
	credential    string      // name of the secret that the caller presented; empty: none
	event         audit.Event // without a name none is written

	status int
	media  []string // Content-Type of the response
	in     []byte   // body of the request
	out    strictjson.Buffer
}

// Caller holds what authentication found out about the sender of a request.
type Caller struct {
	// Client is nil until its origins may read the response.
	Client *exchange.CompiledClient
	// Authenticated reports whether the client has shown more than its ID.
	Authenticated bool
	Credential    string // ID of the client's secret that was used, or empty

	AccessToken   string               // of [BearerToken]
	ClientSession *ClientSessionCaller // of [ClientSession]
	Signature     Signature            // of [RequestSignature]
}

// usualChecks is the number of checks that an exchange seldom exceeds.
const usualChecks = 24

// usualBuffer is the size in bytes of the buffers of a request, which few exceed.
// Larger ones are not kept.
const usualBuffer = 4 << 10

var requests = sync.Pool{New: func() any {
	return &Request{in: make([]byte, 0, usualBuffer), out: make([]byte, 0, usualBuffer)}
}}

func (s *Server) newRequest(w http.ResponseWriter, h *http.Request) *Request {
	r := requests.Get().(*Request)
	r.server, r.w, r.http, r.Now, r.ID, r.clients = s, w, h, s.cfg.Now(), rand.Text(), s.cfg.Clients()
	r.status, r.media = http.StatusOK, jsonMedia
	r.Token.Trail.Checks = r.checks[:0]
	return r
}

// release returns the request to the pool without its content, which includes
// tokens. One with a large buffer is dropped.
func (r *Request) release() {
	if r.counted {
		r.server.intake.End(&r.reading)
	}
	if max(cap(r.in), cap(r.out)) > 2*usualBuffer {
		return
	}
	clear(r.in)
	clear(r.out)
	*r = Request{in: r.in[:0], out: r.out[:0]}
	requests.Put(r)
}

// Context is that of the work, which outlasts the connection if the request has
// an Idempotency-Key.
func (r *Request) Context() context.Context { return r.http.Context() }

// Client returns the client that Caller found.
func (r *Request) Client() *exchange.Client { return r.Caller.Client.Client }

// Origin returns the origin of the page that sent the request, empty outside
// browsers.
func (r *Request) Origin() string { return r.origin }

// Header values that many responses share. They must not be changed.
var (
	noStore     = []string{"no-store"}
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	varyOrigin  = []string{"Origin"}
	jsonMedia   = []string{"application/json"}
	textMedia   = []string{"text/plain; charset=utf-8"}
	basicScheme = []string{`Basic realm="cambio", charset="UTF-8"`} // RFC 7617 §2

	bearerScheme         = []string{`Bearer realm="cambio"`} // RFC 6750 §3
	bearerIsInvalid      = []string{`Bearer realm="cambio", error="invalid_token"`}
	bearerIsInsufficient = []string{`Bearer realm="cambio", error="insufficient_scope", scope="checkout:create"`}
)

// ServeHTTP serves a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	r := s.newRequest(w, h)
	defer r.release()
	r.setHeaders()
	r.addr = r.address()
	e, found := s.routes[h.URL.Path]
	if !found {
		e = s.notFound
	}
	r.endpoint = e
	if found && e.Browsers && isPreflight(h) {
		s.servePreflight(r)
		return
	}
	err := r.serve()
	r.nameRefusal(err)
	reason := r.conclude(err)
	r.storeResponse(reason)
	e.meter.observe(r.outcome(reason), s.cfg.Now().Sub(r.Now))
	r.send()
}

// nameRefusal gives an audit event to a refusal before the endpoint's own, so that each
// is found by its request_id. The log samples floods of them.
func (r *Request) nameRefusal(err error) {
	if err != nil && r.event.Name == "" && exchange.AsError(err).Reason != exchange.ReasonAuditUnavailable {
		r.event.Name = cmp.Or(r.endpoint.Event, "request")
	}
}

// setHeaders sets the headers of every response.
func (r *Request) setHeaders() {
	h := r.w.Header()
	h["X-Request-Id"] = []string{r.ID}
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["Vary"] = varyOrigin
}

// serve runs the steps of the package comment up to the endpoint's own. A panic
// is an internal error.
func (r *Request) serve() (err error) {
	defer r.onPanic(func(e error) { err = e })
	e := r.endpoint
	if e.method != http.MethodGet { // documents have no audit event
		if err := r.server.cfg.Audit.Ready(); err != nil {
			return exchange.Refuse(exchange.ReasonAuditUnavailable, err)
		}
	}
	if e.handle == nil {
		return exchange.Refuse(exchange.ReasonNotFound, r.nothingHere())
	}
	if !e.allows(r.http.Method) {
		r.w.Header()["Allow"] = []string{e.allow()}
		return exchange.Refuse(exchange.ReasonMethodNotAllowed,
			fmt.Errorf("%s %s; allowed: %s", exchange.Clip(r.http.Method), r.http.URL.Path, e.allow()))
	}
	if r.sendsSecretFromBrowser() {
		return r.refuseSecretFromBrowser()
	}
	if err := r.readOrigin(); err != nil {
		r.event.Name = e.Event
		return err
	}
	if e.method != http.MethodPost {
		return e.handle(r)
	}
	return r.serveBody()
}

// conclude turns an error into the response, counts it and takes the audit event.
// It returns the reason of a refusal, also of one that is no error to the caller.
func (r *Request) conclude(err error) (reason exchange.Reason) {
	defer r.onPanic(func(e error) { reason = r.refuse(e) })
	reason = r.event.Reason
	if r.NotGranted != nil {
		reason = r.NotGranted.Reason
		r.event.Reason, r.event.Err = reason, r.NotGranted.Error()
	}
	if err != nil {
		err = r.limit(err)
		reason = r.refuse(err)
	}
	r.shareWithOrigin(reason)
	if r.event.Name != "" {
		if failed := r.record(reason, err); failed != nil {
			reason = r.refuse(exchange.Refuse(exchange.ReasonAuditUnavailable, failed))
		}
	}
	return reason
}

// record writes the audit event of the decision. With an error the caller must not
// learn of the decision.
func (r *Request) record(reason exchange.Reason, err error) error {
	e, t := &r.event, &r.Token.Trail
	e.Time, e.RequestID, e.Address = r.Now, r.ID, r.addr
	if t.Client != "" {
		e.Client = t.Client
	}
	e.Issuer, e.Subject, e.User, e.Session, e.Key = t.Issuer, t.Subject, t.User, t.Session, t.Key
	e.Rules, e.Scopes, e.Checks = t.Rules, t.Scopes, t.Checks
	if p := t.Purchase; p != nil {
		e.Customer, e.Invoice = p.Customer, p.Invoice
	}
	if err != nil {
		e.Reason = reason
		if reason != exchange.ReasonInternal { // whose text may contain anything
			e.Err = exchange.AsError(err).Error()
		}
	}
	return r.server.cfg.Audit.Write(e)
}

// send writes the response. net/http sets the Content-Length of a short one,
// which it buffers; with a Content-Length it sends a long one unchunked too.
func (r *Request) send() {
	const short = 2 << 10
	h := r.w.Header()
	if len(r.out) > 0 {
		h["Content-Type"] = r.media
	}
	if r.status != http.StatusNotModified && (len(r.out) >= short || r.http.Method == http.MethodHead) {
		h["Content-Length"] = []string{strconv.Itoa(len(r.out))}
	}
	r.w.WriteHeader(r.status)
	_, _ = r.w.Write(r.out) // an error means that the caller has left
}
