package registry

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"cambio/storage"
)

// change edits a draft of the current state and commits the difference in one
// commit, which holds only if the revision is still the one that the draft was
// made from; otherwise it edits again. An edit that fails or changes nothing
// commits nothing. The writes that edit returns are part of the commit.
func (r *Registry) change(ctx context.Context, now time.Time, edit func(*Snapshot) ([]storage.Write, error)) error {
	const attempts = 32 // another process may be faster
	r.mu.Lock()
	defer r.mu.Unlock()
	return storage.Retry(ctx, attempts, func() error {
		row, err := r.reload(ctx)
		if err != nil {
			return err
		}
		before := r.Snapshot()
		draft := before.draft()
		draft.forgetRemoved(now)
		writes, err := edit(draft)
		if err == nil {
			writes, err = r.writes(row, before, draft, now, writes)
		}
		if err == nil && len(writes) > 0 {
			// The outcome counts even if ctx ends: the Snapshot must not differ from the store.
			if err = r.engine.Commit(context.WithoutCancel(ctx), writes...); err == nil {
				r.swap(draft.index())
				return nil
			}
			err = fmt.Errorf("writing the registry: %w", err)
		}
		draft.release(before)
		return err
	})
}

// writes returns the writes that turn before into after, together with more; none
// if both are the same.
func (r *Registry) writes(row storage.Row[revision], before, after *Snapshot, now time.Time, more []storage.Write) ([]storage.Write, error) {
	issuers, issuersErr := r.issuers.writes(before, after)
	clients, clientsErr := r.clients.writes(before, after)
	types, typesErr := r.types.writes(before, after)
	changed := slices.Concat(issuers, clients, types)
	if err := errors.Join(issuersErr, clientsErr, typesErr); err != nil || len(changed) == 0 {
		return nil, err
	}
	next := revision{Number: after.revision, Changed: now.UTC()}
	w, err := r.revisions.Replace(row, next)
	if row.Key == "" { // nothing was ever registered
		w, err = r.revisions.Insert(revisionKey, next)
	}
	return slices.Concat(changed, []storage.Write{w}, r.forgetUses(before, after), more), err
}

// swap puts next in place. The keys that it does not use are closed only when
// new requests already see it.
func (r *Registry) swap(next *Snapshot) {
	before := r.current.Swap(next)
	for _, f := range r.onChange {
		f()
	}
	before.release(next)
}

// revision reads the revision record; it returns the zero Row if nothing was ever
// registered.
func (r *Registry) revision(ctx context.Context) (storage.Row[revision], error) {
	row, err := r.revisions.Get(ctx, revisionKey)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Row[revision]{}, nil
	}
	if err != nil {
		return row, fmt.Errorf("reading the registry's revision: %w", err)
	}
	return row, nil
}

// reload brings the current Snapshot to the store's revision and returns its
// record. A scan is not atomic, so what was read is used only if the revision is
// the same before and after.
func (r *Registry) reload(ctx context.Context) (storage.Row[revision], error) {
	row, err := r.revision(ctx)
	for err == nil && row.Value.Number != r.Snapshot().revision {
		current, next := r.Snapshot(), &Snapshot{revision: row.Value.Number}
		for _, load := range []func(context.Context, *Snapshot, *Snapshot) error{r.issuers.load, r.clients.load, r.types.load} {
			if err = load(ctx, current, next); err != nil {
				return row, err
			}
		}
		if row, err = r.revision(ctx); err == nil && row.Value.Number == next.revision {
			r.swap(next.index())
		}
	}
	return row, err
}

// scalars are the scalars of a JSON value by their paths.
type scalars struct {
	paths  []string // in the order of the value
	values map[string]string
}

func (s *scalars) add(path, value string) {
	s.paths, s.values[path] = append(s.paths, path), value
}

// diff returns how two registrations as they are shown differ: what was added or
// changed, then what was removed.
func diff(was, now any) []string {
	var out []string
	before, after := scalarsOf(was), scalarsOf(now)
	for _, path := range after.paths {
		value := brief(after.values[path])
		switch was, had := before.values[path]; {
		case !had:
			out = append(out, fmt.Sprintf("+ %s: %s", path, value))
		case was != after.values[path]:
			out = append(out, fmt.Sprintf("~ %s: %s → %s", path, brief(was), value))
		}
	}
	for _, path := range before.paths {
		if _, kept := after.values[path]; !kept {
			out = append(out, fmt.Sprintf("- %s: %s", path, brief(before.values[path])))
		}
	}
	return out
}

func scalarsOf(registration any) scalars {
	s := scalars{values: map[string]string{}}
	var tree any
	text, err := json.Marshal(registration)
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		s.add("registration", err.Error())
	}
	s.walk("", tree)
	return s
}

func (s *scalars) walk(path string, tree any) {
	switch t := tree.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(t)) {
			s.walk(member(path, k), t[k])
		}
	case []any:
		for n, v := range t {
			s.walk(fmt.Sprintf("%s[%d]", path, n), v)
		}
	case string:
		if path != "id" && t != "" { // the change has it
			s.add(path, strconv.Quote(t))
		}
	case nil:
	default:
		s.add(path, fmt.Sprint(t))
	}
}

// member returns the path of a member, where either may be empty.
func member(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// brief returns a value for one line: of a long one, such as a key set, the
// beginning and a hash.
func brief(value string) string {
	const longest, shown = 120, 60
	if len(value) <= longest {
		return value
	}
	return fmt.Sprintf("%.*s… (%d bytes, SHA-256 %x)", shown, value, len(value), sha256.Sum256([]byte(value)))
}
