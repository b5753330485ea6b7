package server_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"cambio/exchange/server"
	"cambio/jwks/jwkstest"
)

// While more requests than there are places wait for an issuer that does not
// respond, everyone else is served, and so are they in the end.
func TestWaitingForAnIssuerHoldsNoPlace(t *testing.T) {
	const waiting = 12
	p := newWorld(t, patient, func(cfg *server.Config) { cfg.MaxInFlight, cfg.MaxQueued = 2, waiting })
	responds := make(chan struct{})
	respond := sync.OnceFunc(func() { close(responds) })
	defer respond()
	issuer := p.issuer
	issuer.Serve(func(w http.ResponseWriter, _ *http.Request) {
		<-responds
		w.Write(issuer.JWKS())
	})
	answers := make(chan answer, waiting)
	for range waiting {
		go func() {
			answers <- p.post("/auth/external/exchange", `{"token":"`+p.idToken()+`"}`, "X-API-Key", "web", "Origin", page)
		}()
	}
	for until := time.Now().Add(5 * time.Second); p.gauge("cambio_requests_outside") != waiting; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%v requests wait outside, %v hold a place", p.gauge("cambio_requests_outside"), p.gauge("cambio_requests_in_flight"))
		}
	}
	for range 10 {
		p.want(p.post("/auth/external/exchange", `{"token":"`+p.vendorToken()+`","issuerId":"vendor"}`, "X-API-Key", "web", "Origin", page), 200, "")
	}
	respond()
	for range waiting {
		p.want(<-answers, 200, "")
	}
	for _, name := range []string{"cambio_requests_outside", "cambio_requests_in_flight", "cambio_requests_queued"} {
		if n := p.gauge(name); n != 0 {
			t.Errorf("%s is %v at the end", name, n)
		}
	}
}

// vendorToken is one of the issuer vendor, whose keys are not fetched.
func (p *world) vendorToken() string {
	now := p.clock()
	return jwkstest.SignHMAC("HS256", []byte(appSecret), map[string]any{
		"sub": "bob", "client_id": "app-1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
}
