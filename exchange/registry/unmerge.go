package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Unmerged is what undoing a merge did.
type Unmerged struct {
	Merge
	Restored []exchange.Link // that are From's again
	// Kept is how many of From's links were not Into's any more and stayed where
	// they are.
	Kept int
	// Since are links of Into that were made after the merge. Whoever was From
	// may have proven them as Into, and still comes in as Into by them.
	Since []exchange.Link
}

// Unmerge undoes a merge, in one commit with the writes that also makes of the
// links that change hands: the user that was merged is there again, with those of
// its links that are still the other one's. storage.ErrNotFound if there is no
// such merge; a [Refusal] if it was made too long ago, or if the user that it led
// to is gone or disabled; storage.ErrConflict if somebody else changes them at the
// same time.
func (r *Registry) Unmerge(ctx context.Context, id string, now time.Time, also func([]exchange.Link) ([]storage.Write, error)) (Unmerged, error) {
	row, err := r.tables.merges.Get(ctx, id)
	if err != nil {
		return Unmerged{}, fmt.Errorf("merge %q: %w", id, err)
	}
	m := row.Value
	if !undoable(m, now) {
		return Unmerged{}, refusef("merge %s was made on %s: it could be undone for %d days", id, m.Time.Format(time.DateOnly), int(UndoWithin.Hours()/24))
	}
	into, err := r.mergedInto(ctx, m)
	if err != nil {
		return Unmerged{}, err
	}
	out := Unmerged{Merge: mergeOf(id, m)}
	mine, err := r.unmergeWrites(ctx, row, into, &out)
	if err == nil {
		out.Since, err = r.linkedSince(ctx, m, out.Restored)
	}
	if err != nil {
		return Unmerged{}, fmt.Errorf("undoing merge %q: %w", id, err)
	}
	theirs, err := also(out.Restored)
	if err == nil {
		err = r.engine.Commit(ctx, slices.Concat(theirs, mine)...)
	}
	if err != nil {
		return Unmerged{}, fmt.Errorf("undoing merge %q: %w", id, err)
	}
	return out, nil
}

// mergedInto is the user that a merge led to, if it is still there and let in.
func (r *Registry) mergedInto(ctx context.Context, m mergeRecord) (storage.Row[userRecord], error) {
	into, err := r.tables.users.Get(ctx, m.Into)
	switch {
	case err == nil && into.Value.Disabled:
		return into, refusef("user %s is disabled: undoing the merge would let somebody in who was it", m.Into)
	case !errors.Is(err, storage.ErrNotFound):
		return into, err
	}
	next, err := r.MergedFrom(ctx, m.Into)
	if err != nil {
		return into, err
	}
	return into, refusef("user %s was itself merged into user %s: undo that first, by merge %s", m.Into, next.Into, next.ID)
}

// unmergeWrites are the writes that undo a merge, and note in out what they do.
func (r *Registry) unmergeWrites(ctx context.Context, row storage.Row[mergeRecord], into storage.Row[userRecord], out *Unmerged) ([]storage.Write, error) {
	m := row.Value
	change, err := r.tables.users.Replace(into, into.Value.changed())
	from, fromErr := r.tables.users.Insert(m.From.ID, m.From.changed())
	if err := errors.Join(err, fromErr); err != nil {
		return nil, err
	}
	writes := []storage.Write{change, from, r.tables.merges.Delete(row)}
	for _, key := range m.Links {
		moved, l, err := r.moveBack(ctx, key, m)
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

// linkedSince are the links that a user was given after a merge, but for those
// that it loses again.
func (r *Registry) linkedSince(ctx context.Context, m mergeRecord, restored []exchange.Link) ([]exchange.Link, error) {
	links, err := r.LinksOf(ctx, m.Into)
	return slices.DeleteFunc(links, func(l exchange.Link) bool {
		goes := func(o exchange.Link) bool { return o.Issuer == l.Issuer && o.Subject == l.Subject }
		return !l.Created.After(m.Time) || slices.ContainsFunc(restored, goes)
	}), err
}

// moveBack are the writes that give a link back, none if it has gone elsewhere.
// The user that would lose it is changed in the same commit, so it cannot come
// back unseen.
func (r *Registry) moveBack(ctx context.Context, key string, m mergeRecord) ([]storage.Write, exchange.Link, error) {
	link, err := r.tables.links.Get(ctx, key)
	if errors.Is(err, storage.ErrNotFound) || err == nil && link.Value.User != m.Into {
		return nil, exchange.Link{}, nil
	}
	shown, shownErr := r.tables.userLinks.Get(ctx, userLinkKey(m.Into, key))
	if errors.Is(shownErr, storage.ErrNotFound) {
		shownErr = storage.ErrConflict // it was there a moment ago
	}
	if err := errors.Join(err, shownErr); err != nil {
		return nil, exchange.Link{}, err
	}
	writes, err := r.moveLink(link, shown.Value, m.From.ID)
	shown.Value.User = m.From.ID
	return writes, shown.Value, err
}
