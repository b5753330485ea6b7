package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// linger is how long records stay after they came to nothing: longer than any
// access token lives, and long enough to say of a refresh token that its
// session has ended rather than that there is none.
const linger = 24 * time.Hour

// Bounds of one Sweep: records of a table that it looks at, and writes in one
// of its commits.
const (
	sweepMost  = 10_000
	sweepBatch = 256
)

// cursors are where the next Sweep goes on. Neither sessions nor marks die in
// the order of their keys, so each Sweep looks at a bounded part of a table,
// and the next one at the part after it.
type cursors struct {
	mu              sync.Mutex
	sessions, marks string
}

// Sweep deletes what came to nothing a day ago or longer: sessions that ended
// or expired, revoked tokens that expired, and marks older than every session.
// It does a bounded piece of that work, in small commits, and returns how many
// records went. Call it every few minutes.
func (s *Store) Sweep(ctx context.Context, now time.Time) (int, error) {
	s.cursors.mu.Lock()
	defer s.cursors.mu.Unlock()
	before := now.Add(-linger)
	d := deleter{engine: s.engine}
	err := s.sweepSessions(ctx, &d, before)
	if err == nil {
		err = d.flush(ctx) // sessions take their own marks with them
	}
	if err == nil {
		err = s.sweepMarks(ctx, &d, before)
	}
	if err == nil {
		err = d.flush(ctx)
	}
	if err != nil {
		return d.deleted, err
	}
	n, err := s.revoked.Sweep(ctx, sweepKey(before), sweepBatch)
	if err != nil {
		return d.deleted + n, err
	}
	return d.deleted + n, nil
}

func (s *Store) sweepSessions(ctx context.Context, d *deleter, before time.Time) error {
	next, err := walk(ctx, s.sessions, s.cursors.sessions, func(row storage.Row[record]) error {
		dead, err := s.dead(ctx, row, before)
		if err != nil {
			return err
		}
		return d.add(ctx, dead...)
	})
	s.cursors.sessions = next
	return err
}

// dead are the deletions of a session that came to nothing before a time: it
// expired, or a mark ended it. What is kept of somebody whom an operator deleted
// goes with that.
func (s *Store) dead(ctx context.Context, row storage.Row[record], before time.Time) ([]storage.Write, error) {
	end := row.Value.end()
	deletions := []storage.Write{s.sessions.Delete(row)}
	born := birthOf(&row.Value.Session)
	for _, m := range born.marks() {
		at, err := s.marks.Get(ctx, markKey(m.Kind, m.ID))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if born.endedBy(m.Kind, at.Value) {
			end = earlier(end, at.Value.Time)
		}
		if m.Kind == exchange.RevocationSession {
			deletions = append(deletions, s.marks.Delete(at))
		}
	}
	if !end.Before(before) {
		return nil, nil
	}
	return deletions, nil
}

// sweepMarks deletes marks from before a time and before the birth of the
// oldest session: nothing is left for them to end.
func (s *Store) sweepMarks(ctx context.Context, d *deleter, before time.Time) error {
	for oldest, err := range s.sessions.Scan(ctx, "", "", 1) {
		if err != nil && oldest.Key == "" {
			return err
		}
		before = earlier(before, storage.CreatedAt(oldest.Key))
	}
	next, err := walk(ctx, s.marks, s.cursors.marks, func(row storage.Row[mark]) error {
		if row.Value.Time.Before(before) {
			return d.add(ctx, s.marks.Delete(row))
		}
		return nil
	})
	s.cursors.marks = next
	return err
}

// walk visits a bounded part of a table and returns where the next part begins.
// It passes over corrupt records: one of them is no reason to keep all others.
func walk[T any](ctx context.Context, t storage.Table[T], from string, visit func(storage.Row[T]) error) (next string, err error) {
	looked := 0
	for row, err := range t.Scan(ctx, from, "", sweepMost+1) {
		if err != nil && row.Key == "" {
			return from, err
		}
		if looked++; looked > sweepMost {
			return row.Key, nil
		}
		if err == nil {
			err = visit(row)
		}
		if err != nil && !errors.Is(err, storage.ErrCorrupt) {
			return from, err
		}
	}
	return "", nil
}

// deleter commits deletions in batches.
type deleter struct {
	engine  storage.Engine
	writes  []storage.Write
	deleted int
}

func (d *deleter) add(ctx context.Context, writes ...storage.Write) error {
	if len(d.writes)+len(writes) > sweepBatch {
		if err := d.flush(ctx); err != nil {
			return err
		}
	}
	d.writes = append(d.writes, writes...)
	return nil
}

// flush commits what was added. Deletions that conflict with something else are
// left to the next round.
func (d *deleter) flush(ctx context.Context) error {
	if len(d.writes) == 0 {
		return nil
	}
	err := d.engine.Commit(ctx, d.writes...)
	if err == nil {
		d.deleted += len(d.writes)
	}
	d.writes = nil
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}
