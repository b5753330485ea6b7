package server

import (
	"fmt"
	"net/http"

	"cambio/exchange"
)

// Header values of the responses to pages (Fetch, HTTP responses).
var (
	anyOrigin     = []string{"*"}
	exposed       = []string{"DPoP-Nonce, WWW-Authenticate, Retry-After, X-Request-Id"}
	varyPreflight = []string{"Origin, Access-Control-Request-Headers"}
	pageMethods   = []string{"GET, POST"}
	preflightAge  = []string{"600"}
)

// readOrigin reads the Origin header (RFC 6454 §7). A request from an origin that
// no client has ends here, unread; at an endpoint without browsers, one from any.
func (r *Request) readOrigin() error {
	values, browsers, post := r.http.Header["Origin"], r.endpoint.Browsers, r.http.Method == http.MethodPost
	if len(values) == 0 || !browsers && !post {
		return nil
	}
	if len(values) > 1 {
		return malformed("there are %d Origin headers", len(values))
	}
	r.origin = values[0]
	switch {
	case post && !browsers:
		return exchange.Refuse(exchange.ReasonOriginNotAllowed,
			fmt.Errorf("pages may not call this endpoint, and %s is one", exchange.Quote(r.origin)))
	case post && !r.fromRegisteredOrigin():
		return r.foreignOrigin()
	}
	return nil
}

// fromRegisteredOrigin reports whether any client has the origin.
func (r *Request) fromRegisteredOrigin() bool {
	return exchange.OriginAmong(r.clients.Origins(), r.origin)
}

// shareWithOrigin lets the calling page read the response: any page a document; other
// responses a page of one of the client's origins, or, where no client is known, of any
// registered origin, so that browsers see a 429 or a 503.
func (r *Request) shareWithOrigin(reason exchange.Reason) {
	h := r.w.Header()
	if r.endpoint.isDocument() {
		h["Access-Control-Allow-Origin"], h["Access-Control-Expose-Headers"] = anyOrigin, exposed
		return
	}
	if r.origin == "" || reason == exchange.ReasonOriginNotAllowed || !r.fromRegisteredOrigin() {
		return
	}
	if r.Caller.Client != nil && !r.Client().AllowsOrigin(r.origin) {
		return
	}
	h["Access-Control-Allow-Origin"] = r.http.Header["Origin"]
	h["Access-Control-Expose-Headers"] = exposed
}

// isPreflight reports whether r is a CORS preflight (Fetch, CORS-preflight fetch).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 &&
		len(r.Header["Access-Control-Request-Method"]) > 0
}

// servePreflight serves a preflight. No credentials are involved, so that a page that
// may call may send any header.
func (s *Server) servePreflight(r *Request) {
	err := r.readOrigin()
	if err == nil && !r.mayPreflight() {
		err = r.foreignOrigin()
	}
	if err != nil && s.preflights.Allow(r.origin, r.Now) {
		r.event.Name = "preflight"
	}
	reason := r.conclude(err)
	if err == nil {
		r.status = http.StatusNoContent
		h := r.w.Header()
		h["Vary"] = varyPreflight
		h["Access-Control-Allow-Methods"] = pageMethods
		h["Access-Control-Max-Age"] = preflightAge
		if requested := r.http.Header["Access-Control-Request-Headers"]; len(requested) > 0 {
			h["Access-Control-Allow-Headers"] = requested
		}
	}
	s.preflightMeter.observe(r.outcome(reason), s.cfg.Now().Sub(r.Now))
	r.send()
}

func (r *Request) mayPreflight() bool { return r.endpoint.isDocument() || r.fromRegisteredOrigin() }

// foreignOrigin refuses a page. The operator reads what to add if it should be allowed.
func (r *Request) foreignOrigin() error {
	return exchange.Refuse(exchange.ReasonOriginNotAllowed,
		fmt.Errorf("no client has the origin %s; if the page is to call, add it to its client: origins: [%[1]s]", exchange.Quote(r.origin)))
}

// ClientsChanged updates the types of authorization_details in the discovery document.
// It must be called after each change of the registry; other responses follow it by
// themselves.
func (s *Server) ClientsChanged() {
	if err := s.updateDiscovery(); err != nil {
		s.cfg.Logger.Error("the discovery document could not be updated", "error", err)
	}
}
