package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/exchange/registration"
)

// Action names how applying a manifest affects a registration.
type Action string

// The actions.
const (
	Add       Action = "add"
	Edit      Action = "change"
	Remove    Action = "remove"
	Unchanged Action = "unchanged"
)

// Kind is a kind of registration.
type Kind string

// The kinds.
const (
	KindIssuer Kind = "issuer"
	KindClient Kind = "client"
	// KindDetailType is a type of authorization_details.
	KindDetailType Kind = "detail-type"
)

// Change describes how a registration is changed. The admin API returns it.
type Change struct {
	Action Action `json:"action" enum:"add,change,remove,unchanged"`
	Kind   Kind   `json:"kind" enum:"issuer,client,detail-type"`
	ID     string `json:"id"`
	// Diff has a line for each field that differs: "+ path: new", "- path: old" or
	// "~ path: old → new". Of secrets it says only that they differ.
	Diff []string `json:"diff,omitempty" doc:"One line for each field that differs, without secrets"`
	// RevokedKeys are the keys of an issuer that a change removes or revokes: IDs
	// of shared secrets, and thumbprints. Sessions that they proved should end.
	RevokedKeys []string `json:"-"`
}

// Plan is the changes in the order of the manifest, then the removals.
type Plan []Change

// Changes reports whether applying the plan changes anything.
func (p Plan) Changes() bool {
	return slices.ContainsFunc(p, func(c Change) bool { return c.Action != Unchanged })
}

// RemovesMost returns the first kind of which the plan removes more than half of the
// registrations, issuers or clients, and how many; the empty Kind if there is none.
func (p Plan) RemovesMost() (kind Kind, removed, registered int) {
	for _, kind := range []Kind{KindIssuer, KindClient} {
		removed, registered := 0, 0
		for _, c := range p {
			if c.Kind != kind || c.Action == Add {
				continue
			}
			registered++
			if c.Action == Remove {
				removed++
			}
		}
		if 2*removed > registered {
			return kind, removed, registered
		}
	}
	return "", 0, 0
}

// planner turns a draft of the current registrations into what a manifest
// declares.
type planner struct {
	*Registry
	exchange.Problems
	before, draft *Snapshot
	prune         bool
	now           time.Time

	declared map[Kind]map[string]bool // kind → ID → declared
	added    []addition
	changes  Plan
}

// addition is a new entry of the draft, declared at path.
type addition struct {
	path     string
	problems func() []exchange.Problem // compiles the entry
}

// plan edits draft into what m declares. With problems, the draft must be
// released.
func (r *Registry) plan(draft *Snapshot, m exchange.Manifest, prune bool, now time.Time) (Plan, []exchange.Problem, error) {
	p := &planner{Registry: r, before: r.Snapshot(), draft: draft, prune: prune, now: now}
	m = p.complete(m)
	p.Problems = registration.Lint(&m)
	p.checkIssuers(m.Issuers)
	p.checkClients(m.Clients)
	for n, i := range m.Issuers {
		if err := p.issuer(fmt.Sprintf("$.issuers[%d]", n), i); err != nil {
			return nil, nil, err
		}
	}
	for n, c := range m.Clients {
		if err := p.client(fmt.Sprintf("$.clients[%d]", n), c); err != nil {
			return nil, nil, err
		}
	}
	for n, t := range m.DetailTypes {
		declare(p, p.types, fmt.Sprintf("$.detailTypes[%d]", n), t.Type, detailRecord{stamp{draft.revision}, t})
	}
	if prune {
		removeUndeclared(p, p.issuers)
		removeUndeclared(p, p.clients)
		removeUndeclared(p, p.types)
	}
	p.compileAdded()
	if len(p.Problems) > 0 {
		return nil, p.Problems, nil
	}
	return p.changes, nil, nil
}

// complete fills in the secrets that a manifest may leave to what is stored. The
// caller's own slices stay as they are.
func (p *planner) complete(m exchange.Manifest) exchange.Manifest {
	p.declared = map[Kind]map[string]bool{KindIssuer: {}, KindClient: {}, KindDetailType: {}}
	m.Issuers, m.Clients = slices.Clone(m.Issuers), slices.Clone(m.Clients)
	for n, i := range m.Issuers {
		p.declared[KindIssuer][i.ID] = true
		m.Issuers[n].Keys = i.Keys.WithSecrets(p.issuerSecrets(i.ID, stored(p, p.issuers, i.ID).Issuer).complete)
	}
	for n, c := range m.Clients {
		p.declared[KindClient][c.ID] = true
		m.Clients[n] = withWebhookSecrets(c, p.webhookSecrets(c.ID, stored(p, p.clients, c.ID).Client).complete(webhookSecrets(c)))
	}
	for _, t := range m.DetailTypes {
		p.declared[KindDetailType][t.Type] = true
	}
	return m
}

