package users

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Unmerged describes what undoing a merge did.
type Unmerged struct {
	Merge    Merge           `json:"merge"`
	Restored []exchange.Link `json:"restored" nullable:"false" doc:"Links that were moved back"`
	Kept     int             `json:"kept" doc:"How many links were no longer the other user's and stayed where they are"`
	Since    []exchange.Link `json:"since" nullable:"false" doc:"Links that the other user got after the merge. The restored user may have proven them, and still comes in as the other user by them until they are removed"`
}

// Unmerge undoes a merge, in one commit with the writes that also returns for the
// links that move: the merged user exists again, with those of its links that are
// still the other user's. It returns storage.ErrNotFound if there is no such
// merge; a [Refusal] if it was made too long ago, or if the user that it led to
// was merged itself or is disabled; storage.ErrConflict if one of them is changed
// concurrently.
func (s *Store) Unmerge(ctx context.Context, id string, now time.Time, also func([]exchange.Link) ([]storage.Write, error)) (Unmerged, error) {
	row, err := s.merges.Get(ctx, id)
	if err != nil {
		return Unmerged{}, fmt.Errorf("merge %q: %w", id, err)
	}
	m := row.Value
	if !undoable(m, now) {
		return Unmerged{}, refusef("merge %s was made on %s: it could be undone for %d days", id, m.Time.Format(time.DateOnly), int(UndoWithin.Hours()/24))
	}
	into, err := s.mergedInto(ctx, m)
	if err != nil {
		return Unmerged{}, err
	}
	out := Unmerged{Merge: mergeOf(id, m)}
	writes, err := s.unmergeWrites(ctx, row, into, &out)
	if err == nil {
		out.Since, err = s.linkedSince(ctx, m, out.Restored)
	}
	var more []storage.Write
	if err == nil {
		more, err = also(out.Restored)
	}
	if err == nil {
		err = s.engine.Commit(ctx, slices.Concat(more, writes)...)
	}
	if err != nil {
		return Unmerged{}, fmt.Errorf("undoing merge %q: %w", id, err)
	}
	return out, nil
}

// mergedInto returns the user that a merge led to, if it still exists and is
// enabled.
func (s *Store) mergedInto(ctx context.Context, m mergeRecord) (storage.Row[userRecord], error) {
	into, err := s.users.Get(ctx, m.Into)
	switch {
	case err == nil && into.Value.Disabled:
		return into, refusef("user %s is disabled: undoing the merge would enable a user that was part of it", m.Into)
	case !errors.Is(err, storage.ErrNotFound):
		return into, err
	}
	next, err := s.MergedFrom(ctx, m.Into)
	if err != nil {
		return into, err
	}
	return into, refusef("user %s was itself merged into user %s: undo merge %s first", m.Into, next.Into, next.ID)
}

// unmergeWrites returns the writes that undo a merge and notes in out what they
// do.
func (s *Store) unmergeWrites(ctx context.Context, row storage.Row[mergeRecord], into storage.Row[userRecord], out *Unmerged) ([]storage.Write, error) {
	m := row.Value
	change, err := s.users.Replace(into, into.Value.changed())
	from, fromErr := s.users.Insert(m.From.ID, m.From.changed())
	if err := errors.Join(err, fromErr); err != nil {
		return nil, err
	}
	writes := []storage.Write{change, from, s.merges.Delete(row)}
	for _, key := range m.Links {
		moved, l, err := s.moveBack(ctx, key, m)
		if err != nil {
			return nil, err
		}
		if moved == nil {
			out.Kept++
			continue
		}
		writes = append(writes, moved...)
		out.Restored = append(out.Restored, l)
	}
	return writes, nil
}

// linkedSince returns the links that a user got after a merge, without those that
// it loses again.
func (s *Store) linkedSince(ctx context.Context, m mergeRecord, restored []exchange.Link) ([]exchange.Link, error) {
	links, err := s.LinksOf(ctx, m.Into)
	return slices.DeleteFunc(links, func(l exchange.Link) bool {
		same := func(o exchange.Link) bool { return o.Issuer == l.Issuer && o.Subject == l.Subject }
		return !l.Created.After(m.Time) || slices.ContainsFunc(restored, same)
	}), err
}

// moveBack returns the writes that give a link back, none if it is no longer the
// other user's. That user is changed in the same commit, so the link cannot
// become its own again unnoticed.
func (s *Store) moveBack(ctx context.Context, key string, m mergeRecord) ([]storage.Write, exchange.Link, error) {
	row, err := s.links.Get(ctx, key)
	if errors.Is(err, storage.ErrNotFound) || err == nil && row.Value.User != m.Into {
		return nil, exchange.Link{}, nil
	}
	if err != nil {
		return nil, exchange.Link{}, err
	}
	shown, err := s.userLinks.Get(ctx, userLinkKey(m.Into, key))
	if err != nil {
		return nil, exchange.Link{}, vanished(err)
	}
	l := shown.Value
	l.User = m.From.ID
	writes, err := s.moveLink(row, l)
	return writes, l, err
}
