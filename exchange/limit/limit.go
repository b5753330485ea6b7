// Package limit bounds what callers may use. A [Limiter] counts failures: once a
// caller has had its burst of them, one a minute is told its reason and the others
// are to wait. It knows nothing of successes, so a valid proof is never refused for
// the failures of others. A [Gate] bounds the requests in flight.
//
// The state of a Limiter is in memory and bounded: many addresses of an attacker cost a fixed
// amount of memory, and a restart forgives all failures.
package limit

import (
	"crypto/sha256"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a [Limiter]. Its zero value allows 10 failures, then one a
// minute.
type Config struct {
	// Burst is how many failures a key may have at once. Default 10.
	Burst int
	// Interval is the time after which one failure is forgiven. Default 1m.
	Interval time.Duration
	// Keys is how many are remembered, default 65536 (about 8 MiB). When more
	// fail at once, those nearest to being forgiven are forgotten.
	Keys int
}

// Key identifies what failures are counted by: an address or a credential.
type Key struct {
	addr       netip.Addr
	credential [16]byte // a hash, so that a long name takes no memory
}

// Address returns the key of a caller's address: an IPv4 address itself, and the /64
// of an IPv6 address without its zone, which is what one subscriber has.
func Address(addr netip.Addr) Key { return Key{addr: Bucket(addr)} }

// Credential returns the key of what a caller guesses at, by its public name.
func Credential(name string) Key {
	sum := sha256.Sum256([]byte(name))
	return Key{credential: [16]byte(sum[:16])}
}

const shards = 64

// Limiter counts failures by [Key]. It is safe for concurrent use: different keys
// rarely share a lock.
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
	entries map[Key]entry
	ended   []Throttling // since the last Sweep
}

// entry holds the failures of a key.
type entry struct {
	until   time.Time // when all of them are forgiven
	over    time.Time // when the first came over the limit; zero: none has
	refused uint64    // how many came over the limit
}

// Throttling is a time in which an address was over its limit.
type Throttling struct {
	Address netip.Addr // as [Bucket] returns it
	Begin   time.Time
	Refused uint64 // failures over the limit
}

// maxEnded bounds, for each shard, the ended throttlings that wait for Sweep.
const maxEnded = 256

// New returns a Limiter without failures.
func New(cfg Config) *Limiter {
	if cfg.Burst <= 0 {
		cfg.Burst = 10
	}
	if cfg.Interval <= 0 {
		cfg.Interval = time.Minute
	}
	if cfg.Keys <= 0 {
		cfg.Keys = 1 << 16
	}
	l := &Limiter{
		interval: cfg.Interval,
		full:     time.Duration(cfg.Burst) * cfg.Interval,
		perShard: max(1, cfg.Keys/shards),
		seed:     maphash.MakeSeed(),
	}
	for i := range l.shard {
		l.shard[i].entries = make(map[Key]entry)
	}
	return l
}

// Verdict holds what a failure means to its key.
type Verdict struct {
	Over       bool          // the key is over its limit: the failure does not count
	Began      bool          // and was not before this failure
	RetryAfter time.Duration // if Over, the time until the next failure counts
}

// Fail counts a failure of key, or reports that key is over its limit.
func (l *Limiter) Fail(key Key, now time.Time) Verdict {
	s := l.of(key)
	s.Lock()
	defer s.Unlock()
	e, found := s.entries[key]
	switch {
	case !found:
		l.makeRoom(s, now)
		l.known.Add(1)
	case !e.until.After(now):
		s.end(key, e)
		e = entry{}
	}
	left := max(e.until.Sub(now), 0) + l.interval
	if left <= l.full {
		e.until = now.Add(left)
		s.entries[key] = e
		return Verdict{}
	}
	began := e.over.IsZero()
	if began {
		e.over = now
	}
	e.refused++
	s.entries[key] = e
	return Verdict{Over: true, Began: began, RetryAfter: left - l.full}
}

// Sweep deletes forgiven keys, which otherwise stay until room is needed. It returns
// the throttlings of addresses that have ended since the last time.
func (l *Limiter) Sweep(now time.Time) []Throttling {
	var ended []Throttling
	for i := range l.shard {
		ended = append(ended, l.shard[i].sweep(l, now)...)
	}
	return ended
}

func (s *shard) sweep(l *Limiter, now time.Time) []Throttling {
	s.Lock()
	defer s.Unlock()
	for key, e := range s.entries {
		if !e.until.After(now) {
			l.drop(s, key)
		}
	}
	ended := s.ended
	s.ended = nil
	return ended
}

// end notes that the failures of a key are forgiven.
func (s *shard) end(key Key, e entry) {
	if !e.over.IsZero() && key.addr.IsValid() && len(s.ended) < maxEnded {
		s.ended = append(s.ended, Throttling{key.addr, e.over, e.refused})
	}
}

// Bucket returns the address under which a caller's failures count.
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

func (l *Limiter) of(key Key) *shard {
	return &l.shard[maphash.Comparable(l.seed, key)%shards]
}

func (l *Limiter) drop(s *shard, key Key) {
	s.end(key, s.entries[key])
	delete(s.entries, key)
	l.known.Add(-1)
}

// makeRoom keeps a shard within its bound. Among a few entries it drops a
// forgiven one, or otherwise the one nearest to that.
func (l *Limiter) makeRoom(s *shard, now time.Time) {
	if len(s.entries) < l.perShard {
		return
	}
	const sample = 16
	var nearest Key
	var when time.Time
	seen := 0
	for key, e := range s.entries {
		if seen == 0 || e.until.Before(when) {
			nearest, when = key, e.until
		}
		if seen++; seen == sample || !e.until.After(now) {
			break
		}
	}
	l.drop(s, nearest)
}
