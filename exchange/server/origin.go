package server

import (
	"errors"
	"net/http"
	"net/netip"
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

// address returns the caller's address: the peer's, or the one that trusted
// proxies report. Of X-Forwarded-For the rightmost address counts that is not a
// trusted proxy's: any caller can write what is to the left of it.
func address(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if len(trusted) == 0 {
		return addr
	}
	hops := r.Header["X-Forwarded-For"]
	for i := len(hops) - 1; i >= 0; i-- {
		list := hops[i]
		for list != "" && covers(trusted, addr) {
			comma := strings.LastIndexByte(list, ',')
			next, ok := hop(list[comma+1:])
			if !ok {
				return addr
			}
			addr, list = next, list[:max(comma, 0)]
		}
	}
	return addr
}

// hop parses an element of X-Forwarded-For: an address, with or without a port.
func hop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	withPort, err := netip.ParseAddrPort(s)
	return withPort.Addr().Unmap().WithZone(""), err == nil
}

func covers(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}
