package server

import (
	"errors"
	"net/http"

	"cambio/exchange"
)

// live says that the process answers (/livez). It asks nobody else: restarting
// does not help against a store that is down.
func (s *Server) live(c *call) error {
	c.media = textMedia
	c.out = append(c.out, "ok\n"...)
	return nil
}

// ready says whether requests should come here (/readyz, /healthz). What is
// wrong is for the operator's log; strangers read the names of the checks when
// they ask for ?verbose.
func (s *Server) ready(c *call) error {
	checks := s.cfg.Ready(c.ctx())
	if s.draining.Load() {
		checks = append(checks, ReadyCheck{"serving", errDraining})
	}
	verbose := c.r.URL.Query().Has("verbose")
	good := true
	for _, check := range checks {
		good = good && check.Err == nil
		if verbose {
			c.out = appendCheck(c.out, check)
		}
	}
	c.media = textMedia
	if !good {
		c.status = http.StatusServiceUnavailable
		c.out = append(c.out, "not ready\n"...)
		return nil
	}
	c.out = append(c.out, "ok\n"...)
	return nil
}

var errDraining = errors.New("the server is stopping")

func appendCheck(b []byte, check ReadyCheck) []byte {
	mark := "[+] "
	if check.Err != nil {
		mark = "[-] "
	}
	b = append(b, mark...)
	b = append(b, exchange.Clip(check.Name)...)
	return append(b, '\n')
}
