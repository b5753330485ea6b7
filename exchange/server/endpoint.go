package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/jwks/egress"
	"cambio/jwks/strictjson"
)

// Endpoint declares a path that takes POST requests: what it demands of a
// request, and the functions that are its own. Whatever is not declared is
// refused. All else is the pipeline's, so that no endpoint can leave out or
// reorder a step.
type Endpoint struct {
	Name  string // label of the metrics
	Path  string // relative to the issuer's
	Event string // name of the audit event
	// Caller is how the client is found. It also decides the media type of
	// request bodies: forms for [FormClient], JSON otherwise.
	Caller Authentication
	// Confidential demands a client that has authenticated.
	Confidential bool
	// PageRefresh accepts the refresh token in the body instead of the client's
	// secret, from pages, where the client is registered so
	// (exchange.Client.PageRefresh).
	PageRefresh bool
	// ByAudience accepts a token exchange that names no client: an issuer's
	// registration can let it be found by the subject token's audience.
	ByAudience bool
	// Browsers lets pages of registered origins call.
	Browsers bool
	// NeverReplayed ignores an Idempotency-Key: the endpoint changes nothing that a
	// repetition would change again, and its response is as of now.
	NeverReplayed bool
	// OnlyRefusals leaves success out of the audit log.
	OnlyRefusals bool
	// Status is that of success, default 200.
	Status int
	Steps  EndpointSteps // a [Steps] or a [TokenSteps]
}

// EndpointSteps are the functions of an endpoint.
type EndpointSteps interface{ pipeline() handler }

// Steps are the functions of an endpoint that does not request tokens. In is
// what a request says and Out what comes of it. Only Run is required.
type Steps[In, Out any] struct {
	// Read reads and validates the parameters. It sees nothing but the body.
	Read func(body Body, in *In) error
	// Check does what depends on the client and precedes the lookup of a stored
	// response.
	Check func(r *Request, in *In) error
	// Run does what was asked.
	Run func(r *Request, in *In) (Out, error)
	// Write appends the body of the response. Default: it has none.
	Write func(b strictjson.Buffer, out Out) strictjson.Buffer
	// Proves reports whether success shows that the caller had something to
	// prove; without that, an unauthenticated caller's response is not stored.
	// Default: success does.
	Proves func(out Out) bool
}

// TokenSteps are the functions of an endpoint that requests tokens: it translates
// to a token request and from the response, and package grant decides. In is what
// the response needs beside.
type TokenSteps[In any] struct {
	// GrantType and SubjectTokenType are those of each request, empty where it
	// says itself.
	GrantType, SubjectTokenType string
	// Read translates the parameters to t.
	Read func(body Body, in *In, t *grant.Request) error
	// Check is as in [Steps], and AfterLookup the same once no stored response was found.
	Check, AfterLookup func(r *Request, in *In) error
	// Write appends the body of the response.
	Write func(b strictjson.Buffer, r *Request, in *In, res *grant.Response) strictjson.Buffer
}

// handler serves a request by filling in its response, or refuses it.
type handler func(r *Request) error

// pipeline runs the steps of an endpoint that follow its media type.
type pipeline[In, Out any] struct {
	grantType, subjectTokenType string // of [TokenSteps]

	read   func(Body, *grant.Request, *In) error
	check  func(*Request, *In) error
	tokens bool
	run    func(*Request, *In) (Out, error)
	write  func(strictjson.Buffer, *Request, *In, Out) strictjson.Buffer
	proves func(Out) bool
}

func (p *pipeline[In, Out]) serve(r *Request) error {
	var in In
	if err := p.admit(r, &in); err != nil {
		return err
	}
	if replayed, err := r.lookup(); replayed || err != nil {
		return err
	}
	out, err := p.run(r, &in)
	if err != nil {
		return err
	}
	r.proved = p.proves == nil || p.proves(out)
	if s := r.endpoint.Status; s != 0 {
		r.status = s
	}
	if p.write != nil {
		r.out = p.write(r.out, r, &in, out)
	}
	if r.endpoint.OnlyRefusals {
		r.event.Name = ""
	}
	return nil
}

