package server

import (
	"net/http"
	"strings"
)

// Paths, relative to the issuer's.
const (
	tokenPath      = "/oauth/token"
	revokePath     = "/oauth/revoke"
	introspectPath = "/oauth/introspect"
	jwksPath       = "/.well-known/jwks.json"
	openidPath     = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0 §4
	metadataPath   = "/.well-known/oauth-authorization-server" // RFC 8414 §3
)

// handler answers a request by filling c's answer, or refuses it.
type handler func(c *call) error

// entry is what answers at a path.
type entry struct {
	name   string // in metrics
	method string
	// browser says that pages of registered origins may call.
	browser bool
	serve   handler
	meter   *meter
}

// route fills the map of paths. Under an issuer URL with a path everything is
// served there and at the root, whether a proxy in front strips the path or
// not; the metadata is also where RFC 8414 §3.1 inserts its name.
func (s *Server) route(prefix string) {
	entries := s.list()
	s.entries = make(map[string]*entry, 2*len(entries))
	for path, e := range entries {
		e.meter = s.metrics.meter(e.name)
		s.entries[path] = e
		s.entries[prefix+path] = e
	}
	s.entries[metadataPath+prefix] = entries[metadataPath]
	s.entries[openidPath+prefix] = entries[openidPath]
	s.preflights = s.metrics.meter("preflight")
	s.unknown = &entry{name: "unknown", meter: s.metrics.meter("unknown")}
}

func (s *Server) list() map[string]*entry {
	const get, post = http.MethodGet, http.MethodPost
	return map[string]*entry{
		tokenPath:      {name: "token", method: post, browser: true, serve: s.attempt("token", formType, s.token)},
		revokePath:     {name: "revoke", method: post, browser: true, serve: s.attempt("revoke", formType, s.revoke)},
		introspectPath: {name: "introspect", method: post, serve: s.attempt("introspect", formType, s.introspect)},

		"/auth/external/exchange": {name: "door_exchange", method: post, browser: true, serve: s.attempt("token", jsonType, s.doorExchange)},
		"/auth/refresh":           {name: "door_refresh", method: post, browser: true, serve: s.attempt("token", jsonType, s.doorRefresh)},
		"/auth/logout":            {name: "door_logout", method: post, browser: true, serve: s.attempt("revoke", jsonType, s.doorLogout)},
		"/auth/external/verify":   {name: "door_verify", method: post, serve: s.attempt("verify", jsonType, s.doorVerify)},

		openidPath:   {name: "discovery", method: get, browser: true, serve: s.metadata},
		metadataPath: {name: "discovery", method: get, browser: true, serve: s.metadata},
		jwksPath:     {name: "jwks", method: get, browser: true, serve: s.jwks},

		"/livez":   {name: "health", method: get, serve: s.live},
		"/readyz":  {name: "health", method: get, serve: s.ready},
		"/healthz": {name: "health", method: get, serve: s.ready},
	}
}

// takes says whether the entry answers to a method.
func (e *entry) takes(method string) bool {
	return e.method == method || e.method == http.MethodGet && method == http.MethodHead
}

// allow is the Allow header (RFC 9110 §10.2.1) of the entry.
func (e *entry) allow() string {
	methods := []string{e.method}
	if e.method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	if e.browser {
		methods = append(methods, http.MethodOptions)
	}
	return strings.Join(methods, ", ")
}
