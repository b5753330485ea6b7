package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Config is what a Registry needs of others. All fields are required.
type Config struct {
	// RecordKey makes the MAC of each record, at least 32 bytes.
	RecordKey []byte
	// SecretKey makes the MACs that are kept of client secrets, at least 32
	// bytes. Another key makes every client secret invalid.
	SecretKey []byte
	// Seal encrypts b, authenticated together with name; Unseal undoes it.
	Seal, Unseal func(name string, b []byte) ([]byte, error)
	// CompileIssuer makes an issuer ready and lists all that is wrong with it,
	// with paths relative to it. The shared secrets it gets are plain. It is
	// called for each issuer that is applied, and for a stored one when it is
	// first needed, so it does not wait for anything.
	CompileIssuer func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem)
	// CompileClient does the same for a client.
	CompileClient func(exchange.Client) (*exchange.CompiledClient, []exchange.Problem)
	// CompileDetail does the same for a type of authorization_details. Nil means
	// that none can be registered.
	CompileDetail func(exchange.DetailType) (*exchange.DetailKind, []exchange.Problem)
}

// Registry is the issuers, clients, and detail types of a store. Its methods are safe for concurrent use.
type Registry struct {
	engine  storage.Engine
	cfg     Config
	tables  tables
	current atomic.Pointer[Snapshot]
	uses    uses

	mu       sync.Mutex // held by whoever changes current
	onChange []func()
}

// Open reads the registry of a store. Issuers are compiled when they are first
// needed or by [Registry.Warm]. A registration that does not compile keeps
// only itself from being used, see [Snapshot.Faults]; a record that is not
// what was written keeps the registry from opening (storage.ErrCorrupt).
func Open(ctx context.Context, e storage.Engine, cfg Config) (*Registry, error) {
	const least = 32
	if len(cfg.RecordKey) < least || len(cfg.SecretKey) < least {
		return nil, fmt.Errorf("opening the registry: a key has fewer than %d bytes", least)
	}
	r := &Registry{engine: e, cfg: cfg, tables: newTables(e, cfg.RecordKey)}
	r.current.Store(nothing())
	if err := r.Reload(ctx); err != nil {
		return nil, fmt.Errorf("opening the registry: %w", err)
	}
	return r, nil
}

// Snapshot is the registry as of now. A caller takes one for each request, so
// that the whole request sees one state.
func (r *Registry) Snapshot() *Snapshot { return r.current.Load() }

// OnChange adds a function that is called after each change, before the
// changing call returns. It reads [Registry.Snapshot] and must not change the
// registry.
func (r *Registry) OnChange(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onChange = append(r.onChange, f)
}

// Reload reads the store again if another process changed it. Registrations
// that did not change are not compiled again.
func (r *Registry) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.reload(ctx)
	return err
}

// Close ends background fetches of all keys. The Registry is not used after.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Snapshot().release(nothing())
}

// swap puts next in place. Whoever looks next sees it; only then are the keys
// closed that it does not use.
func (r *Registry) swap(next *Snapshot) {
	before := r.current.Swap(next)
	for _, f := range r.onChange {
		f()
	}
	before.release(next)
}

// change edits a draft of the current state and commits what it became, in one
// commit that holds only if the revision is still the one the draft was made
// from; else it edits again. An edit that fails, and one that changes nothing,
// commits nothing. The writes it returns are part of the commit.
func (r *Registry) change(ctx context.Context, now time.Time, edit func(*Snapshot) ([]storage.Write, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		row, err := r.reload(ctx)
		if err != nil {
			return err
		}
		again, err := r.try(ctx, row, now, edit)
		if !again {
			return err
		}
	}
}

// try is one round of change. Again says that somebody else was faster.
func (r *Registry) try(ctx context.Context, row storage.Row[revision], now time.Time, edit func(*Snapshot) ([]storage.Write, error)) (again bool, err error) {
	before := r.Snapshot()
	draft := before.draft()
	more, err := edit(draft)
	var writes []storage.Write
	if err == nil {
		writes, err = r.writes(before, draft)
	}
	if err == nil && len(writes) > 0 {
		if err = r.commit(ctx, row, draft.revision, now, append(writes, more...)); err == nil {
			r.swap(draft.index())
			return false, nil
		}
	}
	draft.release(before)
	if !errors.Is(err, storage.ErrConflict) {
		return false, err
	}
	// A condition of the caller's own writes may be what did not hold.
	moved, readErr := r.revision(ctx)
	return readErr == nil && moved.Value.Number != row.Value.Number, err
}

// commit waits for the outcome whatever becomes of ctx: the Snapshot must not
// differ from what is stored.
func (r *Registry) commit(ctx context.Context, row storage.Row[revision], number uint64, now time.Time, writes []storage.Write) error {
	next, err := r.nextRevision(row, revision{Number: number, Changed: now.UTC()})
	if err != nil {
		return fmt.Errorf("writing the registry: %w", err)
	}
	if err := r.engine.Commit(context.WithoutCancel(ctx), append(writes, next)...); err != nil {
		return fmt.Errorf("writing the registry: %w", err)
	}
	return nil
}

func (r *Registry) nextRevision(row storage.Row[revision], next revision) (storage.Write, error) {
	if row.Key == "" {
		return r.tables.revisions.Insert(revisionKey, next)
	}
	return r.tables.revisions.Replace(row, next)
}

// writes turns before into after. The revision record guards them, so they
// need no conditions of their own.
func (r *Registry) writes(before, after *Snapshot) ([]storage.Write, error) {
	var out []storage.Write
	var errs []error
	put := func(w storage.Write, err error) { out, errs = append(out, w), append(errs, err) }
	for id, i := range after.issuers {
		if before.issuers[id] != i {
			put(r.tables.issuers.Put(id, i.record))
		}
	}
	for id, c := range after.clients {
		if before.clients[id] != c {
			put(r.tables.clients.Put(id, c.record))
			out = append(out, r.forget(before.clients[id], c)...)
		}
	}
	for id, c := range before.clients {
		if after.clients[id] == nil {
			put(r.tables.clients.Remove(id), nil)
			out = append(out, r.forget(c, nil)...)
		}
	}
	for name, t := range after.types {
		if before.types[name] != t {
			put(r.tables.types.Put(name, t.record))
		}
	}
	for name := range before.types {
		if after.types[name] == nil {
			put(r.tables.types.Remove(name), nil)
		}
	}
	return out, errors.Join(errs...)
}
