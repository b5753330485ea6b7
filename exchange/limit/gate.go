package limit

import (
	"context"
	"errors"
	"sync"
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
	outside       atomic.Int64 // waits for outside parties under way
	mostOutside   int64
}

// Open sets how many requests may run, how many may wait for a place, and how many
// waits for outside parties may be under way. It is called once.
func (g *Gate) Open(running, queued, outside int) {
	g.mostOutside = int64(outside)
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

// Place is the place in a [Gate] of a request that gives it up while it waits for
// an outside party. Its methods are safe for concurrent use.
type Place struct {
	gate *Gate

	mu    sync.Mutex // not held to wait for a place
	waits int        // under way; -1 after Leave
	held  bool
}

// Take takes a place, as [Gate.Enter] does. The caller calls Leave at the end.
func (g *Gate) Take(ctx context.Context) (*Place, error) {
	if err := g.Enter(ctx); err != nil {
		return nil, err
	}
	return &Place{gate: g, held: true}, nil
}

// Leave frees the place for good.
func (p *Place) Leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = -1
	p.free()
}

// GiveUp frees the place for the time of a wait for a party, for which as many wait as
// waiting says, this request included. It returns nil if so many waits are under way,
// or a quarter of that for the one party, that the request may not wait. The caller calls back once, after the wait, which takes a place again once no other wait of the request is under
// way.
//
// Back never refuses: what the request waited for has happened, such as a mail that
// was sent. It queues with the new requests, for which there is less room meanwhile.
// If no place becomes free in time, the request goes on without one. Nothing that
// holds a place waits for another, and so there is no deadlock; how many requests go
// on without one is bounded by how many may wait.
func (p *Place) GiveUp(waiting int) (back func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits < 0 {
		return func() {}
	}
	most := p.gate.mostOutside
	if p.gate.outside.Add(1) > most || int64(waiting) > max(most/4, 1) {
		p.gate.outside.Add(-1)
		return nil
	}
	p.waits++
	p.free()
	return p.back
}

func (p *Place) back() {
	p.gate.outside.Add(-1)
	if !p.ended() {
		return
	}
	entered := p.gate.enterAgain()
	p.mu.Lock()
	defer p.mu.Unlock()
	if entered && (p.held || p.waits != 0) { // another goroutine came back, waits or left
		p.gate.Leave()
		return
	}
	p.held = p.held || entered
}

// ended counts the end of a wait, and reports whether no other is under way.
func (p *Place) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits < 0 {
		return false
	}
	p.waits--
	return p.waits == 0
}

// free frees the place if it is held.
func (p *Place) free() {
	if p.held {
		p.held = false
		p.gate.Leave()
	}
}

// enterAgain takes a place, however many wait, and reports whether it got one. Work
// that goes on without its caller needs one too, so that the wait does not end with
// the request's context.
func (g *Gate) enterAgain() bool {
	return g.present.Add(1) <= g.running || g.queue(context.Background()) == nil
}

// InFlight returns how many requests run.
func (g *Gate) InFlight() float64 { return float64(min(g.present.Load(), g.running)) }

// Queued returns how many requests wait.
func (g *Gate) Queued() float64 { return float64(max(g.present.Load()-g.running, 0)) }

// Outside returns how many waits for outside parties are under way.
func (g *Gate) Outside() float64 { return float64(g.outside.Load()) }