// admit reads the parameters, authenticates the client and checks what depends
// on it.
func (p *pipeline[In, Out]) admit(r *Request, in *In) error {
	r.Token.GrantType, r.Token.SubjectTokenType = p.grantType, p.subjectTokenType
	early := r.endpoint.Caller.precedesParameters()
	if early {
		if err := r.authenticate(); err != nil {
			return err
		}
	}
	body, err := r.body()
	if err == nil && p.read != nil {
		err = p.read(body, &r.Token, in)
	}
	if err != nil {
		return err
	}
	if !early {
		if err := r.authenticate(); err != nil {
			return err
		}
	}
	if p.tokens {
		if err := r.refuseDPoP(); err != nil {
			return err
		}
	}
	if p.check == nil {
		return nil
	}
	return p.check(r, in)
}

func (s Steps[In, Out]) pipeline() handler {
	p := &pipeline[In, Out]{check: s.Check, run: s.Run, proves: s.Proves}
	if s.Read != nil {
		p.read = func(body Body, _ *grant.Request, in *In) error { return s.Read(body, in) }
	}
	if s.Write != nil {
		p.write = func(b strictjson.Buffer, _ *Request, _ *In, out Out) strictjson.Buffer { return s.Write(b, out) }
	}
	return p.serve
}

func (s TokenSteps[In]) pipeline() handler {
	p := &pipeline[In, *grant.Response]{check: s.Check, tokens: true, write: s.Write}
	p.grantType, p.subjectTokenType = s.GrantType, s.SubjectTokenType
	if s.Read != nil {
		p.read = func(body Body, t *grant.Request, in *In) error { return s.Read(body, in, t) }
	}
	p.run = func(r *Request, in *In) (*grant.Response, error) {
		if s.AfterLookup != nil {
			if err := s.AfterLookup(r, in); err != nil {
				return nil, err
			}
		}
		return r.requestTokens()
	}
	return p.serve
}

// requestTokens requests tokens of package grant.
func (r *Request) requestTokens() (*grant.Response, error) {
	r.Token.ID = r.ID
	res, err := r.server.cfg.GrantTokens(r.Context(), &r.Token, r.Now)
	if r.Caller.Client == nil { // it may have been found by the token's audience
		r.Caller.Client = r.Token.Client
	}
	return res, err
}

// refuseDPoP refuses a DPoP proof (RFC 9449 §4), whatever it says: its sender
// expects tokens that are bound to its key, and they would not be.
func (r *Request) refuseDPoP() error {
	if len(r.http.Header["Dpop"]) == 0 {
		return nil
	}
	return Refused(exchange.ReasonParameterInvalid, "DPoP is not supported: tokens are Bearer tokens, ask without a DPoP header")
}

// serveBody serves a request with a body: steps 4 and 5 of the package comment, then
// those of the endpoint. A failure from here on counts against the caller's address.
func (r *Request) serveBody() error {
	s := r.server
	r.countsFailure = true
	if err := r.readBody(); err != nil {
		return err
	}
	if r.endpoint.Caller != FormClient || !r.endpoint.NeverReplayed { // revocation and introspection know no key
		if err := r.readIdempotencyKey(); err != nil {
			return err
		}
	}
	place, err := s.gate.Take(r.Context())
	if err != nil {
		return exchange.Refuse(exchange.ReasonOverloaded, err)
	}
	defer place.Leave()
	r.http = r.http.WithContext(egress.WithPlace(r.Context(), place.GiveUp))
	r.event.Name = r.endpoint.Event
	return r.endpoint.handle(r)
}

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
	s.preflightMeter = s.metrics.meter("preflight")
	s.notFound = &route{meter: s.metrics.meter("unknown")}
}

// nothingHere returns which path was requested, and which one is near.
func (r *Request) nothingHere() error {
	path := r.http.URL.Path
	bare, near := strings.ToLower(strings.TrimRight(path, "/")), ""
	for known := range r.server.routes {
		if len(known) > len(near) && strings.HasSuffix(bare, known) {
			near = known
		}
	}
	text := fmt.Sprintf("%s %s is not served", exchange.Clip(r.http.Method), exchange.Clip(path))
	if near != "" {
		text += "; " + near + " is"
	}
	return errors.New(text)
}

func (s *Server) addRoute(prefix string, e *route) {
	e.meter = s.metrics.meter(e.Name)
	s.routes[e.Path], s.routes[prefix+e.Path] = e, e
}

// isDocument reports whether the route is a public document, which any page may read.
func (e *route) isDocument() bool { return e.method == http.MethodGet && e.Browsers }

// takesPublicClients reports whether a client may call that only gives its ID.
func (e *route) takesPublicClients() bool {
	return e.Browsers && !e.Confidential && (e.Caller == FormClient || e.Caller == JSONClient)
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
