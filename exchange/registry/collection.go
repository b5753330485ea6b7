package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"cambio/exchange"
	"cambio/storage"
)

// The entries of a Snapshot.
type (
	issuer     = entry[issuerRecord, exchange.CompiledIssuer]
	client     = entry[clientRecord, exchange.CompiledClient]
	detailType = entry[detailRecord, exchange.DetailKind]
)

// entry is a record and, once it was needed, what was compiled from it. Compiling
// an issuer's expressions takes about as long as a few exchanges: with ten
// thousand issuers, too long to wait for at start.
type entry[R record, C any] struct {
	record  R
	compile func(*R) (*C, []exchange.Problem)

	mu       sync.Mutex // held while compiling
	compiled atomic.Pointer[compiled[C]]
}

// compiled is the result of compiling a registration. The value of one that was
// removed or has problems is nil, so it cannot be used.
type compiled[C any] struct {
	value    *C
	problems []exchange.Problem
}

func (e *entry[R, C]) active() bool { return e != nil && e.record.active() }

// value returns what was compiled from the entry, nil if it cannot be used. The
// first call compiles it.
func (e *entry[R, C]) value() *C {
	if e == nil {
		return nil
	}
	return e.result().value
}

func (e *entry[R, C]) result() *compiled[C] {
	if c := e.compiled.Load(); c != nil {
		return c
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.compiled.Load() == nil {
		c := &compiled[C]{}
		if e.record.active() {
			c.value, c.problems = e.compile(&e.record)
		}
		e.compiled.Store(c)
	}
	return e.compiled.Load()
}

// problems compiles the entry and returns its problems.
func (e *entry[R, C]) problems() []exchange.Problem { return e.result().problems }

// known returns the result of compiling the entry, the zero one if no request has
// needed it so far.
func (e *entry[R, C]) known() (c compiled[C]) {
	if e != nil && e.compiled.Load() != nil {
		c = *e.compiled.Load()
	}
	return c
}

// retire returns what was compiled from the entry so far. It will not be compiled
// any more: a request that still has an older Snapshot finds it unusable.
func (e *entry[R, C]) retire() *C {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.compiled.CompareAndSwap(nil, &compiled[C]{})
	return e.compiled.Load().value
}

// collection is the registrations of one kind: where they are stored and how they
// are compiled.
type collection[R record, C any] struct {
	kind    Kind
	table   storage.Table[R]
	entries func(*Snapshot) *map[string]*entry[R, C]
	compile func(*R) (*C, []exchange.Problem)
	// shown returns the registration of r for a diff, with placeholders in place of
	// secrets, which differ if the secret differs from that in other.
	shown func(r, other R) any
}

func (k collection[R, C]) entry(r R) *entry[R, C] {
	return &entry[R, C]{record: r, compile: k.compile}
}

// load reads the store's records into next. Those that did not change since
// current are the same entries.
func (k collection[R, C]) load(ctx context.Context, current, next *Snapshot) error {
	loaded := map[string]*entry[R, C]{}
	for row, err := range k.table.Scan(ctx, "", "", 0) {
		if err != nil {
			return fmt.Errorf("reading %ss: %w", k.kind, err)
		}
		e := (*k.entries(current))[row.Key]
		if e == nil || e.record.written() != row.Value.written() {
			e = k.entry(row.Value)
		}
		loaded[row.Key] = e
	}
	*k.entries(next) = loaded
	return nil
}

// writes returns the writes that turn before into after. The revision record
// guards them, so they need no conditions of their own.
func (k collection[R, C]) writes(before, after *Snapshot) ([]storage.Write, error) {
	var out []storage.Write
	old, next := *k.entries(before), *k.entries(after)
	for id, e := range next {
		if old[id] != e {
			w, err := k.table.Put(id, e.record)
			if err != nil {
				return nil, err
			}
			out = append(out, w)
		}
	}
	for id := range old {
		if next[id] == nil {
			out = append(out, k.table.Remove(id))
		}
	}
	return out, nil
}

// faults returns the known faults of the entries of one kind.
func faults[R record, C any](kind Kind, entries map[string]*entry[R, C]) (out []Fault) {
	for _, id := range sortedKeys(entries) {
		if problems := entries[id].known().problems; len(problems) > 0 {
			out = append(out, Fault{kind, id, problems})
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// compileIssuer compiles an issuer with its secrets in plain. The CompiledIssuer
// refers to the record, in which they are sealed.
func (r *Registry) compileIssuer(record *issuerRecord) (*exchange.CompiledIssuer, []exchange.Problem) {
	plain, problems := r.unsealed(record.Issuer)
	if len(problems) > 0 {
		return nil, problems
	}
	c, problems := r.cfg.CompileIssuer(plain)
	if c != nil {
		c.Issuer = &record.Issuer
	}
	return c, problems
}

func (r *Registry) compileClient(record *clientRecord) (*exchange.CompiledClient, []exchange.Problem) {
	c, problems := r.cfg.CompileClient(record.Client)
	if c == nil {
		return nil, problems
	}
	c = c.WithClient(&record.Client)
	for _, s := range webhookSecrets(record.Client) {
		_, c.WebhookSecret = r.webhookSecrets(record.Client.ID, record.Client).find(s.ID)
		if len(c.WebhookSecret) == 0 {
			closeKeys(c.Keys)
			return nil, []exchange.Problem{{Path: "checkout.webhook.secret", Message: "the stored secret cannot be unsealed"}}
		}
	}
	return c, nil
}

func (r *Registry) compileDetail(record *detailRecord) (*exchange.DetailKind, []exchange.Problem) {
	c, problems := r.cfg.CompileDetail(record.Type)
	if c != nil {
		c.Type = &record.Type
	}
	return c, problems
}

func closeKeys(k exchange.KeySet) {
	if k != nil {
		k.Close()
	}
}

// Warm compiles the issuers that no request has needed so far, one after the
// other, so that no request has to. It returns when that is done or ctx ends.
func (r *Registry) Warm(ctx context.Context) {
	for _, i := range r.Snapshot().issuers {
		if ctx.Err() != nil {
			return
		}
		i.value()
	}
}
