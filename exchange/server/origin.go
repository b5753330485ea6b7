package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"cambio/exchange"

	"github.com/jub0bs/cors"
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
	if post && (!browsers || !r.fromRegisteredOrigin()) {
		return exchange.Refuse(exchange.ReasonOriginNotAllowed,
			errors.New("no client may call from the origin "+exchange.Quote(r.origin)))
	}
	return nil
}

// fromRegisteredOrigin reports whether any client has the origin. Any sandboxed page
// sends "null".
func (r *Request) fromRegisteredOrigin() bool {
	_, found := slices.BinarySearch(r.clients.Origins(), r.origin)
	return found && r.origin != "null"
}

// shareWithOrigin lets the calling page read the response: a page of one of the
// client's origins, or, where no client is known, of any registered origin, so that
// browsers see a 429 or a 503.
func (r *Request) shareWithOrigin(reason exchange.Reason) {
	if r.origin == "" || reason == exchange.ReasonOriginNotAllowed || !r.fromRegisteredOrigin() {
		return
	}
	if r.Caller.Client != nil && !r.Client().AllowsOrigin(r.origin) {
		return
	}
	h := r.w.Header()
	h["Access-Control-Allow-Origin"] = r.http.Header["Origin"]
	h["Access-Control-Expose-Headers"] = exposed
}

// isPreflight reports whether r is a CORS preflight (Fetch, CORS-preflight fetch).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 &&
		len(r.Header["Access-Control-Request-Method"]) > 0
}

// servePreflight serves a preflight, and counts it as refused if no page of the
// origin may call.
func (s *Server) servePreflight(r *Request) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	s.preflight.Wrap(http.HandlerFunc(refuse)).ServeHTTP(r.w, r.http) // refuse is served while no client has an origin
	outcome := granted
	if r.w.Header().Get("Access-Control-Allow-Origin") == "" {
		outcome = string(exchange.ReasonOriginNotAllowed)
	}
	s.preflightMeter.observe(outcome, s.cfg.Now().Sub(r.Now))
}

// ClientsChanged updates the origins of preflights and the types of
// authorization_details in the discovery document. It must be called after each
// change of the registry; other responses follow it by themselves.
func (s *Server) ClientsChanged() {
	if err := s.updateDiscovery(); err != nil {
		s.cfg.Logger.Error("the discovery document could not be updated", "error", err)
	}
	var usable []string
	for _, o := range s.cfg.Clients().Origins() {
		_, err := cors.NewMiddleware(corsConfig([]string{o}))
		if err != nil || strings.Contains(o, "*") { // a pattern to the middleware, a mistake here
			s.cfg.Logger.Error("an origin cannot be used in browsers", "origin", exchange.Clip(o), "error", err)
			continue
		}
		usable = append(usable, o)
	}
	cfg := corsConfig(usable)
	if len(usable) > 0 && s.preflight.Reconfigure(&cfg) == nil {
		return
	}
	_ = s.preflight.Reconfigure(nil) // allows none; nil is always accepted
}

// corsConfig is the CORS of every path that browsers call: exact origins, no
// credentials.
func corsConfig(origins []string) cors.Config {
	return cors.Config{
		Origins:         origins,
		Methods:         []string{http.MethodGet, http.MethodPost},
		RequestHeaders:  []string{"Authorization", "Content-Type", "DPoP", "Idempotency-Key", "X-API-Key", "X-Client-Session-Id"},
		MaxAgeInSeconds: 600,
	}
}
