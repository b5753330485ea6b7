package session

import (
	"context"
	"encoding/json"
	"errors"
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
	err := s.checkRevocations(ctx, creationOf(&r.Session))
	_, revoked := errors.AsType[*exchange.Error](err)
	return Info{r.Session, Status{Refreshed: r.Rotation.Rotated, Expires: r.expires(), Ended: revoked}}, storeError(err)
}
