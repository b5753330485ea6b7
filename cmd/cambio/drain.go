package main

import (
	"context"
	"net/http"
	"sync/atomic"
)

// drain tells the requests that began before a stop from those after it. While
// it waits for the former, the listener stays open and the latter are answered,
// /readyz with 503: a load balancer that asks learns that the server is
// stopping instead of finding nobody.
type drain struct {
	next     http.Handler
	stopping atomic.Bool
	// before is the requests under way that began before the stop, and one
	// more while there was no stop. At 0 it stays there.
	before atomic.Int64
	done   chan struct{} // closed at 0
}

func newDrain(next http.Handler) *drain {
	d := &drain{next: next, done: make(chan struct{})}
	d.before.Store(1)
	return d
}

// ServeHTTP lets next answer. Connections do not outlast an answer that comes
// after the stop.
func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.enter() {
		defer d.leave()
	} else {
		w.Header().Set("Connection", "close")
	}
	d.next.ServeHTTP(w, r)
}

// enter counts a request that begins before the stop.
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

// stop waits until the requests that began before it have been answered, or
// ctx ends. It is called once.
func (d *drain) stop(ctx context.Context) {
	d.stopping.Store(true)
	d.leave()
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}
