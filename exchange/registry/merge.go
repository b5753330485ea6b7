package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// UndoWithin is for how long a merge can be undone. What it takes to do so is
// swept afterwards.
const UndoWithin = 30 * 24 * time.Hour

// MergePlan is what merging a user into another would do.
type MergePlan struct {
	From, Into exchange.User
	Links      []exchange.Link // of From, which would be Into's
	// Version tells plans apart: the same means that the same would happen.
	Version string
}

// Merge is a merge that was made and can be undone.
type Merge struct {
	ID    string
	From  exchange.User // as it was
	Into  string        // user ID
	Links []string      // that were From's, by exchange.LinkKey
	Time  time.Time
	By    string
}

// merging is a plan with the records that it was made of.
type merging struct {
	MergePlan
	from, into storage.Row[userRecord]
	rows       []storage.Row[linkRecord] // of Links
}

// PlanMerge says what Merge would do, or why it would not.
func (r *Registry) PlanMerge(ctx context.Context, fromID, intoID string) (MergePlan, error) {
	m, err := r.planMerge(ctx, fromID, intoID)
	return m.MergePlan, err
}

// Merge moves all links of one user to another and deletes the first, in one
// commit with writes. Whoever calls it has asked an operator: nothing that two
// users have in common, an e-mail address least of all, says that they are one.
//
// Version, if it is not empty, is that of the plan that was agreed to. By says
// who agreed. storage.ErrNotFound if one of the users is not there; a [Refusal]
// if they are one, if one is disabled, if there are too many links, or if another
// plan was agreed to; storage.ErrConflict if somebody else changes one of them at
// the same time.
func (r *Registry) Merge(ctx context.Context, fromID, intoID, version, by string, now time.Time, writes ...storage.Write) (Merge, error) {
	m, err := r.planMerge(ctx, fromID, intoID)
	if err != nil {
		return Merge{}, err
	}
	if version != "" && version != m.Version {
		return Merge{}, refusef("users %s and %s are not any more what they were when the merge was planned", fromID, intoID)
	}
	id, record := storage.NewID(now), mergeRecord{From: m.from.Value, Into: intoID, Time: now.UTC(), By: by}
	for _, row := range m.rows {
		record.Links = append(record.Links, row.Key)
	}
	mine, err := r.mergeWrites(id, m, record)
	if err == nil {
		err = r.engine.Commit(ctx, slices.Concat(writes, mine)...)
	}
	if err != nil {
		return Merge{}, fmt.Errorf("merging user %q into %q: %w", fromID, intoID, err)
	}
	return mergeOf(id, record), nil
}

func (r *Registry) planMerge(ctx context.Context, fromID, intoID string) (m merging, err error) {
	if fromID == intoID {
		return m, refusef("user %s cannot be merged into itself", fromID)
	}
	for _, side := range []struct {
		id  string
		row *storage.Row[userRecord]
	}{{fromID, &m.from}, {intoID, &m.into}} {
		if *side.row, err = r.tables.users.Get(ctx, side.id); err != nil {
			return m, fmt.Errorf("user %q: %w", side.id, err)
		}
		if side.row.Value.Disabled {
			return m, refusef("user %s is disabled: a merge would let it in, or keep the other one out", side.id)
		}
	}
	if m.rows, err = r.linkRows(ctx, fromID); err != nil {
		return m, fmt.Errorf("links of user %q: %w", fromID, err)
	}
	if err := r.roomFor(ctx, intoID, len(m.rows)); err != nil {
		return m, err
	}
	return m, r.describe(ctx, &m)
}

// describe makes the plan of what was read.
func (r *Registry) describe(ctx context.Context, m *merging) error {
	m.From, m.Into = m.from.Value.User, m.into.Value.User
	for _, row := range m.rows {
		l, err := r.tables.userLinks.Get(ctx, userLinkKey(m.From.ID, row.Key))
		if errors.Is(err, storage.ErrNotFound) {
			err = storage.ErrConflict // it was the user's a moment ago
		}
		if err != nil {
			return fmt.Errorf("links of user %q: %w", m.From.ID, err)
		}
		m.Links = append(m.Links, l.Value)
	}
	text, err := json.Marshal([]any{m.from.Value, m.into.Value, m.Links})
	sum := sha256.Sum256(text)
	m.Version = hex.EncodeToString(sum[:16])
	return err
}

