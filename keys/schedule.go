package keys

import (
	"slices"
	"time"
)

// schedule determines when keys change their state. Its methods are pure: they
// return the members of a ring after a change.
type schedule struct {
	algorithm    string
	rotateEvery  time.Duration
	publishAhead time.Duration
	retireAfter  time.Duration
}

// tick makes the transitions that are due at now.
func (s schedule) tick(ring []member, now time.Time) []member {
	out := slices.DeleteFunc(slices.Clone(ring), func(m member) bool {
		expired := m.State == StateRetired && !now.Before(m.Retires)
		// A next key of the former algorithm has signed nothing yet.
		misfit := m.State == StateNext && m.Algorithm != s.algorithm
		return expired || misfit
	})
	if s.due(out, now) {
		return s.rotate(out, now)
	}
	return out
}

// due reports whether the active key has signed for long enough, or has the former
// algorithm, and the next key was published for long enough that verifiers have
// it.
func (s schedule) due(ring []member, now time.Time) bool {
	active, next := find(ring, StateActive), find(ring, StateNext)
	if active == nil || next == nil || now.Before(next.Created.Add(s.publishAhead)) {
		return false
	}
	return active.Algorithm != s.algorithm || !now.Before(active.Activated.Add(s.rotateEvery))
}

// rotate retires the active key and activates the next.
func (s schedule) rotate(ring []member, now time.Time) []member {
	out := slices.Clone(ring)
	for i, m := range out {
		if m.State == StateActive {
			out[i] = m.retire(now.Add(s.retireAfter))
		}
	}
	return activate(out, now)
}

// revoke removes a key in any state; if it was active, the next key becomes
// active.
func revoke(ring []member, id string, now time.Time) ([]member, bool) {
	out := slices.DeleteFunc(slices.Clone(ring), func(m member) bool { return m.ID == id })
	if len(out) == len(ring) {
		return nil, false
	}
	if find(out, StateActive) == nil {
		return activate(out, now), true
	}
	return out, true
}

func activate(ring []member, now time.Time) []member {
	if m := find(ring, StateNext); m != nil {
		m.State, m.Activated = StateActive, now
	}
	return ring
}

// find returns the first member in a state, nil if there is none.
func find(ring []member, state string) *member {
	for i := range ring {
		if ring[i].State == state {
			return &ring[i]
		}
	}
	return nil
}

// same reports whether two rings have the same keys in the same states: the other
// fields of a key change only with its state.
func same(a, b []member) bool {
	return slices.EqualFunc(a, b, func(x, y member) bool { return x.ID == y.ID && x.State == y.State })
}
