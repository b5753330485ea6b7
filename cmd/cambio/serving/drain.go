package serving

import (
	"context"
	"net/http"
	"sync/atomic"
)

// drain separates requests that began before a stop from later ones. While it
// waits for the former, the listener stays open and later requests are served,
// /readyz with 503: a load balancer sees that the server is stopping, instead of
// a refused connection.
type drain struct {
	next     http.Handler
	stopping atomic.Bool
	// before is the number of open requests that began before the stop, plus one
	// until the stop. Once 0, it stays 0.
	before atomic.Int64
	done   chan struct{} // closed at 0
}

func newDrain(next http.Handler) *drain {
	d := &drain{next: next, done: make(chan struct{})}
	d.before.Store(1)
	return d
}

// ServeHTTP calls next. A response to a request after the stop closes its
// connection.
func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.enter() {
		defer d.leave()
	} else {
		w.Header().Set("Connection", "close")
	}
	d.next.ServeHTTP(w, r)
}

// enter counts a request. It reports whether the request began before the stop.
func (d *drain) enter() bool {
	for !d.stopping.Load() {
		if n := d.before.Load(); n > 0 && d.before.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (d *drain) leave() {
	if d.before.Add(-1) == 0 {
		close(d.done)
	}
}

// stop waits until the requests that began before it have finished, or ctx ends.
// It is called once.
func (d *drain) stop(ctx context.Context) {
	d.stopping.Store(true)
	d.leave()
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}
