package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// mark is an exchange.Revocation as it is kept, at kind/ID.
type mark struct {
	Time time.Time `json:"time"`
}

func markKey(kind exchange.RevocationKind, id string) string { return string(kind) + "/" + id }

// birth is what of a session or a token the marks are about.
type birth struct {
	session, user, client string
	origin                exchange.Origin
	at                    time.Time
}

func birthOf(s *exchange.Session) birth {
	return birth{session: s.ID, user: s.User, client: s.Client, origin: originOf(s), at: s.Created}
}

// marks are the marks that would end it. What is empty is nobody's.
func (b birth) marks() []exchange.Revocation {
	all := [...]exchange.Revocation{
		{Kind: exchange.RevocationSession, ID: b.session},
		{Kind: exchange.RevocationUser, ID: b.user},
		{Kind: exchange.RevocationClient, ID: b.client},
		{Kind: exchange.RevocationIssuer, ID: b.origin.Issuer},
		{Kind: exchange.RevocationLink, ID: b.origin.Link},
		{Kind: exchange.RevocationKey},
	}
	if b.origin.Key != "" {
		all[len(all)-1].ID = b.origin.Issuer + "/" + b.origin.Key
	}
	out := all[:0]
	for _, m := range all {
		if m.ID != "" {
			out = append(out, m)
		}
	}
	return out
}

// lives refuses what a mark ended.
func (s *Store) lives(ctx context.Context, b birth) error {
	for _, m := range b.marks() {
		row, err := s.marks.Get(ctx, markKey(m.Kind, m.ID))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if b.endedBy(m.Kind, row.Value) {
			return exchange.Refuse(exchange.ReasonSessionEnded, fmt.Errorf("%s %.128q was ended", m.Kind, m.ID))
		}
	}
	return nil
}

// endedBy says whether a mark that is about it ended it. A session is born once:
// its own mark ends it at whatever time.
func (b birth) endedBy(kind exchange.RevocationKind, m mark) bool {
	return kind == exchange.RevocationSession || !b.at.After(m.Time)
}

// Revoke makes marks, all in one commit: everything of a mark's kind and ID that
// was born at or before its time is over, from the next request on. A mark
// never moves back: what one ended stays ended. A session's own, whose time does
// not matter, never moves: who has a token of an ended session could else write
// to the store for ever.
func (s *Store) Revoke(ctx context.Context, marks ...exchange.Revocation) error {
	for {
		var writes []storage.Write
		for _, m := range marks {
			write, err := s.later(ctx, m)
			if err != nil {
				return err
			}
			if write != nil {
				writes = append(writes, *write)
			}
		}
		if len(writes) == 0 {
			return nil
		}
		err := s.engine.Commit(ctx, writes...)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("storing revocations: %w", err)
		}
		return nil
	}
}

// later is the write of a mark, none if there is one as late already.
func (s *Store) later(ctx context.Context, m exchange.Revocation) (*storage.Write, error) {
	row, err := s.marks.Get(ctx, markKey(m.Kind, m.ID))
	var w storage.Write
	switch {
	case errors.Is(err, storage.ErrNotFound):
		w, err = s.marks.Insert(markKey(m.Kind, m.ID), mark{m.Time})
	case err == nil && (m.Kind == exchange.RevocationSession || !row.Value.Time.Before(m.Time)):
		return nil, nil
	case err == nil:
		w, err = s.marks.Replace(row, mark{m.Time})
	}
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// RevocationWrite is a mark as a write that goes into a commit with others, so that
// what is removed and what ends with it are one change. It replaces an older
// mark of the same kind and ID unseen; its time is therefore that of the commit.
func (s *Store) RevocationWrite(m exchange.Revocation) (storage.Write, error) {
	w, err := s.marks.Put(markKey(m.Kind, m.ID), mark{m.Time})
	if err != nil {
		return storage.Write{}, fmt.Errorf("making mark: %w", err)
	}
	return w, nil
}
