package server

import (
	"errors"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/server/discovery"
)

// document is a response that stays the same for a while.
type document struct {
	body []byte
	etag string // with its quotes
}

// updateDiscovery makes the discovery document say what is true now.
func (s *Server) updateDiscovery() error {
	body, etag, err := discovery.Provider{
		Issuer: s.cfg.Issuer, TokenPath: TokenPath, RevokePath: RevokePath, IntrospectPath: IntrospectPath, JWKSPath: jwksPath,
		Algorithms: s.cfg.Keys.Algorithms(), DetailTypes: s.cfg.Clients().DetailTypes(),
	}.Document()
	if err == nil {
		s.discovery.Store(&document{body, etag})
	}
	return err
}

// publicCache is the Cache-Control of what may be cached. A removed key leaves
// caches within five minutes, and one that signs next is in them long before.
var publicCache = []string{"public, max-age=300"}

func (s *Server) serveDiscovery(r *Request) error { return r.serveDocument(*s.discovery.Load()) }

// serveJWKS publishes our keys (RFC 7517 §5).
func (s *Server) serveJWKS(r *Request) error {
	body, etag := s.cfg.Keys.JWKS()
	return r.serveDocument(document{body, etag})
}

// serveDocument responds with d, or with 304 to a caller that has it (RFC 9110
// §13.1.2).
func (r *Request) serveDocument(d document) error {
	h := r.w.Header()
	h["Cache-Control"] = publicCache
	h["Etag"] = []string{d.etag}
	if discovery.Matches(r.http.Header["If-None-Match"], d.etag) {
		r.status = http.StatusNotModified
		return nil
	}
	r.out = append(r.out, d.body...)
	return nil
}

// live serves /livez: the process responds. It checks no more, since a restart
// does not help against a store that is down.
func (s *Server) live(r *Request) error {
	r.media = textMedia
	r.out = append(r.out, "ok\n"...)
	return nil
}

// ready serves /readyz and /healthz: whether requests should come here. Callers can
// read the names of the checks (?verbose), not what is wrong.
func (s *Server) ready(r *Request) error {
	checks := s.cfg.Ready(r.Context())
	if s.draining.Load() {
		checks = append(checks, ReadyCheck{Name: "serving", Err: errors.New("the server is stopping")})
	}
	verbose := r.http.URL.Query().Has("verbose")
	good := true
	for _, check := range checks {
		good = good && (check.Err == nil || check.Warning)
		if verbose {
			mark := "[+] "
			switch {
			case check.Err != nil && check.Warning:
				mark = "[!] "
			case check.Err != nil:
				mark = "[-] "
			}
			r.out = append(r.out, mark+exchange.Clip(check.Name)+"\n"...)
		}
	}
	r.media = textMedia
	if !good {
		r.status = http.StatusServiceUnavailable
		r.out = append(r.out, "not ready\n"...)
		return nil
	}
	r.out = append(r.out, "ok\n"...)
	return nil
}
