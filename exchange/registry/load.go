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
			r.compile(next)
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
		next.issuers[row.Key] = &issuer{record: row.Value}
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
	return nil
}

// compile makes the entries ready that are not in the current Snapshot. CEL
// programs take long to compile, so all processors do.
func (r *Registry) compile(next *Snapshot) {
	current := r.Snapshot()
	var work []func()
	for id, i := range next.issuers {
		if current.issuers[id] != i {
			work = append(work, func() { r.compileIssuer(i) })
		}
	}
	for id, c := range next.clients {
		if current.clients[id] != c {
			work = append(work, func() { r.compileClient(c) })
		}
	}
	if len(work) == 0 {
		return
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(work, 1+(len(work)-1)/runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for _, f := range part {
				f()
			}
		})
	}
	wg.Wait()
}

// compileIssuer makes an entry ready. The secrets are plain only in what the
// compiler gets; the Trust shows the record.
func (r *Registry) compileIssuer(i *issuer) {
	if !i.registered() {
		return
	}
	plain, problems := r.unsealed(i.record.Issuer)
	if len(problems) > 0 {
		i.problems = problems
		return
	}
	i.trust, i.problems = r.cfg.CompileIssuer(plain)
	if len(i.problems) > 0 && i.trust != nil {
		closeKeys(i.trust.Keys)
		i.trust = nil
	}
	if i.trust != nil {
		i.trust.Issuer = &i.record.Issuer
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
	c.party = &exchange.Party{Client: &c.record.Client, Keys: party.Keys}
}

func closeKeys(k exchange.KeySet) {
	if k != nil {
		k.Close()
	}
}

// ids are the keys of a map in order.
func ids[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
