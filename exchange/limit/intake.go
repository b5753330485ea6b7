package limit

import (
	"container/list"
	"sync"
)

// Intake bounds the memory of the requests with a body that are read, wait or are
// worked on. Anyone can begin a request and send its body slowly or not at all, so
// those whose body has not arrived make room for later ones, the oldest first: a
// request that arrives at once is served however many others are held up. Its
// methods are safe for concurrent use.
type Intake struct {
	most int

	mu      sync.Mutex
	taken   int
	waiting list.List // of *Reading whose body has not arrived, the oldest first
}

// Reading is a request in an [Intake], whose lock guards it. Its zero value is not in
// one.
type Reading struct {
	drop    func()
	taken   int           // bytes
	waiting *list.Element // nil once the body has arrived
	dropped bool          // it made room
}

// requestMemory is about what a request without its body takes, with the buffers of
// its connection or stream.
const requestMemory = 16 << 10

// Open sets how many bytes requests may take. It is called once.
func (i *Intake) Open(most int) { i.most = most }

// Begin counts a request whose body is about to be read, and reports whether there is
// room for it. The caller calls End at its end in any case. Drop makes the reading
// fail; it is called at most once, and not after Arrived.
func (i *Intake) Begin(r *Reading, drop func()) (ok bool) {
	i.mu.Lock()
	r.drop, r.waiting = drop, i.waiting.PushBack(r)
	i.mu.Unlock()
	return i.Take(r, requestMemory)
}

// Take counts n more bytes of a request. It reports false if no older request makes
// room for them.
func (i *Intake) Take(r *Reading, n int) (ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.taken+n > i.most {
		oldest := i.waiting.Front()
		if oldest == nil || oldest.Value == r {
			return false
		}
		i.dropFirst()
	}
	if !r.dropped {
		r.taken += n
		i.taken += n
	}
	return true
}

// MakeRoom drops the oldest request whose body has not arrived, and reports whether
// there was one.
func (i *Intake) MakeRoom() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dropFirst()
}

// dropFirst ends the reading of the oldest body. Its memory is free shortly after.
func (i *Intake) dropFirst() bool {
	oldest := i.waiting.Front()
	if oldest == nil {
		return false
	}
	r := oldest.Value.(*Reading)
	i.leave(r)
	i.release(r)
	r.dropped = true
	r.drop()
	return true
}

// Arrived counts the body of a request as read, and reports whether the request was
// dropped before that.
func (i *Intake) Arrived(r *Reading) (dropped bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.leave(r)
	return r.dropped
}

// End frees what a request has taken.
func (i *Intake) End(r *Reading) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.leave(r)
	i.release(r)
}

func (i *Intake) leave(r *Reading) {
	if r.waiting != nil {
		i.waiting.Remove(r.waiting)
		r.waiting = nil
	}
}

func (i *Intake) release(r *Reading) {
	i.taken -= r.taken
	r.taken = 0
}

// Bytes returns what all requests have taken.
func (i *Intake) Bytes() float64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return float64(i.taken)
}
