package session

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"cambio/exchange"
)

// Info is a session as an operator sees it.
type Info struct {
	exchange.Session
	Status
}

// Status is what became of a session.
type Status struct {
	Refreshed time.Time `json:"refreshed"` // last turn; birth if there was none
	Expires   time.Time `json:"expires"`   // unless it is refreshed before
	Ended     bool      `json:"ended,omitempty"`
}

// UnmarshalJSON reads both parts; exchange.Session's own, which it would
// inherit, reads one.
func (i *Info) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &i.Session); err != nil {
		return err
	}
	return json.Unmarshal(data, &i.Status)
}

// Filter says which sessions to list. What is empty filters nothing.
type Filter struct {
	User, Client, Issuer string
	From                 string // the next of an earlier List
	Limit                int    // at most as many; default and maximum 1000
}

// Bounds of one List: sessions told of, and sessions looked at. Listing is for
// operators and rare; an index by user would cost every exchange a write.
const (
	listMost = 1000
	lookMost = 20_000
)

// List tells of sessions in the order of their births, those that ended too
// until they are swept. next is the RelinkFrom of the following page, and empty after
// the last one; a page can be empty though others follow.
func (s *Store) List(ctx context.Context, f Filter) (page []Info, next string, err error) {
	limit := f.Limit
	if limit <= 0 || limit > listMost {
		limit = listMost
	}
	looked := 0
	for row, err := range s.sessions.Scan(ctx, f.From, "", lookMost+1) {
		if err != nil {
			return nil, "", err
		}
		if len(page) == limit || looked == lookMost {
			return page, row.Key, nil
		}
		looked++
		if !f.takes(&row.Value.Session) {
			continue
		}
		info, err := s.info(ctx, row.Value)
		if err != nil {
			return nil, "", err
		}
		page = append(page, info)
	}
	return page, "", nil
}

func (f Filter) takes(s *exchange.Session) bool {
	return (f.User == "" || f.User == s.User) &&
		(f.Client == "" || f.Client == s.Client) &&
		(f.Issuer == "" || f.Issuer == s.Issuer)
}

// Find tells of one session. It returns storage.ErrNotFound if there is none.
func (s *Store) Find(ctx context.Context, id string) (Info, error) {
	row, err := s.sessions.Get(ctx, id)
	if err != nil {
		return Info{}, err
	}
	return s.info(ctx, row.Value)
}

func (s *Store) info(ctx context.Context, r record) (Info, error) {
	ended, err := s.ended(ctx, &r.Session)
	return Info{r.Session, Status{Refreshed: r.Turn.Turned, Expires: r.end(), Ended: ended}}, err
}

// ended says whether a mark ended a session.
func (s *Store) ended(ctx context.Context, sess *exchange.Session) (bool, error) {
	err := s.lives(ctx, birthOf(sess))
	if refused, ok := errors.AsType[*exchange.Error](err); ok && refused.Reason == exchange.ReasonSessionEnded {
		return true, nil
	}
	return false, err
}
