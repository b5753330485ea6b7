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

// Plan says what applying m would change, or lists all problems of m. Paths of
// problems are those of the manifest: $.clients[2].issuers[0].
//
// With prune, issuers and clients that m does not declare are removed.
func (r *Registry) Plan(ctx context.Context, m exchange.Manifest, prune bool, now time.Time) (Plan, []exchange.Problem, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.reload(ctx); err != nil {
		return nil, nil, err
	}
	draft := r.Snapshot().draft()
	defer draft.release(r.Snapshot())
	return r.planned(draft, m, prune, now)
}

// Apply makes the registry what m declares, in one commit, and says what that
// changed: all of m or, with any problem or error, nothing. Applying m again
// changes nothing and commits nothing.
//
// A secret shared with an issuer may be declared by its ID alone and then
// keeps its value; clients keep the secrets that were made for them. An issuer
// that was removed comes back with its users when it is declared with the URL
// it had; with another it is a problem.
//
// If also is not nil, the writes it returns are part of the commit; it ends
// the sessions of what the plan removes and withdraws. It may be called again
// when another process changed the registry meanwhile.
func (r *Registry) Apply(ctx context.Context, m exchange.Manifest, prune bool, now time.Time, also func(Plan) ([]storage.Write, error)) (Plan, []exchange.Problem, error) {
	var plan Plan
	var problems []exchange.Problem
	err := r.change(ctx, now, func(draft *Snapshot) (writes []storage.Write, err error) {
		plan, problems, err = r.planned(draft, m, prune, now)
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

// RemoveIssuer takes an issuer away, in one commit with writes; storage.ErrNotFound
// if it is not registered. Clients that name it keep its name, which lets
// nobody in. Its users and links stay, and its ID stays bound to its URL.
func (r *Registry) RemoveIssuer(ctx context.Context, id string, now time.Time, writes ...storage.Write) error {
	return r.change(ctx, now, func(draft *Snapshot) ([]storage.Write, error) {
		i := draft.issuers[id]
		if !i.registered() {
			return nil, fmt.Errorf("issuer %q: %w", id, storage.ErrNotFound)
		}
		draft.issuers[id] = r.removed(i, draft.revision, now)
		return writes, nil
	})
}

// RemoveClient takes a client and its secrets away, in one commit with writes;
// storage.ErrNotFound if it is not registered.
func (r *Registry) RemoveClient(ctx context.Context, id string, now time.Time, writes ...storage.Write) error {
	return r.change(ctx, now, func(draft *Snapshot) ([]storage.Write, error) {
		if draft.clients[id] == nil {
			return nil, fmt.Errorf("client %q: %w", id, storage.ErrNotFound)
		}
		delete(draft.clients, id)
		return writes, nil
	})
}
