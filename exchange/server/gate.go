package server

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"cambio/exchange"
)

// maxQueueing is how long a request waits for a place. Who waited longer is
// told to come back, and would not read a late answer anyway.
const maxQueueing = 5 * time.Second

// gate bounds the requests in flight. While there is room, entering and leaving
// are one atomic operation each and no lock.
//
// present counts who is inside or waiting. Entering beyond running means to
// wait for a turn; leaving while somebody waits gives one. The number of those
// who wait less the turns given is always what present exceeds running by.
type gate struct {
	running, most int64
	present       atomic.Int64
	turns         chan struct{}
}

func (g *gate) open(running, queued int) {
	g.running, g.most = int64(running), int64(running+queued)
	g.turns = make(chan struct{}, queued)
}

var (
	errFull   = errors.New("the queue is full")
	errQueued = errors.New("no place became free in time")
)

// enter takes a place, waiting for one in the queue.
func (g *gate) enter(ctx context.Context) error {
	for {
		n := g.present.Load()
		if n >= g.most {
			return exchange.Refuse(exchange.ReasonOverloaded, errFull)
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
	case <-g.turns:
		return nil
	case <-ctx.Done():
	}
	if g.present.Add(-1) < g.running {
		<-g.turns // somebody left before and has given a turn for this one
	}
	return exchange.Refuse(exchange.ReasonOverloaded, errQueued)
}

// leave gives a place back.
func (g *gate) leave() {
	if g.present.Add(-1) >= g.running {
		g.turns <- struct{}{}
	}
}

func (g *gate) inFlight() float64 { return float64(min(g.present.Load(), g.running)) }
func (g *gate) queued() float64   { return float64(max(g.present.Load()-g.running, 0)) }
