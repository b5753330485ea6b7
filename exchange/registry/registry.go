package registry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Config is the configuration of a Registry. All fields are required.
type Config struct {
	// RecordKey makes the MAC of each record, at least 32 bytes.
	RecordKey []byte
	// SecretKey makes the stored MACs of client secrets, at least 32 bytes. With
	// another key every client secret is invalid.
	SecretKey []byte
	// Seal encrypts b and authenticates it together with name; Unseal reverses it.
	Seal, Unseal func(name string, b []byte) ([]byte, error)
	// CompileIssuer compiles an issuer, whose shared secrets are plain, or returns
	// nil and all problems, with paths relative to the issuer. It is called for
	// each issuer that is applied, and for a stored one when it is first needed,
	// so it does not wait for anything.
	CompileIssuer func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem)
	// CompileClient does the same for a client.
	CompileClient func(exchange.Client) (*exchange.CompiledClient, []exchange.Problem)
	// CompileDetail does the same for a type of authorization_details.
	CompileDetail func(exchange.DetailType) (*exchange.DetailKind, []exchange.Problem)
}

// Registry is the issuers, clients and detail types of a store. Its methods are
// safe for concurrent use.
type Registry struct {
	engine    storage.Engine
	cfg       Config
	revisions storage.Table[revision]
	lastUses  storage.Table[useRecord] // <client ID>/<secret ID> → last use
	issuers   collection[issuerRecord, exchange.CompiledIssuer]
	clients   collection[clientRecord, exchange.CompiledClient]
	types     collection[detailRecord, exchange.DetailKind]
	current   atomic.Pointer[Snapshot]
	uses      sync.Map // secretKey → int64, the last use in seconds since 1970

	mu       sync.Mutex           // held while current is replaced
	flushed  map[string]time.Time // secretKey → stored last use
	onChange []func()
}

// Open reads the registry of a store. Issuers are compiled when they are first
// needed or by [Registry.Warm]. A registration that does not compile cannot be
// used, see [Snapshot.Faults]; the others can. A corrupt record keeps the registry
// from opening (storage.ErrCorrupt).
func Open(ctx context.Context, e storage.Engine, cfg Config) (*Registry, error) {
	const least = 32
	if len(cfg.RecordKey) < least || len(cfg.SecretKey) < least {
		return nil, fmt.Errorf("opening the registry: a key has fewer than %d bytes", least)
	}
	r := &Registry{
		engine: e, cfg: cfg, flushed: map[string]time.Time{},
		revisions: storage.NewTable[revision](e, "registry", cfg.RecordKey),
		lastUses:  storage.NewTable[useRecord](e, "secret_uses", cfg.RecordKey),
	}
	r.issuers = collection[issuerRecord, exchange.CompiledIssuer]{
		kind: KindIssuer, table: storage.NewTable[issuerRecord](e, "issuers", cfg.RecordKey), compile: r.compileIssuer,
		entries: func(s *Snapshot) *map[string]*issuer { return &s.issuers }, shown: shownIssuer,
	}
	r.clients = collection[clientRecord, exchange.CompiledClient]{
		kind: KindClient, table: storage.NewTable[clientRecord](e, "clients", cfg.RecordKey), compile: r.compileClient,
		entries: func(s *Snapshot) *map[string]*client { return &s.clients }, shown: shownClient,
	}
	r.types = collection[detailRecord, exchange.DetailKind]{
		kind: KindDetailType, table: storage.NewTable[detailRecord](e, "detail_types", cfg.RecordKey), compile: r.compileDetail,
		entries: func(s *Snapshot) *map[string]*detailType { return &s.types }, shown: shownDetailType,
	}
	r.current.Store(empty())
	if err := r.Reload(ctx); err != nil {
		return nil, fmt.Errorf("opening the registry: %w", err)
	}
	return r, nil
}

// Snapshot returns the current state. A request takes one and sees only that
// state.
func (r *Registry) Snapshot() *Snapshot { return r.current.Load() }

// OnChange adds a function that is called after each change, before the changing
// call returns. It reads [Registry.Snapshot] and must not change the registry.
func (r *Registry) OnChange(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onChange = append(r.onChange, f)
}

// Reload reads the store again if another process has changed it. Unchanged
// registrations are not compiled again.
func (r *Registry) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.reload(ctx)
	return err
}

// Close ends the background fetches of all keys. The Registry must not be used
// afterwards.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Snapshot().release(empty())
}

// record is a registration as it is stored.
type record interface {
	written() uint64 // the revision that wrote it
	active() bool    // it is registered, not removed
}

// stamp is the part that all records have.
type stamp struct {
	Revision uint64 `json:"revision"` // that wrote it
}

func (s stamp) written() uint64 { return s.Revision }
func (s stamp) active() bool    { return true }

// issuerRecord is an issuer with sealed shared secrets. The record of a removed
// issuer keeps its ID and URL, so that the ID, which is part of users' identity,
// is never bound to another URL.
type issuerRecord struct {
	stamp
	Issuer  exchange.Issuer `json:"issuer"`
	Removed time.Time       `json:"removed,omitzero"`
}

func (r issuerRecord) active() bool { return r.Removed.IsZero() }

// clientRecord is a client with the MACs of its secrets and the sealed secret of
// its webhook. The record of a removed client keeps its ID and secrets for
// secretsKept.
type clientRecord struct {
	stamp
	Client  exchange.Client `json:"client"`
	Removed time.Time       `json:"removed,omitzero"`
}

func (r clientRecord) active() bool { return r.Removed.IsZero() }

// detailRecord is a type of authorization_details.
type detailRecord struct {
	stamp
	Type exchange.DetailType `json:"type"`
}

// revision counts the changes of the registry. Every change replaces it, on the
// condition that it is still the one the change was decided on.
type revision struct {
	Number  uint64    `json:"number"`
	Changed time.Time `json:"changed"`
}

// revisionKey is the only key of the revisions table.
const revisionKey = "revision"
