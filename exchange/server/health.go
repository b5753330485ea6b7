package server

import (
	"errors"
	"net/http"

	"cambio/exchange"
)

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
		checks = append(checks, ReadyCheck{"serving", errors.New("the server is stopping")})
	}
	verbose := r.http.URL.Query().Has("verbose")
	good := true
	for _, check := range checks {
		good = good && check.Err == nil
		if verbose {
			mark := "[+] "
			if check.Err != nil {
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