// stored returns a registered record, the zero one if there is none.
func stored[R record, C any](p *planner, k collection[R, C], id string) (r R) {
	if e := (*k.entries(p.before))[id]; e.active() {
		r = e.record
	}
	return r
}

// issuer declares an issuer with plain secrets.
func (p *planner) issuer(path string, declared exchange.Issuer) error {
	stored := stored(p, p.issuers, declared.ID).Issuer
	secrets := p.issuerSecrets(declared.ID, stored)
	var failed error
	declared.Keys = declared.Keys.WithSecrets(func(list []exchange.SharedSecret) []exchange.SharedSecret {
		sealed, err := secrets.seal(list)
		failed = cmp.Or(failed, err)
		return sealed
	})
	if failed != nil {
		return failed
	}
	c := declare(p, p.issuers, path, declared.ID, issuerRecord{stamp{p.draft.revision}, declared, time.Time{}})
	if c != nil && c.Action == Edit {
		c.RevokedKeys = revokedKeys(stored, declared)
	}
	return nil
}

// client declares a client. Its secrets are not declared but generated: it keeps
// those it has as long as it authenticates by them, and gets back those that it had
// when it was removed.
func (p *planner) client(path string, declared exchange.Client) error {
	stored := stored(p, p.clients, declared.ID).Client
	secrets, err := p.webhookSecrets(declared.ID, stored).seal(webhookSecrets(declared))
	if err != nil {
		return err
	}
	declared = withWebhookSecrets(declared, secrets)
	declared.Secrets = nil
	if declared.Auth.BySecret() {
		declared.Secrets = stored.Secrets
		if !p.before.clients[declared.ID].active() {
			declared.Secrets = p.before.keptSecrets(declared.ID, p.now)
		}
	}
	declare(p, p.clients, path, declared.ID, clientRecord{stamp{p.draft.revision}, declared, time.Time{}})
	return nil
}

// declare puts a record into the draft unless an equal one is registered, and
// returns the change; nil if a problem at path is known, which compiling the
// record would only report again.
func declare[R record, C any](p *planner, k collection[R, C], path, id string, next R) *Change {
	if slices.ContainsFunc(p.Problems, func(q exchange.Problem) bool { return strings.HasPrefix(q.Path, path) }) {
		return nil
	}
	var none R
	before := stored(p, k, id)
	was, now := k.shown(before, none), k.shown(next, before)
	change := Change{Action: Add, Kind: k.kind, ID: id}
	if old := (*k.entries(p.before))[id]; old.active() {
		change.Action = Edit
		if sameJSON(was, now) && len(old.known().problems) == 0 {
			change.Action = Unchanged
		}
	}
	if change.Action != Unchanged {
		change.Diff = diff(was, now)
		e := k.entry(next)
		(*k.entries(p.draft))[id] = e
		p.added = append(p.added, addition{path, e.problems})
	}
	p.changes = append(p.changes, change)
	return &p.changes[len(p.changes)-1]
}

// removeUndeclared removes what is not declared from the draft.
func removeUndeclared[R record, C any](p *planner, k collection[R, C]) {
	entries := *k.entries(p.before)
	for _, id := range sortedKeys(entries) {
		if e := entries[id]; e.active() && !p.declared[k.kind][id] {
			var none R
			p.remove(p.draft, k.kind, id, p.now)
			p.changes = append(p.changes, Change{Action: Remove, Kind: k.kind, ID: id, Diff: diff(k.shown(e.record, none), k.shown(none, e.record))})
		}
	}
}

// compileAdded compiles the new entries on all processors and adds their problems.
func (p *planner) compileAdded() {
	var wg sync.WaitGroup
	for part := range slices.Chunk(p.added, 1+len(p.added)/runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for _, a := range part {
				a.problems()
			}
		})
	}
	wg.Wait()
	for _, a := range p.added {
		for _, q := range a.problems() {
			q.Path = member(a.path, q.Path)
			p.Problems = append(p.Problems, q)
		}
	}
}

// sameJSON compares registrations as they are stored: absent and empty lists are
// the same.
func sameJSON(a, b any) bool {
	x, xErr := json.Marshal(a)
	y, yErr := json.Marshal(b)
	return xErr == nil && yErr == nil && bytes.Equal(x, y)
}
