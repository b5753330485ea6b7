package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/storage"
)

// tickEvery is how often Run ticks, and so the time within which a node notices a
// change by another node.
const tickEvery = time.Minute

// maxAttempts bounds the attempts at one change of the ring, of which each but the
// last met a change by another node.
const maxAttempts = 16

// Tick makes the transitions that are due at now, and adopts those that other
// nodes made. If there are none it only reads one record.
func (r *Ring) Tick(ctx context.Context, now time.Time) error {
	err := r.forAll(func(r *Ring) error {
		return r.update(ctx, now, func(ring []member) ([]member, error) { return r.schedule.tick(ring, now), nil })
	})
	return wrap("rotating signing keys on schedule", err)
}

// Rotate retires the active key and activates the next one, now. A verifier whose
// JWK Set is older than the next key (see List) must fetch it again; after two
// calls in a row every verifier must.
func (r *Ring) Rotate(ctx context.Context, now time.Time) error {
	err := r.forAll(func(r *Ring) error {
		return r.update(ctx, now, func(ring []member) ([]member, error) { return r.schedule.rotate(ring, now), nil })
	})
	return wrap("rotating signing keys", err)
}

// Revoke removes a key at once: the server accepts no token that it signed, other
// verifiers accept them until they fetch the JWK Set again. If the key was active,
// the next key becomes active. It returns storage.ErrNotFound for a key that is
// not in the ring.
func (r *Ring) Revoke(ctx context.Context, kid string, now time.Time) error {
	err := r.revokeIn(ctx, kid, now)
	for _, other := range r.otherRings() {
		if !errors.Is(err, storage.ErrNotFound) {
			break
		}
		err = other.revokeIn(ctx, kid, now)
	}
	return wrap("revoking signing key", err)
}

// Run ticks until ctx ends, at times when the clock is steady. It logs a tick that
// fails and keeps the keys in use.
func (r *Ring) Run(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		if err := r.followSchedule(ctx); err != nil && ctx.Err() == nil {
			r.logger.ErrorContext(ctx, "cannot check the rotation of signing keys", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// followSchedule ticks. While the clock is not steady it only adopts the changes
// of other nodes.
func (r *Ring) followSchedule(ctx context.Context) error {
	if r.steady == nil || r.steady() {
		return r.Tick(ctx, r.now())
	}
	return wrap("reading signing keys", r.forAll(func(r *Ring) error { return r.reread(ctx) }))
}

// reread adopts the stored keys, and completes them where one is missing.
func (r *Ring) reread(ctx context.Context) error {
	return r.update(ctx, r.now(), func(ring []member) ([]member, error) { return ring, nil })
}

// update reads, changes and commits the ring, again if another node changed it in
// between, and then adopts what is stored.
func (r *Ring) update(ctx context.Context, now time.Time, change func([]member) ([]member, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return storage.Retry(ctx, maxAttempts, func() error {
		row, err := r.table.Get(ctx, r.key)
		if err != nil {
			return readError(err)
		}
		ring, err := r.step(ctx, row, now, change)
		if err != nil {
			return err
		}
		return r.adopt(ctx, ring)
	})
}

// readError returns the error for a ring that could not be read. Where there is a
// root secret, an absent ring is damage, and no reason to create new keys.
func readError(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("reading signing keys: %w: the record is missing", storage.ErrCorrupt)
	}
	return fmt.Errorf("reading signing keys: %w", err)
}

// step commits a change of the ring that was read, unless it changes nothing.
func (r *Ring) step(ctx context.Context, row storage.Row[record], now time.Time, change func([]member) ([]member, error)) ([]member, error) {
	ring, err := change(slices.Clone(row.Value.Keys))
	if err != nil {
		return nil, err
	}
	if ring, err = r.complete(ring, now); err != nil {
		return nil, err
	}
	if same(ring, row.Value.Keys) {
		return ring, nil
	}
	w, err := r.table.Replace(row, record{ring})
	if err != nil {
		return nil, err
	}
	return ring, r.engine.Commit(ctx, w)
}

// complete adds the keys that a ring must have: an active and a next one.
func (r *Ring) complete(ring []member, now time.Time) ([]member, error) {
	for find(ring, StateActive) == nil || find(ring, StateNext) == nil {
		made, err := newMember(r.schedule.algorithm, r.kek, now)
		if err != nil {
			return nil, fmt.Errorf("creating a signing key: %w", err)
		}
		ring = append(ring, made)
		if find(ring, StateActive) == nil {
			ring = activate(ring, now)
		}
	}
	return ring, nil
}

// adopt makes the stored ring the one in use. No key signs or is published before
// it is stored.
func (r *Ring) adopt(ctx context.Context, ring []member) error {
	old := r.state.Load()
	if old != nil && same(ring, old.members) {
		return nil
	}
	s, err := newState(ring, old, r.kek)
	if errors.Is(err, errSeal) {
		return fmt.Errorf("%w: %w", storage.ErrCorrupt, err)
	}
	if err != nil {
		return err
	}
	r.state.Store(s)
	r.logger.InfoContext(ctx, "using signing keys", "active", s.active.ID, "published", len(s.published))
	return nil
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

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
