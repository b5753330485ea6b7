package registry

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// detailType is a record and what was compiled of it: there are few types, and
// compiling one takes about as long as a signature.
type detailType struct {
	record   detailRecord
	kind     *exchange.DetailKind // nil when it does not compile
	problems []exchange.Problem
}

// compileDetail makes a type ready.
func (r *Registry) compileDetail(t *detailType) {
	if r.cfg.CompileDetail == nil {
		t.problems = []exchange.Problem{{Path: "schema", Message: "this server knows no schemas"}}
		return
	}
	t.kind, t.problems = r.cfg.CompileDetail(t.record.Type)
	if t.kind != nil {
		t.kind.Type = &t.record.Type
	}
}

// DetailType is a registered type of authorization_details, nil if there is
// none that can be used.
func (s *Snapshot) DetailType(name string) *exchange.DetailKind {
	if t := s.types[name]; t != nil {
		return t.kind
	}
	return nil
}

// DetailTypes are the types that some client may ask for, sorted (RFC 9396 §10).
func (s *Snapshot) DetailTypes() []string { return s.asked }

// askedTypes is what some client may ask for.
func (s *Snapshot) askedTypes() []string {
	var out []string
	for _, c := range s.clients {
		if c.party == nil {
			continue
		}
		for _, name := range c.record.Client.DetailTypes {
			if name == exchange.DetailCheckout || s.DetailType(name) != nil {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readDetails fills next with the store's types. Those that did not change
// since the current Snapshot are the same entries.
func (r *Registry) readDetails(ctx context.Context, next *Snapshot) error {
	current := r.Snapshot()
	next.types = map[string]*detailType{}
	for row, err := range r.tables.types.Scan(ctx, "", "", 0) {
		if err != nil {
			return fmt.Errorf("reading types of authorization details: %w", err)
		}
		next.types[row.Key] = &detailType{record: row.Value}
		if t := current.types[row.Key]; t != nil && t.record.Revision == row.Value.Revision {
			next.types[row.Key] = t
		}
	}
	for name, t := range next.types {
		if current.types[name] != t {
			r.compileDetail(t)
		}
	}
	return nil
}

// detailType puts a declared type into the draft unless that is what is there.
func (p *planner) detailType(path string, declared exchange.DetailType) {
	if p.wrong(path) {
		return
	}
	var stored exchange.DetailType
	old := p.before.types[declared.Type]
	if old != nil {
		stored = old.record.Type
	}
	if old != nil && sameJSON(stored, declared) && len(old.problems) == 0 {
		p.plan = append(p.plan, Change{Action: Unchanged, Kind: KindDetailType, ID: declared.Type})
		return
	}
	change := Change{Action: Add, Kind: KindDetailType, ID: declared.Type, Diff: diff(leaves(stored), leaves(declared))}
	if old != nil {
		change.Action = Edit
	}
	entry := &detailType{record: detailRecord{Revision: p.draft.revision, Type: declared}}
	p.compile = append(p.compile, func() { p.compileDetail(entry) })
	p.found = append(p.found, func() { p.note(path, entry.problems) })
	p.draft.types[declared.Type] = entry
	p.plan = append(p.plan, change)
}

// removeDetails takes the types that are not declared out of the draft.
func (p *planner) removeDetails() {
	for _, name := range ids(p.before.types) {
		if !p.declared[KindDetailType][name] {
			gone := p.before.types[name].record.Type
			delete(p.draft.types, name)
			p.plan = append(p.plan, Change{Action: Remove, Kind: KindDetailType, ID: name, Diff: diff(leaves(gone), nil)})
		}
	}
}

// checkDetails finds clients that name types which will not be registered.
func (p *planner) checkDetails(path string, c exchange.Client) {
	for k, name := range c.DetailTypes {
		stays := p.before.types[name] != nil && !p.prune
		if name != exchange.DetailCheckout && !stays && !p.declared[KindDetailType][name] {
			p.add(fmt.Sprintf("%s.detailTypes[%d]", path, k), "no detail type is called %s", exchange.Quote(name))
		}
	}
}

// RemoveDetailType takes a type of authorization_details away;
// storage.ErrNotFound if it is not registered. Clients that name it keep its
// name, which lets them ask for nothing.
func (r *Registry) RemoveDetailType(ctx context.Context, name string, now time.Time) error {
	return r.change(ctx, now, func(draft *Snapshot) ([]storage.Write, error) {
		if draft.types[name] == nil {
			return nil, fmt.Errorf("detail type %s: %w", exchange.Quote(name), storage.ErrNotFound)
		}
		delete(draft.types, name)
		return nil, nil
	})
}
