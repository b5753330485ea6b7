package limit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// maxQueueing bounds the wait for a place: callers would not read a later response.
const maxQueueing = 5 * time.Second

// Gate bounds the requests in flight. While there is room, entering and leaving
// are one atomic operation each, without a lock.
//
// present counts the requests in flight or waiting. One that enters beyond running
// waits for a token; one that leaves while another waits issues one. Invariant:
// waiters − tokens issued == present − running.
type Gate struct {
	running, most int64
	present       atomic.Int64
	tokens        chan struct{}
}

// Open sets how many requests may run and how many may wait. It is called once.
func (g *Gate) Open(running, queued int) {
	g.running, g.most = int64(running), int64(running+queued)
	g.tokens = make(chan struct{}, queued)
}

var (
	errFull   = errors.New("the queue is full")
	errQueued = errors.New("no place became free in time")
)

// Enter takes a place, waiting for one in the queue. Its error is that the queue is
// full, or that no place became free in time.
func (g *Gate) Enter(ctx context.Context) error {
	for {
		n := g.present.Load()
		if n >= g.most {
			return errFull
		}
		if g.present.CompareAndSwap(n, n+1) {
			if n < g.running {
				return nil
			}
			return g.queue(ctx)
		}
	}
}

func (g *Gate) queue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxQueueing)
	defer cancel()
	select {
	case <-g.tokens:
		return nil
	case <-ctx.Done():
	}
	if g.present.Add(-1) < g.running {
		<-g.tokens // a request that left has issued a token for this one
	}
	return errQueued
}

// Leave frees a place.
func (g *Gate) Leave() {
	if g.present.Add(-1) >= g.running {
		g.tokens <- struct{}{}
	}
}

// InFlight returns how many requests run.
func (g *Gate) InFlight() float64 { return float64(min(g.present.Load(), g.running)) }

// Queued returns how many requests wait.
func (g *Gate) Queued() float64 { return float64(max(g.present.Load()-g.running, 0)) }
