package server

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"cambio/exchange"
)

// maxQueueing bounds the wait for a place: callers would not read a later response.
const maxQueueing = 5 * time.Second

// gate bounds the requests in flight. While there is room, entering and leaving
// are one atomic operation each, without a lock.
//
// present counts the requests in flight or waiting. One that enters beyond running
// waits for a token; one that leaves while another waits issues one. Invariant:
// waiters − tokens issued == present − running.
type gate struct {
	running, most int64
	present       atomic.Int64
	tokens        chan struct{}
}

func (g *gate) open(running, queued int) {
	g.running, g.most = int64(running), int64(running+queued)
	g.tokens = make(chan struct{}, queued)
}

// enter takes a place, waiting for one in the queue.
func (g *gate) enter(ctx context.Context) error {
	for {
		n := g.present.Load()
		if n >= g.most {
			return exchange.Refuse(exchange.ReasonOverloaded, errors.New("the queue is full"))
		}
		if g.present.CompareAndSwap(n, n+1) {
			if n < g.running {
				return nil
			}
			return g.queue(ctx)
		}
	}
}

func (g *gate) queue(ctx context.Context) error {
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
	return exchange.Refuse(exchange.ReasonOverloaded, errors.New("no place became free in time"))
}

// leave frees a place.
func (g *gate) leave() {
	if g.present.Add(-1) >= g.running {
		g.tokens <- struct{}{}
	}
}

func (g *gate) inFlight() float64 { return float64(min(g.present.Load(), g.running)) }
func (g *gate) queued() float64   { return float64(max(g.present.Load()-g.running, 0)) }
