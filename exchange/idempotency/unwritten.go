package idempotency

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"cambio/storage"
)

// maxUnwritten bounds the memory of what could not be written, in bytes.
const maxUnwritten = 16 << 20

// unwritten keeps what became of requests whose commit failed, such as on a full
// disk, until a sweep has written it: the next request with the same key gets the
// response, or is executed, although the store still has the lease. A crash loses it;
// then the lease expires as that of any crashed request.
type unwritten struct {
	mu    sync.Mutex
	ends  map[string]*end // lease name → end
	bytes int
}

// end is how a request ended.
type end struct {
	lease    *Lease
	response []byte // sealed; nil if the lease was released
}

func (e *end) size() int { return 512 + len(e.response) }

// instead returns the record that is to be read for last, the one in the store: it
// is that of the end, or none if the lease was released.
func (e *end) instead(last *storage.Row[record]) *storage.Row[record] {
	switch {
	case e == nil:
	case e.response != nil:
		return &storage.Row[record]{Key: e.lease.keys[0], Value: e.lease.record(e.response)}
	case last != nil && last.Value.Request == e.lease.request:
		return nil
	}
	return last
}

// keep keeps an end while there is room.
func (u *unwritten) keep(e *end) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bytes+e.size() > maxUnwritten {
		return
	}
	if u.ends == nil {
		u.ends = map[string]*end{}
	}
	if earlier := u.ends[e.lease.name]; earlier != nil {
		u.bytes -= earlier.size()
	}
	u.ends[e.lease.name] = e
	u.bytes += e.size()
}

// find returns the end of the lease of a name, or nil.
func (u *unwritten) find(name string) *end {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ends[name]
}

// forget removes an end, unless it is nil or another replaced it.
func (u *unwritten) forget(e *end) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e != nil && u.ends[e.lease.name] == e {
		delete(u.ends, e.lease.name)
		u.bytes -= e.size()
	}
}

func (u *unwritten) all() []*end {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Values(u.ends))
}

// writeAgain commits what could not be written before. It stops at the first error.
func (s *Store) writeAgain(ctx context.Context, now time.Time) error {
	for _, e := range s.unwritten.all() {
		var err error
		switch {
		case !now.Before(e.lease.at.Add(Lifetime)):
		case e.response != nil:
			err = e.lease.write(ctx, e.response)
		default:
			err = e.lease.remove(ctx)
		}
		if err != nil {
			return err
		}
		s.unwritten.forget(e)
	}
	return nil
}
