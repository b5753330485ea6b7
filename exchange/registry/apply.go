package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// errProblems ends a change whose manifest has problems.
var errProblems = errors.New("the manifest has problems")

// Plan returns what applying m would change, or all problems of m, with paths in the
// manifest such as $.clients[2].issuers[0].
//
// With prune, registrations that m does not declare are removed.
func (r *Registry) Plan(ctx context.Context, m exchange.Manifest, prune bool, now time.Time) (Plan, []exchange.Problem, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.reload(ctx); err != nil {
		return nil, nil, err
	}
	draft := r.Snapshot().draft()
	defer draft.release(r.Snapshot())
	return r.plan(draft, m, prune, now)
}

// Apply registers what m declares, in one commit, and returns what that changed:
// all of m or, with any problem or error, nothing. Applying m again changes nothing
// and commits nothing.
//
// A secret shared with an issuer may be declared by its ID alone and then keeps its
// value; clients keep the secrets that were generated for them, also one that was
// removed less than 24 hours ago. A removed issuer
// that is declared again with its former URL has its former users; declaring it
// with another URL is a problem.
//
// If also is not nil, the writes it returns are part of the commit, such as those
// that revoke the sessions of what the plan removes. It may be called again when
// another process has changed the registry meanwhile.
func (r *Registry) Apply(ctx context.Context, m exchange.Manifest, prune bool, now time.Time, also func(Plan) ([]storage.Write, error)) (Plan, []exchange.Problem, error) {
	var plan Plan
	var problems []exchange.Problem
	err := r.change(ctx, now, func(draft *Snapshot) (writes []storage.Write, err error) {
		plan, problems, err = r.plan(draft, m, prune, now)
		switch {
		case err != nil:
			return nil, err
		case len(problems) > 0:
			return nil, errProblems
		case also == nil || !plan.Changes():
			return nil, nil
		}
		return also(plan)
	})
	if errors.Is(err, errProblems) {
		return nil, problems, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return plan, nil, nil
}

// Remove removes a registration, in one commit with writes; storage.ErrNotFound if
// there is none of the ID.
//
// Clients that name a removed issuer or detail type keep its name, which allows
// nothing. The users and links of a removed issuer stay, and its ID stays bound to
// its URL. The secrets of a removed client are invalid at once, and come back if it is
// registered again within 24 hours.
func (r *Registry) Remove(ctx context.Context, kind Kind, id string, now time.Time, writes ...storage.Write) error {
	return r.change(ctx, now, func(draft *Snapshot) ([]storage.Write, error) {
		if !draft.has(kind, id) {
			return nil, fmt.Errorf("%s %s: %w", kind, exchange.Quote(id), storage.ErrNotFound)
		}
		r.remove(draft, kind, id, now)
		return writes, nil
	})
}

// remove removes a registration from a draft. What stays of an issuer is the
// binding of its ID to its URL, and of a client, for a while, its secrets.
func (r *Registry) remove(draft *Snapshot, kind Kind, id string, now time.Time) {
	switch kind {
	case KindIssuer:
		bound := exchange.Issuer{ID: id, URL: draft.issuers[id].record.Issuer.URL}
		draft.issuers[id] = r.issuers.entry(issuerRecord{stamp{draft.revision}, bound, now.UTC()})
	case KindClient:
		c := draft.clients[id].record.Client
		kept := exchange.Client{ID: id, Auth: c.Auth, Secrets: c.Secrets}
		draft.clients[id] = r.clients.entry(clientRecord{stamp{draft.revision}, kept, now.UTC()})
	case KindDetailType:
		delete(draft.types, id)
	}
}

// has reports whether a registration exists.
func (s *Snapshot) has(kind Kind, id string) bool {
	switch kind {
	case KindIssuer:
		return s.issuers[id].active()
	case KindClient:
		return s.clients[id].active()
	}
	return s.types[id].active()
}
