package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Server serves one listener with a bounded number of connections, and stops so
// that no request is cut and no connection reset.
type Server struct {
	http  *http.Server
	drain *drain
	conns *connections
}

// New returns a Server of h's handler and limits, with at most most connections.
// Beyond them the connection that is idle for the longest makes room; if none is
// idle, makeRoom, which may be nil, ends a request that waits for its sender, and
// reports whether there was one.
func New(h *http.Server, most int, makeRoom func() bool) *Server {
	s := &Server{http: h, drain: newDrain(h.Handler), conns: newConnections(most, makeRoom)}
	h.Handler, h.ConnState = s.drain, s.conns.state
	return s
}

// Listen listens at an address, with the bound of connections. TLS goes on top of it.
// Multipath TCP, which Go would offer, has no means to refuse connections before the
// listener is closed.
func (s *Server) Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return s.conns.listen(l), nil
}

// Serve serves a listener that Listen returned, until it breaks or the server stops.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(l) }

// Connections returns how many connections are open, and how many have made room for
// others so far.
func (s *Server) Connections() (open, dropped int) { return s.conns.count() }

// Metrics returns what [Server.Connections] does as metrics.
func (s *Server) Metrics() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "cambio_connections", Help: "Open connections of the public listener.",
		}, func() float64 { open, _ := s.Connections(); return float64(open) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "cambio_connections_dropped_total", Help: "Idle connections of the public listener that made room for others.",
		}, func() float64 { _, dropped := s.Connections(); return float64(dropped) }),
	}
}

// Drain waits until the requests that began before it have finished, or ctx ends.
// The listener stays open and later requests are served; each response closes its
// connection. It is called once, before Stop.
func (s *Server) Drain(ctx context.Context) { s.drain.stop(ctx) }

const (
	// settled is how long a connection is idle before a stop takes it for unused. A
	// client that is about to send the next request on it would be reset.
	settled = time.Second
	// fresh is how long one is idle at least before it makes room for another.
	fresh = 250 * time.Millisecond
)

// Stop closes the listener and, once they are unused, the connections. When ctx ends
// it closes what is left and returns an error.
func (s *Server) Stop(ctx context.Context) error {
	s.conns.refuse(ctx)
	s.conns.settle(ctx)
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("waiting for open requests: %w", err), s.http.Close())
	}
	return nil
}
