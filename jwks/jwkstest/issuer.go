// Package jwkstest runs issuers for tests: an HTTP server with a discovery
// document (OpenID Connect Discovery §4) and a JSON Web Key Set (RFC 7517 §5),
// real keys, and tokens signed by them.
//
// It shares no code with package jwks, so that no error is in both. An [Issuer]
// listens on loopback over plain http, which a fetcher must allow.
package jwkstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// The paths that an Issuer serves, below its URL.
const (
	DiscoveryPath    = "/.well-known/openid-configuration"
	JWKSPath         = "/jwks.json"
	CertificatesPath = "/certs" // JSON object of kid → PEM certificate
)

// Issuer is an issuer under the control of a test. Its methods are safe for
// concurrent use, and panic if they fail.
type Issuer struct {
	URL string // also the iss of its tokens and the issuer of its discovery

	alg    string
	now    func() time.Time
	server *httptest.Server

	mu          sync.Mutex
	keys        []*key // published, oldest first
	made        int    // keys made so far, for their kids
	status      int    // of every response, if not 0
	serve       http.HandlerFunc
	discover    http.HandlerFunc
	fetches     int
	discoveries int
}

// Option changes an issuer at its start.
type Option func(*Issuer)

// WithAlg sets the algorithm that Sign uses (RFC 7518 §3.1). Default ES256.
func WithAlg(alg string) Option { return func(i *Issuer) { i.alg = alg } }

// WithClock sets the clock that Claims reads. Default time.Now.
func WithClock(now func() time.Time) Option { return func(i *Issuer) { i.now = now } }

// New starts an issuer that stops with the test.
func New(t testing.TB, opts ...Option) *Issuer {
	t.Helper()
	i := Start(opts...)
	t.Cleanup(i.Close)
	return i
}

// Start starts an issuer outside of tests. The caller closes it.
func Start(opts ...Option) *Issuer {
	i := &Issuer{alg: "ES256", now: time.Now}
	for _, o := range opts {
		o(i)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(DiscoveryPath, i.serveDiscovery)
	mux.HandleFunc(JWKSPath, i.serveJWKS)
	mux.HandleFunc(CertificatesPath, i.serveCertificates)
	i.server = httptest.NewServer(mux)
	i.URL = i.server.URL
	i.add(i.alg)
	return i
}

// Close stops the server.
func (i *Issuer) Close() { i.server.Close() }

// Claims returns iss, sub, aud, iat and, an hour later, exp.
func (i *Issuer) Claims(sub, aud string) map[string]any {
	now := i.now()
	return map[string]any{
		"iss": i.URL, "sub": sub, "aud": aud,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// JWKS returns the key set as it is served.
func (i *Issuer) JWKS() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	set := struct {
		Keys []map[string]any `json:"keys"`
	}{Keys: []map[string]any{}}
	for _, k := range i.keys {
		set.Keys = append(set.Keys, k.jwk())
	}
	return mustJSON(set)
}

// Certificates returns kid → PEM certificate, self-signed, of the published keys.
func (i *Issuer) Certificates() map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make(map[string]string)
	for _, k := range i.keys {
		out[k.kid] = k.certificate(i.now())
	}
	return out
}

// Fetches returns how often the key set or the certificates were requested.
func (i *Issuer) Fetches() (n int) {
	i.locked(func() { n = i.fetches })
	return n
}

// Discoveries returns how often the discovery document was requested.
func (i *Issuer) Discoveries() (n int) {
	i.locked(func() { n = i.discoveries })
	return n
}

// Fail makes every endpoint respond with status until Recover.
func (i *Issuer) Fail(status int) { i.locked(func() { i.status = status }) }

// Serve makes h serve the keys until Recover.
func (i *Issuer) Serve(h http.HandlerFunc) { i.locked(func() { i.serve = h }) }

// ServeDiscovery makes h serve the discovery document until Recover.
func (i *Issuer) ServeDiscovery(h http.HandlerFunc) { i.locked(func() { i.discover = h }) }

// Recover undoes Fail, Serve and ServeDiscovery.
func (i *Issuer) Recover() { i.locked(func() { i.status, i.serve, i.discover = 0, nil, nil }) }

func (i *Issuer) locked(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *Issuer) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	i.respond(w, r, &i.discoveries, &i.discover, func() []byte {
		return mustJSON(map[string]any{
			"issuer":                                i.URL,
			"jwks_uri":                              i.URL + JWKSPath,
			"authorization_endpoint":                i.URL + "/authorize",
			"token_endpoint":                        i.URL + "/token",
			"response_types_supported":              []string{"code"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{i.alg},
		})
	})
}

func (i *Issuer) serveJWKS(w http.ResponseWriter, r *http.Request) {
	i.respond(w, r, &i.fetches, &i.serve, i.JWKS)
}

func (i *Issuer) serveCertificates(w http.ResponseWriter, r *http.Request) {
	i.respond(w, r, &i.fetches, &i.serve, func() []byte { return mustJSON(i.Certificates()) })
}

// respond counts a request and serves what good returns, unless the test set a
// status or a handler.
func (i *Issuer) respond(w http.ResponseWriter, r *http.Request, count *int, handler *http.HandlerFunc, good func() []byte) {
	i.mu.Lock()
	*count++
	status, bad := i.status, *handler
	i.mu.Unlock()
	switch {
	case status != 0:
		http.Error(w, http.StatusText(status), status)
	case bad != nil:
		bad(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(good())
	}
}

func mustJSON(v any) []byte { return must(json.Marshal(v)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("jwkstest: %v", err))
	}
	return v
}
