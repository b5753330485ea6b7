package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cambio/exchange"
)

// Action is what applying a manifest does to a registration.
type Action string

// The actions.
const (
	Add       Action = "add"
	Edit      Action = "change"
	Remove    Action = "remove"
	Unchanged Action = "unchanged"
)

// Kind is what a registration is of.
type Kind string

// The kinds.
const (
	KindIssuer Kind = "issuer"
	KindClient Kind = "client"
	// KindDetailType is a type of authorization_details.
	KindDetailType Kind = "detail-type"
)

// Change is what happens to one registration.
type Change struct {
	Action Action `json:"action"`
	Kind   Kind   `json:"kind"`
	ID     string `json:"id"`
	// Diff says it field by field: "+ path: new", "- path: old" or
	// "~ path: old → new". Secrets are not in it, only that they differ.
	Diff []string `json:"diff,omitempty"`
	// Revoked are keys of an issuer that a change of it takes away: shared
	// secrets and newly revoked thumbprints. What they proved should end.
	RevokedKeys []string `json:"withdrawn,omitempty"`
}

// Plan is the changes in the order of the manifest, then the removals.
type Plan []Change

// Changes says whether applying the plan changes anything.
func (p Plan) Changes() bool {
	for _, c := range p {
		if c.Action != Unchanged {
			return true
		}
	}
	return false
}

// planner turns a draft of what is registered into what a manifest declares.
type planner struct {
	*Registry
	before, draft *Snapshot
	prune         bool
	now           time.Time

	declared map[Kind]map[string]bool // kind → ID → declared
	plan     Plan
	problems []exchange.Problem
	compile  []func() // make an entry of the draft ready
	found    []func() // note the problems of that
}

// planned edits draft into what m declares. WithClient problems, the draft is of no
// use but to be released.
func (r *Registry) planned(draft *Snapshot, m exchange.Manifest, prune bool, now time.Time) (Plan, []exchange.Problem, error) {
	p := &planner{Registry: r, before: r.Snapshot(), draft: draft, prune: prune, now: now}
	m = p.complete(m)
	p.problems = append(p.problems, m.Validate()...)
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
		p.detailType(fmt.Sprintf("$.detailTypes[%d]", n), t)
	}
	p.removals()
	together(p.compile)
	for _, note := range p.found {
		note()
	}
	if len(p.problems) > 0 {
		return nil, p.problems, nil
	}
	return p.plan, nil, nil
}

// complete fills in what a manifest may leave to what is stored. The caller's
// own slices stay as they are.
func (p *planner) complete(m exchange.Manifest) exchange.Manifest {
	p.declared = map[Kind]map[string]bool{KindIssuer: {}, KindClient: {}, KindDetailType: {}}
	issuers := make([]exchange.Issuer, len(m.Issuers))
	for n, i := range m.Issuers {
		p.declared[KindIssuer][i.ID] = true
		issuers[n] = p.completed(i, p.storedIssuer(i.ID))
	}
	clients := make([]exchange.Client, len(m.Clients))
	for n, c := range m.Clients {
		p.declared[KindClient][c.ID] = true
		clients[n] = p.completedClient(c, p.storedClient(c.ID))
	}
	for _, t := range m.DetailTypes {
		p.declared[KindDetailType][t.Type] = true
	}
	m.Issuers, m.Clients = issuers, clients
	return m
}

func (p *planner) storedIssuer(id string) exchange.Issuer {
	if i := p.before.issuers[id]; i.registered() {
		return i.record.Issuer
	}
	return exchange.Issuer{}
}

func (p *planner) storedClient(id string) exchange.Client {
	if c := p.before.clients[id]; c != nil {
		return c.record.Client
	}
	return exchange.Client{}
}

