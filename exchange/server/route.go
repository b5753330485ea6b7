package server

import "net/http"

// Paths that the discovery document names, relative to the issuer's.
const (
	TokenPath      = "/oauth/token"
	RevokePath     = "/oauth/revoke"
	IntrospectPath = "/oauth/introspect"

	jwksPath     = "/.well-known/jwks.json"
	openidPath   = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0 §4
	metadataPath = "/.well-known/oauth-authorization-server" // RFC 8414 §3
)

// route serves a path: an endpoint, or a document (GET).
type route struct {
	Endpoint
	method string
	handle handler // nil where nothing is served
	meter  *meter
}

// addRoutes fills the map of paths. Under an issuer URL with a path everything is
// served there and at the root, so that a proxy may strip the path or not; the
// metadata is also where RFC 8414 §3.1 inserts its name.
func (s *Server) addRoutes(prefix string) {
	s.routes = map[string]*route{}
	for _, e := range s.cfg.Endpoints {
		s.addRoute(prefix, &route{Endpoint: e, method: http.MethodPost, handle: e.Steps.pipeline()})
	}
	get := func(name, path string, browsers bool, h handler) {
		s.addRoute(prefix, &route{Endpoint: Endpoint{Name: name, Path: path, Browsers: browsers}, method: http.MethodGet, handle: h})
	}
	get("discovery", openidPath, true, s.serveDiscovery)
	get("discovery", metadataPath, true, s.serveDiscovery)
	get("jwks", jwksPath, true, s.serveJWKS)
	get("health", "/livez", false, s.live)
	get("health", "/readyz", false, s.ready)
	get("health", "/healthz", false, s.ready)
	s.routes[metadataPath+prefix] = s.routes[metadataPath]
	s.routes[openidPath+prefix] = s.routes[openidPath]
	s.preflights = s.metrics.meter("preflight")
	s.notFound = &route{meter: s.metrics.meter("unknown")}
}

func (s *Server) addRoute(prefix string, e *route) {
	e.meter = s.metrics.meter(e.Name)
	s.routes[e.Path], s.routes[prefix+e.Path] = e, e
}

// acceptsJSON reports whether the route is a JSON endpoint.
func (e *route) acceptsJSON() bool { return e.method == http.MethodPost && e.Caller != FormClient }

// allows reports whether the route serves a method.
func (e *route) allows(method string) bool {
	return e.method == method || e.method == http.MethodGet && method == http.MethodHead
}

// allow returns the Allow header (RFC 9110 §10.2.1) of the route.
func (e *route) allow() string {
	methods := e.method
	if e.method == http.MethodGet {
		methods += ", " + http.MethodHead
	}
	if e.Browsers {
		methods += ", " + http.MethodOptions
	}
	return methods
}
