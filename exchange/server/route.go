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
	event  string // in the audit log; entries without one decide nothing
	method string
	// browser says that pages of registered origins may call.
	browser bool
	door    bool // speaks JSON in the habits of another system
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
	get := func(name string, browser bool, h handler) *entry {
		return &entry{name: name, method: http.MethodGet, browser: browser, serve: h}
	}
	post := func(name, event, media string, browser bool, h handler) *entry {
		return &entry{
			name: name, event: event, method: http.MethodPost, browser: browser, door: media == jsonType, serve: s.attempt(event, media, h),
		}
	}
	return map[string]*entry{
		tokenPath:      post("token", "token", formType, true, s.token),
		revokePath:     post("revoke", "revoke", formType, true, s.revoke),
		introspectPath: post("introspect", "introspect", formType, false, s.introspect),

		"/auth/external/session":  post("door_session", "token", jsonType, false, s.doorSession),
		"/auth/external/exchange": post("door_exchange", "token", jsonType, true, s.doorExchange),
		"/auth/refresh":           post("door_refresh", "token", jsonType, true, s.doorRefresh),
		"/auth/logout":            post("door_logout", "revoke", jsonType, true, s.doorLogout),
		"/auth/external/verify":   post("door_verify", "verify", jsonType, false, s.doorVerify),

		"/v1/checkout-auth/init": post("door_checkout", "token", jsonType, false, s.doorCheckout),

		"/v1/clients/session":                post("door_client_session", "client_session", jsonType, false, s.doorClientSession),
		"/v1/auth/cryptoWallet:start":        post("door_wallet_start", "wallet_challenge", jsonType, true, s.doorWalletStart),
		"/v1/auth/cryptoWallet:authenticate": post("door_wallet", "token", jsonType, true, s.doorWalletAuthenticate),

		"/auth/key/requests":           post("door_key", "key_request", jsonType, false, s.doorKeyRequest),
		"/auth/otp/email:send":         post("door_mail", "mail_code", jsonType, true, s.doorMailSend),
		"/auth/otp/email:authenticate": post("door_otp", "token", jsonType, true, s.doorMailAuthenticate),

		openidPath:   get("discovery", true, s.metadata),
		metadataPath: get("discovery", true, s.metadata),
		jwksPath:     get("jwks", true, s.jwks),

		"/livez":   get("health", false, s.live),
		"/readyz":  get("health", false, s.ready),
		"/healthz": get("health", false, s.ready),
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
