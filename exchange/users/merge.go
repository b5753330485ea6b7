package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// UndoWithin is for how long a merge can be undone. Its record is swept
// afterwards.
const UndoWithin = 30 * 24 * time.Hour

// MergePlan describes what merging a user into another would do. The admin API
// returns it, as it does Merge and Unmerged.
type MergePlan struct {
	From    exchange.User   `json:"from"`
	Into    exchange.User   `json:"into"`
	Links   []exchange.Link `json:"links" nullable:"false" doc:"Links of from, which would become those of into"`
	Version string          `json:"version" doc:"As long as it is the same, the merge does the same"`
}

// Merge is a merge that can be undone.
type Merge struct {
	ID    string        `json:"id"`
	From  exchange.User `json:"from" doc:"The user as it was"`
	Into  string        `json:"into"`
	Links int           `json:"links" doc:"How many links were moved"`
	Time  time.Time     `json:"time"`
	Until time.Time     `json:"until" doc:"Until when it can be undone; then its record is deleted"`
	By    string        `json:"by,omitempty"`
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
	if m.Links, m.rows, err = s.linkRows(ctx, fromID); err != nil {
		return m, fmt.Errorf("links of user %q: %w", fromID, err)
	}
	if err := s.roomFor(ctx, intoID, len(m.rows)); err != nil {
		return m, err
	}
	m.From, m.Into = m.from.Value.User, m.into.Value.User
	text, err := json.Marshal([]any{m.from.Value, m.into.Value, m.Links})
	sum := sha256.Sum256(text)
	m.Version = hex.EncodeToString(sum[:16])
	return m, err
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
	return Merge{id, m.From.User, m.Into, len(m.Links), m.Time, m.Time.Add(UndoWithin), m.By}
}

// Merges returns the merges that led to a user, directly or through users that
// were merged into it, in the order in which they were made; those of all users
// if userID is empty. They are few: operators make them, and they are swept.
func (s *Store) Merges(ctx context.Context, userID string, now time.Time) ([]Merge, error) {
	rows, err := s.mergeRows(ctx, userID)
	out := []Merge{}
	for _, row := range rows {
		if undoable(row.Value, now) {
			out = append(out, mergeOf(row.Key, row.Value))
		}
	}
	return out, err
}

// mergeRows returns the records of Merges. Each user was merged away once at most,
// so the merges form a forest, and those that led to a user are its subtree.
//
// A corrupt record is left out: it cannot be undone, is removed by the sweep, and
// must not keep a user from being deleted.
func (s *Store) mergeRows(ctx context.Context, userID string) (all []storage.Row[mergeRecord], err error) {
	for row, err := range s.merges.Scan(ctx, "", "", 0) {
		if row.Key != "" && errors.Is(err, storage.ErrCorrupt) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading merges: %w", err)
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

// MergedFrom returns the merge that removed a user, or storage.ErrNotFound.
func (s *Store) MergedFrom(ctx context.Context, userID string) (Merge, error) {
	rows, err := s.mergeRows(ctx, "")
	for _, row := range rows {
		if row.Value.From.ID == userID {
			return mergeOf(row.Key, row.Value), nil
		}
	}
	if err == nil {
		err = storage.ErrNotFound
	}
	return Merge{}, fmt.Errorf("merge of user %q: %w", userID, err)
}

// SweepMerges deletes the records of merges that can no longer be undone, in
// commits of at most batch, and returns how many there were.
func (s *Store) SweepMerges(ctx context.Context, now time.Time, batch int) (int, error) {
	return s.merges.Sweep(ctx, storage.NewID(now.Add(-UndoWithin)), batch)
}

func undoable(m mergeRecord, now time.Time) bool { return now.Before(m.Time.Add(UndoWithin)) }

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
