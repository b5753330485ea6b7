package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"cambio/exchange"

	"github.com/jub0bs/cors"
)

// readOrigin reads the Origin header (RFC 6454 §7). An attempt from an origin
// that no client has ends here: whatever it would bring is not looked at. Where
// browsers have no business, every origin is one.
func (c *call) readOrigin(browser bool) error {
	values := c.r.Header["Origin"]
	if len(values) == 0 || !browser && c.r.Method != http.MethodPost {
		return nil
	}
	if len(values) > 1 {
		return malformed("there are %d Origin headers", len(values))
	}
	c.origin = values[0]
	if c.r.Method == http.MethodPost && (!browser || !c.registered()) {
		return exchange.Refuse(exchange.ReasonOriginNotAllowed,
			errors.New("no client may call from the origin "+exchange.Quote(c.origin)))
	}
	return nil
}

// registered says whether any client has the origin. "null" is what sandboxed
// pages of anybody send.
func (c *call) registered() bool {
	_, found := slices.BinarySearch(c.clients.Origins(), c.origin)
	return found && c.origin != "null"
}

// shareWithOrigin lets the page that asked read the answer: a page of one of
// the client's origins, or, where an answer is about no client, of a registered
// origin, so that a browser learns of a 429 or a 503 what it has to.
func (c *call) shareWithOrigin(reason exchange.Reason) {
	if c.origin == "" || reason == exchange.ReasonOriginNotAllowed || !c.registered() {
		return
	}
	if c.client != nil && !c.client.AllowsOrigin(c.origin) {
		return
	}
	h := c.w.Header()
	h["Access-Control-Allow-Origin"] = c.r.Header["Origin"]
	h["Access-Control-Expose-Headers"] = exposed
}

// isPreflight says whether r is a CORS preflight (Fetch, CORS-preflight fetch).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Origin"]) > 0 &&
		len(r.Header["Access-Control-Request-Method"]) > 0
}

// answerPreflight answers one, and counts it as refused if no page of the
// origin may call.
func (s *Server) answerPreflight(c *call) {
	s.preflight.Wrap(http.HandlerFunc(noOrigins)).ServeHTTP(c.w, c.r)
	outcome := granted
	if c.w.Header().Get("Access-Control-Allow-Origin") == "" {
		outcome = string(exchange.ReasonOriginNotAllowed)
	}
	s.preflights.observe(outcome, s.cfg.Now().Sub(c.now))
}

// noOrigins answers preflights while no client has an origin.
func noOrigins(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }

// ClientsChanged makes preflights know the origins that clients have now, and
// the discovery document the types that they may ask for. Call it after each
// change of the registry. Answers themselves need no telling.
func (s *Server) ClientsChanged() {
	if err := s.describe(); err != nil {
		s.cfg.Logger.Error("the discovery document is the one from before", "error", err)
	}
	origins := s.cfg.Clients().Origins()
	err := s.allowPreflights(origins)
	if err == nil {
		return
	}
	s.cfg.Logger.Error("some origins cannot be used in browsers", "error", err)
	usable := slices.DeleteFunc(slices.Clone(origins), func(o string) bool {
		_, err := cors.NewMiddleware(preflights([]string{o}))
		return err != nil || strings.Contains(o, "*")
	})
	if err := s.allowPreflights(usable); err != nil {
		s.cfg.Logger.Error("no origin can be used in browsers", "error", err)
		_ = s.preflight.Reconfigure(nil) // nil is always accepted
	}
}

func (s *Server) allowPreflights(origins []string) error {
	if len(origins) == 0 {
		return s.preflight.Reconfigure(nil)
	}
	for _, o := range origins {
		if strings.Contains(o, "*") { // to the middleware a pattern, to us a mistake
			return errors.New("origin " + exchange.Quote(o) + " is a pattern")
		}
	}
	cfg := preflights(origins)
	return s.preflight.Reconfigure(&cfg)
}

// preflights is the CORS of every path that browsers call: exact origins, no
// credentials.
func preflights(origins []string) cors.Config {
	return cors.Config{
		Origins:         origins,
		Methods:         []string{http.MethodGet, http.MethodPost},
		RequestHeaders:  []string{"Authorization", "Content-Type", "DPoP", "Idempotency-Key", "X-API-Key", "X-Client-Session-Id"},
		MaxAgeInSeconds: 600,
	}
}
