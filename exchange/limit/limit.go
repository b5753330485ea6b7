// Package limit bounds what callers may use. A [Limiter] slows down callers that
// fail: after a burst of failures an address gets one attempt a minute. Successful
// callers are never slowed down, and nothing is remembered about them. A [Gate]
// bounds the requests in flight.
//
// The state of a Limiter is in memory and bounded: many addresses of an attacker cost a fixed
// amount of memory, and a restart forgives all failures.
package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a [Limiter]. Its zero value allows 10 failures, then one
// attempt a minute.
type Config struct {
	// Burst is how many failures an address may have at once. Default 10.
	Burst int
	// Interval is the time after which one failure is forgiven. Default 1m.
	Interval time.Duration
	// Addresses is how many are remembered, default 65536 (about 4 MiB). When
	// more fail at once, those nearest to being forgiven are forgotten.
	Addresses int
}

const shards = 64

// Limiter counts failures by [Bucket]. It is safe for concurrent use: callers of
// different addresses rarely share a lock, and none is taken while no address has
// failures.
type Limiter struct {
	interval time.Duration
	full     time.Duration // what a burst of failures adds up to
	perShard int
	seed     maphash.Seed
	known    atomic.Int64 // entries in all shards
	shard    [shards]shard
}

type shard struct {
	sync.Mutex
	until map[netip.Addr]time.Time // address → when all its failures are forgiven
}

// New returns a Limiter without failures.
func New(cfg Config) *Limiter {
	if cfg.Burst <= 0 {
		cfg.Burst = 10
	}
	if cfg.Interval <= 0 {
		cfg.Interval = time.Minute
	}
	if cfg.Addresses <= 0 {
		cfg.Addresses = 1 << 16
	}
	l := &Limiter{
		interval: cfg.Interval,
		full:     time.Duration(cfg.Burst) * cfg.Interval,
		perShard: max(1, cfg.Addresses/shards),
		seed:     maphash.MakeSeed(),
	}
	for i := range l.shard {
		l.shard[i].until = make(map[netip.Addr]time.Time)
	}
	return l
}

// Allow reports whether addr may make an attempt, and otherwise how long it must
// wait. An attempt costs nothing; only Failed does.
func (l *Limiter) Allow(addr netip.Addr, now time.Time) (retryAfter time.Duration, ok bool) {
	if l.known.Load() == 0 {
		return 0, true
	}
	addr = Bucket(addr)
	s := l.of(addr)
	s.Lock()
	until, failed := s.until[addr]
	s.Unlock()
	if !failed {
		return 0, true
	}
	wait := until.Sub(now) - (l.full - l.interval)
	return max(wait, 0), wait <= 0
}

// Failed counts a failure of addr. Attempts that were in flight together all
// count, up to the waiting time of a second burst.
func (l *Limiter) Failed(addr netip.Addr, now time.Time) {
	addr = Bucket(addr)
	s := l.of(addr)
	s.Lock()
	defer s.Unlock()
	until, found := s.until[addr]
	if !found {
		l.makeRoom(s, now)
		l.known.Add(1)
		until = now
	}
	left := max(until.Sub(now), 0) + l.interval
	s.until[addr] = now.Add(min(left, 2*l.full))
}

// Sweep deletes forgiven addresses, which otherwise stay until room is needed.
func (l *Limiter) Sweep(now time.Time) {
	for i := range l.shard {
		l.shard[i].sweep(l, now)
	}
}

func (s *shard) sweep(l *Limiter, now time.Time) {
	s.Lock()
	defer s.Unlock()
	for addr, until := range s.until {
		if !until.After(now) {
			l.drop(s, addr)
		}
	}
}

// Bucket returns the address under which a caller's failures count: an IPv4
// address itself, and the /64 of an IPv6 address without its zone, which is what
// one subscriber has.
func Bucket(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if !addr.Is6() {
		return addr
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil { // an IPv6 address has 128 bits
		return addr
	}
	return p.Addr()
}

func (l *Limiter) of(addr netip.Addr) *shard {
	return &l.shard[maphash.Comparable(l.seed, addr)%shards]
}

func (l *Limiter) drop(s *shard, addr netip.Addr) {
	delete(s.until, addr)
	l.known.Add(-1)
}

// makeRoom keeps a shard within its bound. Among a few entries it drops a
// forgiven one, or otherwise the one nearest to that.
func (l *Limiter) makeRoom(s *shard, now time.Time) {
	if len(s.until) < l.perShard {
		return
	}
	const sample = 16
	var nearest netip.Addr
	var when time.Time
	seen := 0
	for addr, until := range s.until {
		if seen == 0 || until.Before(when) {
			nearest, when = addr, until
		}
		if seen++; seen == sample || !until.After(now) {
			break
		}
	}
	l.drop(s, nearest)
}
