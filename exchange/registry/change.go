package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"cambio/exchange"
	"cambio/storage"
)

// revision reads the revision record; the zero Row if nothing was ever
// registered.
func (r *Registry) revision(ctx context.Context) (storage.Row[revision], error) {
	row, err := r.tables.revisions.Get(ctx, revisionKey)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Row[revision]{}, nil
	}
	if err != nil {
		return row, fmt.Errorf("reading the registry's revision: %w", err)
	}
	return row, nil
}

// reload brings the current Snapshot to the store's revision and returns its
// record. A scan is not of one moment, so what was read counts only if the
// revision is the same before and after.
func (r *Registry) reload(ctx context.Context) (storage.Row[revision], error) {
	row, err := r.revision(ctx)
	for err == nil && row.Value.Number != r.Snapshot().revision {
		next := &Snapshot{revision: row.Value.Number}
		if err = r.read(ctx, next); err != nil {
			return row, err
		}
		read := row.Value.Number
		if row, err = r.revision(ctx); err == nil && row.Value.Number == read {
			r.compileClients(next)
			r.swap(next.index())
		}
	}
	return row, err
}

// read fills next with the store's records. Those that did not change since
// the current Snapshot are the same entries.
func (r *Registry) read(ctx context.Context, next *Snapshot) error {
	current := r.Snapshot()
	next.issuers = map[string]*issuer{}
	for row, err := range r.tables.issuers.Scan(ctx, "", "", 0) {
		if err != nil {
			return fmt.Errorf("reading issuers: %w", err)
		}
		next.issuers[row.Key] = r.newIssuer(row.Value)
		if i := current.issuers[row.Key]; i != nil && i.record.Revision == row.Value.Revision {
			next.issuers[row.Key] = i
		}
	}
	next.clients = map[string]*client{}
	for row, err := range r.tables.clients.Scan(ctx, "", "", 0) {
		if err != nil {
			return fmt.Errorf("reading clients: %w", err)
		}
		next.clients[row.Key] = &client{record: row.Value}
		if c := current.clients[row.Key]; c != nil && c.record.Revision == row.Value.Revision {
			next.clients[row.Key] = c
		}
	}
	return r.readDetails(ctx, next)
}

// compileClients makes the clients ready that are not in the current Snapshot.
// There is little to a client but, at times, a few keys to parse.
func (r *Registry) compileClients(next *Snapshot) {
	current := r.Snapshot()
	for id, c := range next.clients {
		if current.clients[id] != c {
			r.compileClient(c)
		}
	}
}

func (r *Registry) compileClient(c *client) {
	party, problems := r.cfg.CompileClient(c.record.Client)
	if len(problems) > 0 {
		c.problems = problems
		if party != nil {
			closeKeys(party.Keys)
		}
		return
	}
	c.compiled = party
	ready := party.WithClient(&c.record.Client)
	ready.WebhookSecret = r.webhookSecret(c.record.Client)
	if webhook(c.record.Client) != nil && len(ready.WebhookSecret) == 0 {
		closeKeys(party.Keys)
		c.compiled, c.problems = nil, []exchange.Problem{{Path: "checkout.webhook.secret", Message: "the stored secret cannot be unsealed"}}
		return
	}
	c.party = ready
}

// Warm makes ready what nobody needed so far, one issuer after the other, so
// that no request has to. It returns when that is done or ctx ends.
func (r *Registry) Warm(ctx context.Context) {
	for _, i := range r.Snapshot().issuers {
		if ctx.Err() != nil {
			return
		}
		i.ready()
	}
}

// together calls all functions and uses all processors.
func together(work []func()) {
	var wg sync.WaitGroup
	each := 1 + len(work)/runtime.GOMAXPROCS(0)
	for part := range slices.Chunk(work, each) {
		wg.Go(func() {
			for _, f := range part {
				f()
			}
		})
	}
	wg.Wait()
}

// ids are the keys of a map in order.
func ids[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