// mergeWrites are the writes of a merge: the user that is left is counted as
// changed, the other one deleted, the links moved.
func (r *Registry) mergeWrites(id string, m merging, record mergeRecord) ([]storage.Write, error) {
	change, err := r.tables.users.Replace(m.into, m.into.Value.changed())
	kept, keptErr := r.tables.merges.Insert(id, record)
	writes := []storage.Write{change, kept, r.tables.users.Delete(m.from)}
	for i, row := range m.rows {
		moved, err := r.moveLink(row, m.Links[i], record.Into)
		if err != nil {
			return nil, err
		}
		writes = append(writes, moved...)
	}
	return writes, errors.Join(err, keptErr)
}

// moveLink are the writes that make a link that of another user.
func (r *Registry) moveLink(row storage.Row[linkRecord], l exchange.Link, user string) ([]storage.Write, error) {
	had := l.User
	l.User = user
	moved, moveErr := r.tables.links.Replace(row, linkRecord{User: user})
	shown, shownErr := r.tables.userLinks.Insert(userLinkKey(user, row.Key), l)
	return []storage.Write{moved, shown, r.tables.userLinks.Remove(userLinkKey(had, row.Key))}, errors.Join(moveErr, shownErr)
}

func mergeOf(id string, m mergeRecord) Merge {
	return Merge{ID: id, From: m.From.User, Into: m.Into, Links: m.Links, Time: m.Time, By: m.By}
}

// Merges are the merges that led to a user, and those that led to the users that
// were merged into it, in the order in which they were made; those of everybody
// if the user's ID is empty. They are few: operators make them, and they are
// swept.
func (r *Registry) Merges(ctx context.Context, userID string, now time.Time) ([]Merge, error) {
	rows, err := r.mergeRows(ctx, userID)
	if err != nil {
		return nil, err
	}
	var out []Merge
	for _, row := range rows {
		if !undoable(row.Value, now) {
			continue
		}
		out = append(out, mergeOf(row.Key, row.Value))
	}
	return out, nil
}

// mergeRows are their records. Each user went away by one merge at most, so they
// are a forest, and those that led to a user are all that is above it.
func (r *Registry) mergeRows(ctx context.Context, userID string) ([]storage.Row[mergeRecord], error) {
	var all []storage.Row[mergeRecord]
	for row, err := range r.merges(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	if userID == "" {
		return all, nil
	}
	led := map[string]bool{userID: true} // user ID → led to the user
	for before := 0; before < len(led); {
		before = len(led)
		for _, row := range all {
			if led[row.Value.Into] {
				led[row.Value.From.ID] = true
			}
		}
	}
	return slices.DeleteFunc(all, func(row storage.Row[mergeRecord]) bool { return !led[row.Value.Into] }), nil
}

// merges are all records that can be read. One that is corrupt cannot be undone,
// goes when it is swept, and is no reason to keep anybody from being deleted.
func (r *Registry) merges(ctx context.Context) iter.Seq2[storage.Row[mergeRecord], error] {
	return func(yield func(storage.Row[mergeRecord], error) bool) {
		for row, err := range r.tables.merges.Scan(ctx, "", "", 0) {
			if row.Key != "" && errors.Is(err, storage.ErrCorrupt) {
				continue
			}
			if err != nil {
				err = fmt.Errorf("reading merges: %w", err)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// MergedFrom is the merge that a user went away by, or storage.ErrNotFound.
func (r *Registry) MergedFrom(ctx context.Context, userID string) (Merge, error) {
	for row, err := range r.merges(ctx) {
		if err != nil {
			return Merge{}, err
		}
		if row.Value.From.ID == userID {
			return mergeOf(row.Key, row.Value), nil
		}
	}
	return Merge{}, fmt.Errorf("merge of user %q: %w", userID, storage.ErrNotFound)
}

// SweepMerges deletes what merges left that cannot be undone any more, in commits
// of at most batch, and returns how many that were.
func (r *Registry) SweepMerges(ctx context.Context, now time.Time, batch int) (int, error) {
	return r.tables.merges.Sweep(ctx, storage.NewID(now.Add(-UndoWithin)), batch)
}

func undoable(m mergeRecord, now time.Time) bool { return now.Before(m.Time.Add(UndoWithin)) }
