package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Info is a session as operators see it.
type Info struct {
	exchange.Session
	Status
}

// Status is the state of a session.
type Status struct {
	Refreshed time.Time `json:"refreshed"` // last refresh, or creation
	Expires   time.Time `json:"expires"`   // unless it is refreshed before
	Ended     bool      `json:"ended,omitempty"`
}

// UnmarshalJSON reads both parts; the method of exchange.Session, which Info
// would inherit, reads one.
func (i *Info) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &i.Session); err != nil {
		return err
	}
	return json.Unmarshal(data, &i.Status)
}

// Filter selects the sessions to list. An empty member selects all.
type Filter struct {
	User, Client, Issuer string
	From                 string // the next of an earlier List
	Limit                int    // of the page; default and maximum 1000
}

// Bounds of one List: sessions returned, and sessions read. Listing is rare and
// for operators; an index by user would cost every exchange a write.
const (
	maxPage = 1000
	maxRead = 20_000
)

// List returns sessions in the order of their creation, also those that ended,
// until they are swept. next is the From of the following page, and empty after
// the last page; a page can be empty although others follow.
func (s *Store) List(ctx context.Context, f Filter) (page []Info, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	next, err = visit(ctx, s.sessions, f.From, maxRead, func(row storage.Row[record], err error) (bool, error) {
		if err != nil || len(page) == limit {
			return false, err
		}
		if f.matches(&row.Value.Session) {
			info, err := s.info(ctx, row.Value)
			page = append(page, info)
			return true, err
		}
		return true, nil
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// visit calls do with at most limit records of a table, from a key on, and
// returns the key at which the next call goes on, empty at the table's end. A
// corrupt record comes with its error. do returns false to leave out the record
// and what follows.
func visit[T any](ctx context.Context, t storage.Table[T], from string, limit int, do func(storage.Row[T], error) (bool, error)) (next string, err error) {
	n := 0
	for row, err := range t.Scan(ctx, from, "", limit+1) {
		if err != nil && row.Key == "" {
			return from, err
		}
		if n == limit {
			return row.Key, nil
		}
		n++
		if more, err := do(row, err); err != nil {
			return from, err
		} else if !more {
			return row.Key, nil
		}
	}
	return "", nil
}

func (f Filter) matches(s *exchange.Session) bool {
	return (f.User == "" || f.User == s.User) &&
		(f.Client == "" || f.Client == s.Client) &&
		(f.Issuer == "" || f.Issuer == s.Issuer)
}

// Find returns one session, or storage.ErrNotFound.
func (s *Store) Find(ctx context.Context, id string) (Info, error) {
	row, err := s.sessions.Get(ctx, id)
	if err != nil {
		return Info{}, err
	}
	return s.info(ctx, row.Value)
}

func (s *Store) info(ctx context.Context, r record) (Info, error) {
	err := s.checkRevocations(ctx, creationOf(&r))
	_, revoked := errors.AsType[*exchange.Error](err)
	return Info{r.Session, Status{Refreshed: r.Rotation.Rotated, Expires: r.expires(), Ended: revoked}}, storeError(err)
}

// retention is how long records of expired and revoked sessions stay: longer
// than any access token is valid, and long enough to report of a refresh token
// that its session has ended rather than that there is none.
const retention = 24 * time.Hour

// Bounds of one Sweep: records of a table that it reads, and writes in one of
// its commits.
const (
	sweepRead  = 10_000
	sweepBatch = 256
)

// cursors hold where the next Sweep goes on. Neither sessions nor revocations
// expire in the order of their keys, so each Sweep reads a bounded part of a
// table, and the next one the part after it.
type cursors struct {
	mu                    sync.Mutex
	sessions, revocations string
	// least is the lowest order of the sessions that were read since the start of
	// the table, and floor that of the last time the whole table was read.
	least, floor uint64
}

// Sweep deletes records that have been of no use for a day: sessions that expired
// or were revoked, revoked tokens that expired, and revocations older than every
// session. It does a bounded part of that work, in small commits, and returns
// how many records it deleted. Call it every few minutes.
func (s *Store) Sweep(ctx context.Context, now time.Time) (int, error) {
	s.cursors.mu.Lock()
	defer s.cursors.mu.Unlock()
	before := now.Add(-retention)
	d := deleter{engine: s.engine}
	err := s.sweepSessions(ctx, &d, before)
	if err == nil {
		err = s.sweepRevocations(ctx, &d, before)
	}
	n := 0
	if err == nil {
		n, err = s.revokedTokens.Sweep(ctx, sweepKey(before), sweepBatch)
	}
	if err != nil {
		err = fmt.Errorf("sweeping sessions: %w", err)
	}
	return d.deleted + n, err
}

func (s *Store) sweepSessions(ctx context.Context, d *deleter, before time.Time) error {
	c := &s.cursors
	if c.sessions == "" {
		var err error
		if c.least, err = s.Order(ctx); err != nil {
			return err
		}
	}
	err := sweep(ctx, s.sessions, &c.sessions, d, func(row storage.Row[record]) ([]storage.Write, error) {
		c.least = min(c.least, row.Value.Order)
		return s.deletions(ctx, row, before)
	})
	if err == nil && c.sessions == "" {
		c.floor = c.least
	}
	return err
}

// deletions returns the deletions of a session that expired or was revoked
// before a time, and of its own revocation.
func (s *Store) deletions(ctx context.Context, row storage.Row[record], before time.Time) ([]storage.Write, error) {
	end := row.Value.expires()
	out := []storage.Write{s.sessions.Delete(row), s.userSessions.Remove(userKey(&row.Value.Session))}
	c := creationOf(&row.Value)
	for _, r := range c.revocations() {
		at, err := s.revocations.Get(ctx, revocationKey(r.Kind, r.ID))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if c.revokedBy(r.Kind, at.Value) {
			end = exchange.Earlier(end, at.Value.Time)
		}
		if r.Kind == exchange.RevocationSession {
			out = append(out, s.revocations.Delete(at))
		}
	}
	if !end.Before(before) {
		return nil, nil
	}
	return out, nil
}

// sweepRevocations deletes revocations from before a time that have nothing left to
// revoke: no session was created before them, by their order.
func (s *Store) sweepRevocations(ctx context.Context, d *deleter, before time.Time) error {
	oldest, err := s.oldestSession(ctx, before)
	if err != nil {
		return err
	}
	return sweep(ctx, s.revocations, &s.cursors.revocations, d, func(row storage.Row[revocation]) ([]storage.Write, error) {
		useless := row.Value.Order <= s.cursors.floor && row.Value.Time.Before(before)
		if row.Value.Order == 0 {
			useless = row.Value.Time.Before(oldest)
		}
		if useless {
			return []storage.Write{s.revocations.Delete(row)}, nil
		}
		return nil, nil
	})
}

// oldestSession returns the time in the first key of the table, or before if that
// is earlier. It is for revocations without an order.
func (s *Store) oldestSession(ctx context.Context, before time.Time) (time.Time, error) {
	for oldest, err := range s.sessions.Scan(ctx, "", "", 1) {
		if err != nil && oldest.Key == "" {
			return before, err
		}
		if created := storage.CreatedAt(oldest.Key); created.Before(before) {
			before = created
		}
	}
	return before, nil
}

// sweep deletes what useless returns for the records from a cursor on, and moves
// the cursor. It passes over corrupt records: they must not keep all others.
func sweep[T any](ctx context.Context, t storage.Table[T], cursor *string, d *deleter, useless func(storage.Row[T]) ([]storage.Write, error)) error {
	next, err := visit(ctx, t, *cursor, sweepRead, func(row storage.Row[T], err error) (bool, error) {
		var writes []storage.Write
		if err == nil {
			writes, err = useless(row)
		}
		if err == nil {
			err = d.add(ctx, writes...)
		}
		if errors.Is(err, storage.ErrCorrupt) {
			err = nil
		}
		return true, err
	})
	*cursor = next
	if err != nil {
		return err
	}
	return d.flush(ctx)
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

// flush commits what was added. Deletions that conflict with another commit are
// left to the next Sweep.
func (d *deleter) flush(ctx context.Context) error {
	if len(d.writes) == 0 {
		return nil
	}
	err := d.engine.Commit(ctx, d.writes...)
	if err == nil {
		for _, w := range d.writes {
			if w.If == storage.IfEqual { // entries of the index do not count
				d.deleted++
			}
		}
	}
	d.writes = nil
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}
