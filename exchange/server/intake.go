package server

import (
	"container/list"
	"errors"
	"net/http"
	"sync"
	"time"

	"cambio/exchange"
)

// intake bounds the memory of the requests with a body that are read, wait or are
// worked on. Anyone can begin a request and send its body slowly or not at all, so
// those whose body has not arrived make room for later ones, the oldest first: a
// request that arrives at once is served however many others are held up.
type intake struct {
	most int

	mu      sync.Mutex
	taken   int
	waiting list.List // of *Request whose body has not arrived, the oldest first
}

// intakeState holds what the intake knows of a request; the intake's lock guards it.
type intakeState struct {
	taken   int           // bytes
	waiting *list.Element // nil once the body has arrived
	dropped bool          // it made room
}

// requestMemory is about what a request without its body takes, with the buffers of
// its connection or stream: measured with 10,000 of them.
const requestMemory = 16 << 10

func intakeFull() error {
	return exchange.Refuse(exchange.ReasonOverloaded, errors.New("the requests that are being read take too much memory"))
}

// begin counts a request whose body is about to be read. Its end calls end.
func (i *intake) begin(r *Request) error {
	r.counted = true
	i.mu.Lock()
	r.intake.waiting = i.waiting.PushBack(r)
	i.mu.Unlock()
	return i.take(r, requestMemory)
}

// take counts n bytes of a request. It refuses them if no older request makes room.
func (i *intake) take(r *Request, n int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.taken+n > i.most {
		oldest := i.waiting.Front()
		if oldest == nil || oldest.Value == r {
			return intakeFull()
		}
		i.drop(oldest.Value.(*Request))
	}
	if !r.intake.dropped {
		r.intake.taken += n
		i.taken += n
	}
	return nil
}

// drop ends the reading of a request's body. Its memory is free shortly after.
func (i *intake) drop(r *Request) {
	i.forget(r)
	i.release(r)
	r.intake.dropped = true
	_ = http.NewResponseController(r.w).SetReadDeadline(time.Unix(1, 0)) // not supported: it ends by the server's own limit
}

// arrived counts a request as read, and reports whether it made room before that.
func (i *intake) arrived(r *Request) (dropped bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget(r)
	return r.intake.dropped
}

// end frees what a request has taken.
func (i *intake) end(r *Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget(r)
	i.release(r)
}

func (i *intake) forget(r *Request) {
	if r.intake.waiting != nil {
		i.waiting.Remove(r.intake.waiting)
		r.intake.waiting = nil
	}
}

func (i *intake) release(r *Request) {
	i.taken -= r.intake.taken
	r.intake.taken = 0
}

// bytes returns what all requests have taken.
func (i *intake) bytes() float64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return float64(i.taken)
}
