package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/grant"
)

// call is one request and its answer. Nothing may keep it, or what it points to
// of its own, beyond the answer: later requests reuse it.
type call struct {
	w   http.ResponseWriter
	r   *http.Request
	now time.Time
	id  string // request_id
	// clients are those of the moment the request came: it sees one state.
	clients Clients
	addr    netip.Addr
	// origin is the request's Origin header, empty outside browsers.
	origin string

	// params are what was read of a form beside the token request.
	params parameters
	req    grant.Request
	checks [usualChecks]exchange.Check // room for those of req.Trail

	// client is who is calling as soon as that may be told: its origins may
	// read the answer. proven says that it showed more than its name.
	client *exchange.Client
	proven bool
	// vouched says that what it asked for proved something, and was granted.
	vouched bool
	repeat  repeat
	// bearer says that what is asked takes a refresh token, which is bound to
	// its client: pages may ask it, see exchange.Client.PageRefresh.
	bearer bool
	// tried says that a failure counts against the address.
	tried bool
	event audit.Event // without a name there is none

	status  int
	media   []string // Content-Type of the answer
	in, out []byte   // the bodies of the request and the answer
}

// usualChecks is how many checks an exchange usually takes, at most.
const usualChecks = 24

var calls = sync.Pool{New: func() any {
	return &call{in: make([]byte, 0, 4<<10), out: make([]byte, 0, 4<<10)}
}}

// begin is the call of a request.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) *call {
	c := calls.Get().(*call)
	c.w, c.r, c.now, c.id, c.clients = w, r, s.cfg.Now(), rand.Text(), s.cfg.Clients()
	c.status, c.media = http.StatusOK, jsonMedia
	c.req.Trail.Checks = c.checks[:0]
	return c
}

// release gives the call back without what was in it: tokens. One that a large
// request made room in is let go.
func (c *call) release() {
	if cap(c.in)+cap(c.out) <= 32<<10 {
		c.forget()
		calls.Put(c)
	}
}

func (c *call) forget() {
	clear(c.in)
	clear(c.out)
	in, out := c.in[:0], c.out[:0]
	*c = call{}
	c.in, c.out = in, out
}

func (c *call) ctx() context.Context { return c.r.Context() }

// Header values that are the same in many answers. They are shared and nobody
// may change them.
var (
	noStore     = []string{"no-store"}
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	varyOrigin  = []string{"Origin"}
	jsonMedia   = []string{"application/json"}
	textMedia   = []string{"text/plain; charset=utf-8"}
	exposed     = []string{"DPoP-Nonce, WWW-Authenticate, Retry-After"}
	basicScheme = []string{`Basic realm="cambio", charset="UTF-8"`} // RFC 7617 §2

	bearerScheme         = []string{`Bearer realm="cambio"`} // RFC 6750 §3
	bearerIsInvalid      = []string{`Bearer realm="cambio", error="invalid_token"`}
	bearerIsInsufficient = []string{`Bearer realm="cambio", error="insufficient_scope", scope="checkout:create"`}
)

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.begin(w, r)
	defer c.release()
	s.common(c)
	e, ok := s.entries[r.URL.Path]
	if !ok {
		e = s.unknown
	}
	if ok && e.browser && isPreflight(r) {
		s.answerPreflight(c)
		return
	}
	err := s.run(c, e)
	reason := s.conclude(c, err)
	s.settle(c, reason)
	e.meter.observe(c.outcome(reason), s.cfg.Now().Sub(c.now))
	s.send(c)
}

// common sets what every answer has.
func (s *Server) common(c *call) {
	h := c.w.Header()
	h["X-Request-Id"] = []string{c.id}
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["Vary"] = varyOrigin
}

// run lets the entry answer. A panic is an internal error.
func (s *Server) run(c *call, e *entry) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(c, v)
		}
	}()
	if e.serve == nil {
		return exchange.Refuse(exchange.ReasonNotFound, nil)
	}
	if !e.takes(c.r.Method) {
		c.w.Header()["Allow"] = []string{e.allow()}
		return exchange.Refuse(exchange.ReasonMethodNotAllowed, nil)
	}
	c.addr = address(c.r, s.cfg.TrustedProxies)
	if c.leaked(e) {
		return s.refuseLeaked(c, e)
	}
	if err := c.readOrigin(e.browser); err != nil {
		c.event.Name = e.event
		return err
	}
	return e.serve(c)
}

// conclude turns an error into the answer, counts it, and takes the audit
// event, before the caller learns anything. It returns the reason of a
// refusal, also of one that is no error to the caller.
func (s *Server) conclude(c *call, err error) exchange.Reason {
	reason := c.event.Reason
	if err != nil {
		reason = s.refuse(c, err)
	}
	c.shareWithOrigin(reason)
	if c.tried && !c.proven && guessed(c.status, reason) {
		s.cfg.Limits.Failed(c.addr, c.now)
	}
	if c.event.Name != "" {
		s.record(c, reason, err)
	}
	return reason
}

// guessed says whether an answer is to somebody who may be guessing. A page of
// a foreign origin can make a browser send anything, so what it sends does not
// count against the address of the browser's user.
func guessed(status int, reason exchange.Reason) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return reason != exchange.ReasonOriginNotAllowed
	}
	return false
}

// record writes the audit event of a decision.
func (s *Server) record(c *call, reason exchange.Reason, err error) {
	e, t := &c.event, &c.req.Trail
	e.Time, e.RequestID, e.Address = c.now, c.id, c.addr
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
		if reason != exchange.ReasonInternal { // of which nobody knows what it says
			e.Err = exchange.AsError(err).Error()
		}
	}
	s.cfg.Audit.Write(e)
}

// send writes the answer. net/http knows the length of a short one, which it
// holds back until the request has been answered; with a Content-Length it sends
// a long one whole too.
func (s *Server) send(c *call) {
	const short = 2 << 10
	h := c.w.Header()
	if len(c.out) > 0 {
		h["Content-Type"] = c.media
	}
	if c.status != http.StatusNotModified && (len(c.out) >= short || c.r.Method == http.MethodHead) {
		h["Content-Length"] = []string{strconv.Itoa(len(c.out))}
	}
	c.w.WriteHeader(c.status)
	if _, err := c.w.Write(c.out); err != nil {
		return // the caller is gone
	}
}
