// Package limit slows down callers who fail: after a burst of failures an
// address gets one attempt a minute. Who succeeds is never slowed down, and
// nothing is kept about them.
//
// The state is in memory and bounded: what an attacker can fill with addresses
// costs a fixed amount of memory, and a restart forgives everybody.
package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how many failures are forgiven. Its zero value is
// 10 failures, then one attempt a minute.
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

// Limiter counts failures by address: IPv4 addresses whole, IPv6 by /64, which
// is what one subscriber has. It is safe for concurrent use; callers of
// different addresses rarely share a lock, and none is taken while nobody has
// failed.
type Limiter struct {
	interval time.Duration
	full     time.Duration // what a spent burst adds up to
	perShard int
	seed     maphash.Seed
	known    atomic.Int64 // entries in all shards
	shard    [shards]shard
}

type shard struct {
	sync.Mutex
	until map[netip.Addr]time.Time // address → when all its failures are forgiven
}

// New makes a Limiter that remembers nobody.
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

// Allow says whether addr may try, and if not, how long it must wait. Trying
// costs nothing; only Failed does.
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

// Failed counts a failure of addr. Attempts that were under way together all
// count, so a crowd of them is paid for in waiting, up to a second burst.
func (l *Limiter) Failed(addr netip.Addr, now time.Time) {
	addr = Bucket(addr)
	s := l.of(addr)
	s.Lock()
	defer s.Unlock()
	until, found := s.until[addr]
	if !found {
		l.makeRoom(s, now)
		l.known.Add(1)
	}
	if until.Before(now) {
		until = now
	}
	until = until.Add(l.interval)
	if most := now.Add(2 * l.full); until.After(most) {
		until = most
	}
	s.until[addr] = until
}

// Sweep forgets who is forgiven. Without it they stay until room is needed.
func (l *Limiter) Sweep(now time.Time) {
	for i := range l.shard {
		s := &l.shard[i]
		s.Lock()
		l.forget(s, now)
		s.Unlock()
	}
}

// Bucket is what counts as one caller: an IPv4 address, or the /64 of an IPv6
// address, without its zone.
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

func (l *Limiter) forget(s *shard, now time.Time) {
	for addr, until := range s.until {
		if !until.After(now) {
			l.drop(s, addr)
		}
	}
}

func (l *Limiter) drop(s *shard, addr netip.Addr) {
	delete(s.until, addr)
	l.known.Add(-1)
}

// makeRoom keeps a shard within its bound. Of the entries that remain after
// the forgiven ones are gone, it drops the one nearest to that among a few.
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
