package egress

import (
	"context"
	"sync"
)

// Waiters bounds how many callers wait for each outside party at once: an issuer,
// a webhook, an SMTP server. A caller beyond the bound is refused at once instead
// of waiting for a party that does not respond, and the callers of other parties
// are not affected. Its methods are safe for concurrent use.
//
//	end, ok := waiters.Begin(ctx, party)
//	if !ok {
//		return unavailable // at once, and the party is busy: Retry-After
//	}
//	defer end()
//	… // dial, send, wait for the response: nothing that takes the processor's time
//
// The context is that of the request, or derived from it: it knows the place among
// the requests in flight that the request holds. Outside of requests it has none, and
// only the bound applies.
type Waiters struct {
	most int

	mu      sync.Mutex
	waiting map[string]int // party → callers that wait for it
}

// NewWaiters returns Waiters of at most most callers for each party.
func NewWaiters(most int) *Waiters {
	return &Waiters{most: most, waiting: map[string]int{}}
}

// Begin begins a wait for a party, and reports whether the caller may wait. If so,
// it calls end once afterwards. For the time of the wait the place that the caller
// holds by [WithPlace] is given up; a caller that may not give it up may not wait.
func (w *Waiters) Begin(ctx context.Context, party string) (end func(), ok bool) {
	waiting, ok := w.add(party)
	if !ok {
		return nil, false
	}
	back := leavePlace(ctx, waiting)
	if back == nil {
		w.remove(party)
		return nil, false
	}
	return func() {
		w.remove(party)
		back()
	}, true
}

// add counts a caller, and returns how many wait for the party with it.
func (w *Waiters) add(party string) (waiting int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[party] >= w.most {
		return 0, false
	}
	w.waiting[party]++
	return w.waiting[party], true
}

func (w *Waiters) remove(party string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[party]--; w.waiting[party] == 0 {
		delete(w.waiting, party)
	}
}

// placeKey is the key of a context's value that WithPlace adds.
type placeKey struct{}

// WithPlace returns a context of work that holds a place among a bounded number,
// such as that of requests in flight. Leave gives the place up while the work waits
// for an outside party, for which as many wait as it is told, this work included. It
// returns what takes a place again, or nil if so many wait for the party, or for all
// together, that this work may not. A request may wait in several goroutines, and in
// a wait: its place is taken again after the last one.
func WithPlace(ctx context.Context, leave func(waiting int) (back func())) context.Context {
	return context.WithValue(ctx, placeKey{}, leave)
}

// leavePlace gives up the place of the context, if it has one.
func leavePlace(ctx context.Context, waiting int) (back func()) {
	if leave, ok := ctx.Value(placeKey{}).(func(int) func()); ok {
		return leave(waiting)
	}
	return func() {}
}
