package audit

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/exchange/limit"
)

// Refusals are cheap to cause: anyone can make thousands a second. Of one kind from
// one address the first ones are written, then one a second, with the number of those
// between them; together they are bounded in bytes a second. Grants, and what the
// server or an operator does, are always written.
const (
	burst     = 20       // refusals of a kind that are written at once
	maxKinds  = 4096     // kinds that are remembered
	bytesRate = 64 << 10 // of all refusals, in a second
	bytesMost = 1 << 20  // of all refusals at once, after a quiet time
	quiet     = time.Minute
)

// kind identifies refusals that are alike.
type kind struct {
	event   string
	reason  exchange.Reason
	address netip.Addr // IPv6 by /64
}

// flow is the recent refusals of a kind.
type flow struct {
	last   time.Time // when full was right
	room   float64   // refusals that may be written now
	hidden uint64    // refusals since the last that was written
	since  time.Time // when the first of them came
}

// sampler chooses which refusals are written. Its zero value is ready to use.
type sampler struct {
	mu     sync.Mutex
	flows  map[kind]*flow
	last   time.Time // when bytes was right
	bytes  float64   // that may be written now
	purged time.Time
	rest   map[exchange.Reason]uint64 // hidden refusals of kinds that are not remembered
}

// isSampled reports whether a caller can cause an event at will.
func isSampled(e *Event) bool { return e.Reason != "" && e.Address.IsValid() }

// append appends the line of a refusal, or counts it and returns false.
func (s *sampler) append(e *Event, line []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill(e.Time)
	f := s.flow(kind{e.Name, e.Reason, limit.Bucket(e.Address)}, e.Time)
	if f == nil && s.bytes <= 0 {
		if s.rest == nil {
			s.rest = map[exchange.Reason]uint64{}
		}
		s.rest[e.Reason]++
		return nil, false
	}
	if f != nil && (f.room < 1 || s.bytes <= 0) {
		if f.hidden++; f.hidden == 1 {
			f.since = e.Time
		}
		return nil, false
	}
	if f != nil {
		e.Suppressed, f.hidden = f.hidden, 0
		f.room--
	}
	before := len(line)
	line = e.append(line)
	s.bytes -= float64(len(line) - before)
	return line, true
}

// refill adds the bytes that may be written since the last refusal. A clock that was
// set back adds none.
func (s *sampler) refill(now time.Time) {
	if s.last.IsZero() {
		s.bytes = bytesMost
	}
	s.bytes = min(bytesMost, s.bytes+bytesRate*max(0, now.Sub(s.last).Seconds()))
	s.last = now
}

// flow returns the flow of a kind with its room as of now, nil if no more kinds can be
// remembered.
func (s *sampler) flow(k kind, now time.Time) *flow {
	f := s.flows[k]
	if f == nil {
		if len(s.flows) >= maxKinds {
			s.purge(now)
		}
		if len(s.flows) >= maxKinds {
			return nil
		}
		if s.flows == nil {
			s.flows = map[kind]*flow{}
		}
		f = &flow{last: now, room: burst}
		s.flows[k] = f
	}
	f.room = min(burst, f.room+max(0, now.Sub(f.last).Seconds()))
	f.last = now
	return f
}

// purge forgets quiet kinds of which nothing is hidden, at most once a second.
func (s *sampler) purge(now time.Time) {
	if now.Sub(s.purged).Abs() < time.Second {
		return
	}
	s.purged = now
	maps.DeleteFunc(s.flows, func(_ kind, f *flow) bool { return f.hidden == 0 && now.Sub(f.last) >= quiet })
}

// charge subtracts what is written at any rate from the bytes of later refusals.
func (s *sampler) charge(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= float64(n)
}

// summaries returns events of the refusals that were hidden until now, and forgets
// quiet kinds.
func (s *sampler) summaries(now time.Time) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []Event
	for k, f := range s.flows {
		if f.hidden > 0 {
			events = append(events, Event{Time: now, Name: k.event, Reason: k.reason, Address: k.address, Begin: f.since, Suppressed: f.hidden})
			f.hidden = 0
		}
	}
	maps.DeleteFunc(s.flows, func(_ kind, f *flow) bool { return now.Sub(f.last) >= quiet })
	for _, reason := range slices.Sorted(maps.Keys(s.rest)) {
		events = append(events, Event{Time: now, Name: "refusals", Reason: reason, Suppressed: s.rest[reason]})
	}
	clear(s.rest)
	return events
}