// issuer puts a declared issuer into the draft unless that is what is there.
func (p *planner) issuer(path string, declared exchange.Issuer) error {
	if p.wrong(path) {
		return nil
	}
	old, stored := p.before.issuers[declared.ID], p.storedIssuer(declared.ID)
	kept, err := p.sealed(declared, stored)
	if err != nil {
		return err
	}
	if old.registered() && sameJSON(stored, kept) && len(old.faults()) == 0 {
		p.plan = append(p.plan, Change{Action: Unchanged, Kind: KindIssuer, ID: kept.ID})
		return nil
	}
	change := Change{Action: Add, Kind: KindIssuer, ID: kept.ID, Diff: issuerDiff(stored, kept)}
	if old.registered() {
		change.Action, change.RevokedKeys = Edit, withdrawn(stored, kept)
	}
	entry := p.newIssuer(issuerRecord{Revision: p.draft.revision, Issuer: kept})
	p.compile = append(p.compile, func() { entry.ready() })
	p.found = append(p.found, func() { p.note(path, entry.faults()) })
	p.draft.issuers[kept.ID] = entry
	p.plan = append(p.plan, change)
	return nil
}

// client does the same for a declared client. Its secrets are not declared but
// made: it keeps those it has for as long as it authenticates by them.
func (p *planner) client(path string, declared exchange.Client) error {
	if p.wrong(path) {
		return nil
	}
	old, stored := p.before.clients[declared.ID], p.storedClient(declared.ID)
	declared, err := p.sealedClient(declared, stored)
	if err != nil {
		return err
	}
	declared.Secrets = nil
	if bySecret(declared) {
		declared.Secrets = stored.Secrets
	}
	if old != nil && sameJSON(stored, declared) && len(old.problems) == 0 {
		p.plan = append(p.plan, Change{Action: Unchanged, Kind: KindClient, ID: declared.ID})
		return nil
	}
	change := Change{Action: Add, Kind: KindClient, ID: declared.ID, Diff: clientDiff(stored, declared)}
	if old != nil {
		change.Action = Edit
	}
	entry := &client{record: clientRecord{Revision: p.draft.revision, Client: declared}}
	p.compile = append(p.compile, func() { p.compileClient(entry) })
	p.found = append(p.found, func() { p.note(path, entry.problems) })
	p.draft.clients[declared.ID] = entry
	p.plan = append(p.plan, change)
	return nil
}

// removals takes what is not declared out of the draft.
func (p *planner) removals() {
	if !p.prune {
		return
	}
	for _, id := range ids(p.before.issuers) {
		if i := p.before.issuers[id]; i.registered() && !p.declared[KindIssuer][id] {
			p.draft.issuers[id] = p.removed(i, p.draft.revision, p.now)
			p.plan = append(p.plan, Change{Action: Remove, Kind: KindIssuer, ID: id, Diff: issuerDiff(i.record.Issuer, exchange.Issuer{})})
		}
	}
	for _, id := range ids(p.before.clients) {
		if !p.declared[KindClient][id] {
			c := p.before.clients[id].record.Client
			delete(p.draft.clients, id)
			p.plan = append(p.plan, Change{Action: Remove, Kind: KindClient, ID: id, Diff: clientDiff(c, exchange.Client{})})
		}
	}
	p.removeDetails()
}

// removed is what stays of an issuer: the binding of its ID to its URL.
func (r *Registry) removed(i *issuer, revision uint64, now time.Time) *issuer {
	gone := exchange.Issuer{ID: i.record.Issuer.ID, URL: i.record.Issuer.URL}
	return r.newIssuer(issuerRecord{Revision: revision, Issuer: gone, Removed: now.UTC()})
}

// wrong says whether a problem at or below path is known: what is compiled
// there would only say it again.
func (p *planner) wrong(path string) bool {
	for _, q := range p.problems {
		if strings.HasPrefix(q.Path, path) {
			return true
		}
	}
	return false
}

// note adds problems whose paths are relative to path.
func (p *planner) note(path string, problems []exchange.Problem) {
	for _, q := range problems {
		if q.Path == "" {
			q.Path = path
		} else {
			q.Path = path + "." + q.Path
		}
		p.problems = append(p.problems, q)
	}
}

// sameJSON compares as it is stored: absent and empty lists are the same.
func sameJSON(a, b any) bool {
	x, xErr := json.Marshal(a)
	y, yErr := json.Marshal(b)
	return xErr == nil && yErr == nil && bytes.Equal(x, y)
}
