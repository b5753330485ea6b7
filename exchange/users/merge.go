package users

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

// UndoWithin is for how long a merge can be undone. Its record is swept
// afterwards.
const UndoWithin = 30 * 24 * time.Hour

// MergePlan describes what merging a user into another would do.
type MergePlan struct {
	From, Into exchange.User
	Links      []exchange.Link // of From, which would become Into's
	// Version identifies the plan: as long as it is the same, the merge does the
	// same.
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

// merging is a plan with the records that it was made from.
type merging struct {
	MergePlan
	from, into storage.Row[userRecord]
	rows       []storage.Row[linkRecord] // of Links
}

// PlanMerge describes what Merge would do, or returns why it would refuse.
func (s *Store) PlanMerge(ctx context.Context, fromID, intoID string) (MergePlan, error) {
	m, err := s.planMerge(ctx, fromID, intoID)
	return m.MergePlan, err
}

// Merge moves all links of one user to another and deletes the first, in one
// commit with writes. It must be an operator's decision: nothing that two users
// have in common, least of all an e-mail address, proves that they are one.
//
// Version, if it is not empty, is that of the plan that the operator confirmed.
// By names the operator. Merge returns storage.ErrNotFound if one of the users
// does not exist; a [Refusal] if they are the same user, if one is disabled, if
// there are too many links, or if another plan was confirmed; storage.ErrConflict
// if one of them is changed concurrently.
func (s *Store) Merge(ctx context.Context, fromID, intoID, version, by string, now time.Time, writes ...storage.Write) (Merge, error) {
	m, err := s.planMerge(ctx, fromID, intoID)
	if err != nil {
		return Merge{}, err
	}
	if version != "" && version != m.Version {
		return Merge{}, refusef("users %s and %s have changed since the merge was planned", fromID, intoID)
	}
	id, record := storage.NewID(now), mergeRecord{From: m.from.Value, Into: intoID, Time: now.UTC(), By: by}
	for _, row := range m.rows {
		record.Links = append(record.Links, row.Key)
	}
	changes, err := s.mergeWrites(id, m, record)
	if err == nil {
		err = s.engine.Commit(ctx, slices.Concat(writes, changes)...)
	}
	if err != nil {
		return Merge{}, fmt.Errorf("merging user %q into %q: %w", fromID, intoID, err)
	}
	return mergeOf(id, record), nil
}

func (s *Store) planMerge(ctx context.Context, fromID, intoID string) (m merging, err error) {
	if fromID == intoID {
		return m, refusef("user %s cannot be merged into itself", fromID)
	}
	if m.from, err = s.mergeable(ctx, fromID); err != nil {
		return m, err
	}
	if m.into, err = s.mergeable(ctx, intoID); err != nil {
		return m, err
	}
	if m.rows, err = s.linkRows(ctx, fromID); err != nil {
		return m, fmt.Errorf("links of user %q: %w", fromID, err)
	}
	if err := s.roomFor(ctx, intoID, len(m.rows)); err != nil {
		return m, err
	}
	return m, s.describe(ctx, &m)
}

// mergeable returns a user that exists and is enabled.
func (s *Store) mergeable(ctx context.Context, id string) (storage.Row[userRecord], error) {
	row, err := s.users.Get(ctx, id)
	if err != nil {
		return row, fmt.Errorf("user %q: %w", id, err)
	}
	if row.Value.Disabled {
		return row, refusef("user %s is disabled: a merge would enable it, or disable the other one", id)
	}
	return row, nil
}

// describe fills in the plan from the records.
func (s *Store) describe(ctx context.Context, m *merging) error {
	m.From, m.Into = m.from.Value.User, m.into.Value.User
	for _, row := range m.rows {
		l, err := s.userLinks.Get(ctx, userLinkKey(m.From.ID, row.Key))
		if err != nil {
			return fmt.Errorf("links of user %q: %w", m.From.ID, vanished(err))
		}
		m.Links = append(m.Links, l.Value)
	}
	text, err := json.Marshal([]any{m.from.Value, m.into.Value, m.Links})
	sum := sha256.Sum256(text)
	m.Version = hex.EncodeToString(sum[:16])
	return err
}

// mergeWrites returns the writes of a merge: the remaining user is marked as
// changed, the other one deleted, its links moved.
func (s *Store) mergeWrites(id string, m merging, record mergeRecord) ([]storage.Write, error) {
	change, err := s.users.Replace(m.into, m.into.Value.changed())
	undo, undoErr := s.merges.Insert(id, record)
	writes := []storage.Write{change, undo, s.users.Delete(m.from)}
	for i, l := range m.Links {
		l.User = record.Into
		moved, err := s.moveLink(m.rows[i], l)
		if err != nil {
			return nil, err
		}
		writes = append(writes, moved...)
	}
	return writes, errors.Join(err, undoErr)
}

func mergeOf(id string, m mergeRecord) Merge {
	return Merge{ID: id, From: m.From.User, Into: m.Into, Links: m.Links, Time: m.Time, By: m.By}
}

// Merges returns the merges that led to a user, directly or through users that
// were merged into it, in the order in which they were made; those of all users
// if userID is empty. They are few: operators make them, and they are swept.
func (s *Store) Merges(ctx context.Context, userID string, now time.Time) (out []Merge, err error) {
	rows, err := s.mergeRows(ctx, userID)
	for _, row := range rows {
		if undoable(row.Value, now) {
			out = append(out, mergeOf(row.Key, row.Value))
		}
	}
	return out, err
}

// mergeRows returns the records of Merges. Each user was merged away once at most,
// so the merges form a forest, and those that led to a user are its subtree.
func (s *Store) mergeRows(ctx context.Context, userID string) (all []storage.Row[mergeRecord], err error) {
	for row, err := range s.readableMerges(ctx) {
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

// readableMerges yields all records that can be read. A corrupt one cannot be
// undone and is removed by the sweep; it must not keep a user from being deleted.
func (s *Store) readableMerges(ctx context.Context) iter.Seq2[storage.Row[mergeRecord], error] {
	return func(yield func(storage.Row[mergeRecord], error) bool) {
		for row, err := range s.merges.Scan(ctx, "", "", 0) {
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

// MergedFrom returns the merge that removed a user, or storage.ErrNotFound.
func (s *Store) MergedFrom(ctx context.Context, userID string) (Merge, error) {
	for row, err := range s.readableMerges(ctx) {
		if err != nil {
			return Merge{}, err
		}
		if row.Value.From.ID == userID {
			return mergeOf(row.Key, row.Value), nil
		}
	}
	return Merge{}, fmt.Errorf("merge of user %q: %w", userID, storage.ErrNotFound)
}

// SweepMerges deletes the records of merges that can no longer be undone, in
// commits of at most batch, and returns how many there were.
func (s *Store) SweepMerges(ctx context.Context, now time.Time, batch int) (int, error) {
	return s.merges.Sweep(ctx, storage.NewID(now.Add(-UndoWithin)), batch)
}

func undoable(m mergeRecord, now time.Time) bool { return now.Before(m.Time.Add(UndoWithin)) }
