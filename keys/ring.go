package keys

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cambio/storage"
)

// The records of this package: one table, the root, a ring, and one for each other
// algorithm.
const (
	table   = "keys"
	rootKey = "root"
	ringKey = "ring"
)

// Config configures how keys are sealed and when they rotate. Nodes that share a
// store have the same Config.
type Config struct {
	// KEK is the key-encryption key, 32 bytes. An attacker with it and the store
	// can sign anything.
	KEK []byte
	// Algorithm of new keys: ES256 (default), RS256, EdDSA or Ed25519. After a change the
	// next key is replaced, and signs after it was published for PublishAhead.
	Algorithm string
	// RotateEvery is how long a key is active. Default 720h.
	RotateEvery time.Duration
	// PublishAhead is how long a key is published, at least, before a scheduled
	// rotation lets it sign: longer than verifiers cache a JWK Set. Default 24h.
	PublishAhead time.Duration
	// RetireAfter is how long a key stays published after it signed last: the
	// longest lifetime of a token, which is 60m, and the time that other nodes
	// take to notice that it was retired. Default 90m.
	RetireAfter time.Duration
	// Steady reports whether the clock is trusted with the schedule, which Run then
	// follows; Open does not. Nil means always.
	Steady func() bool
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil means slog.Default
}

// schedule returns the Config's schedule with defaults.
func (c Config) schedule() schedule {
	return schedule{
		algorithm:    cmp.Or(c.Algorithm, ES256),
		rotateEvery:  cmp.Or(c.RotateEvery, 30*24*time.Hour),
		publishAhead: cmp.Or(c.PublishAhead, 24*time.Hour),
		retireAfter:  cmp.Or(c.RetireAfter, 90*time.Minute),
	}
}

// check validates a Config.
func (c Config) check() error {
	if len(c.KEK) != kekSize {
		return fmt.Errorf("key-encryption key has %d bytes, want %d", len(c.KEK), kekSize)
	}
	if err := checkAlgorithm(cmp.Or(c.Algorithm, ES256)); err != nil {
		return err
	}
	if c.RotateEvery < 0 || c.PublishAhead < 0 || c.RetireAfter < 0 {
		return errors.New("a duration is negative")
	}
	return nil
}

// record is the stored ring.
type record struct {
	Keys []member `json:"keys"`
}

// Ring is the signing keys and the root secret. Signing and verifying read one
// immutable state behind an atomic pointer, without a lock.
type Ring struct {
	schedule schedule
	engine   storage.Engine
	table    storage.Table[record]
	kek      sealer // for private keys
	secret   []byte // the root secret
	data     sealer // for Seal and Unseal
	now      func() time.Time
	steady   func() bool // nil means always
	logger   *slog.Logger

	state  atomic.Pointer[state]
	mu     sync.Mutex                       // held while the ring changes
	key    string                           // of the ring's record
	others atomic.Pointer[map[string]*Ring] // algorithm → ring for ID tokens alone; see Ensure
}

// Open reads the keys of a store, and creates them in one commit if it has none
// yet; of several nodes that start at once on an empty store one creates them. It
// also makes the transitions that became due while no server ran, unless Run does
// that ([Config.Steady]). It returns
// ErrWrongKEK, having changed nothing, if the store is sealed under another key,
// and storage.ErrCorrupt if the right key does not open it.
func Open(ctx context.Context, e storage.Engine, cfg Config) (*Ring, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("opening keys: %w", err)
	}
	kek, err := newSealer(cfg.KEK)
	if err != nil {
		return nil, fmt.Errorf("opening keys: %w", err)
	}
	r := &Ring{schedule: cfg.schedule(), engine: e, key: ringKey, kek: kek, now: cfg.Now, steady: cfg.Steady, logger: cfg.Logger}
	if r.now == nil {
		r.now = time.Now
	}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	if err := r.open(ctx, cfg.KEK); err != nil {
		return nil, fmt.Errorf("opening keys: %w", err)
	}
	return r, nil
}

// Exist reports whether a store has keys, sealed under any key-encryption key.
func Exist(ctx context.Context, e storage.Engine) (bool, error) {
	_, err := e.Get(ctx, table, rootKey)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for keys: %w", err)
	}
	return true, nil
}

func (r *Ring) open(ctx context.Context, kek []byte) error {
	stored, err := r.engine.Get(ctx, table, rootKey)
	if errors.Is(err, storage.ErrNotFound) {
		stored, err = r.create(ctx, kek)
	}
	if err != nil {
		return err
	}
	if err := r.unlock(stored, kek); err != nil {
		return err
	}
	if r.steady != nil {
		return r.reread(ctx)
	}
	return r.Tick(ctx, r.now())
}

// create stores a new root secret, an active and a next key in one commit. If
// another node was faster, it returns that node's root.
func (r *Ring) create(ctx context.Context, kek []byte) ([]byte, error) {
	made, err := newRoot(kek)
	if err != nil {
		return nil, err
	}
	stored, err := json.Marshal(made)
	if err != nil {
		return nil, err
	}
	if err := r.unlock(stored, kek); err != nil {
		return nil, err
	}
	keys, err := r.complete(nil, r.now())
	if err != nil {
		return nil, err
	}
	ring, err := r.table.Insert(ringKey, record{keys})
	if err != nil {
		return nil, err
	}
	root := storage.Write{Table: table, Key: rootKey, Value: stored, If: storage.IfAbsent}
	err = r.engine.Commit(ctx, root, ring)
	if errors.Is(err, storage.ErrConflict) {
		return r.engine.Get(ctx, table, rootKey)
	}
	return stored, err
}

// unlock opens the root secret and derives this package's keys. The root is not in
// a Table, because the MAC key of a Table's records is derived from it.
func (r *Ring) unlock(stored, kek []byte) error {
	var sealed root
	if err := json.Unmarshal(stored, &sealed); err != nil {
		return fmt.Errorf("reading root secret: %w", storage.ErrCorrupt)
	}
	secret, err := sealed.open(kek)
	if errors.Is(err, errSeal) {
		return fmt.Errorf("reading root secret: %w: %w", storage.ErrCorrupt, err)
	}
	if err != nil {
		return err
	}
	r.secret = secret
	r.table = storage.NewTable[record](r.engine, table, r.Derive("records"))
	r.data, err = newSealer(r.Derive("seal"))
	return err
}

// Derive returns a 32-byte key for a purpose, the same for the life of the store.
// Keys for different purposes are unrelated (HKDF-SHA256, RFC 5869).
func (r *Ring) Derive(purpose string) []byte { return derive(r.secret, purpose) }

// Seal encrypts what must not be readable in the store, by AES-256-GCM under a key
// derived from the root secret. name is authenticated too: it is the table and key
// of the record.
func (r *Ring) Seal(name string, plain []byte) ([]byte, error) {
	return r.data.seal(name, plain), nil
}

// Unseal decrypts what Seal returned for the name. The error for anything else is
// storage.ErrCorrupt.
func (r *Ring) Unseal(name string, sealed []byte) ([]byte, error) {
	plain, err := r.data.open(name, sealed)
	if err != nil {
		return nil, fmt.Errorf("unsealing %.128q: %w: %w", name, storage.ErrCorrupt, err)
	}
	return plain, nil
}

// state is the ring in use: immutable, replaced as a whole.
type state struct {
	members    []member // as stored
	published  []*key   // active first: it signed most tokens
	active     *key
	jwks       []byte
	etag       string
	algorithms []string
}

var errNoActive = errors.New("no active signing key")

// newState opens the members of a ring, except those that old has open.
func newState(ring []member, old *state, s sealer) (*state, error) {
	out := &state{members: ring}
	for _, m := range ring {
		k, err := old.open(m, s)
		if err != nil {
			return nil, err
		}
		if m.State == StateActive {
			out.active = k
			out.published = slices.Insert(out.published, 0, k)
		} else {
			out.published = append(out.published, k)
		}
	}
	if out.active == nil {
		return nil, errNoActive
	}
	return out, out.publish()
}

// open opens a member. It takes the private half from s, if that has it.
func (s *state) open(m member, with sealer) (*key, error) {
	if s != nil {
		for _, k := range s.published {
			if k.ID == m.ID && m.State != StateRetired {
				opened := *k
				opened.member = m
				return &opened, nil
			}
		}
	}
	return m.open(with)
}

// publish marshals the JWK Set once.
func (s *state) publish() (err error) {
	for _, k := range s.published {
		if !slices.Contains(s.algorithms, k.Algorithm) {
			s.algorithms = append(s.algorithms, k.Algorithm)
		}
	}
	s.jwks, s.etag, err = marshalSet(s.published)
	return err
}

// JWKS returns the JWK Set of the published keys, next, active and retired, and its
// entity tag (RFC 9110 §8.8.3). The body is shared and must not be changed.
func (r *Ring) JWKS() (body []byte, etag string) {
	s := r.state.Load()
	if len(r.otherRings()) > 0 {
		if body, etag, err := marshalSet(r.published()); err == nil {
			return body, etag
		}
	}
	return s.jwks, s.etag
}

// Algorithms returns those of the published keys, that of the active key first.
func (r *Ring) Algorithms() []string {
	var out []string
	for _, k := range r.published() {
		if !slices.Contains(out, k.Algorithm) {
			out = append(out, k.Algorithm)
		}
	}
	return out
}

// Info describes a signing key.
type Info struct {
	ID        string    `json:"id"` // kid
	Algorithm string    `json:"algorithm"`
	State     string    `json:"state"` // StateNext, StateActive or StateRetired
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retires   time.Time `json:"retires,omitzero"` // when a retired key is removed
}

// List describes the published keys, the active key first.
func (r *Ring) List() []Info {
	var out []Info
	for _, k := range r.published() {
		out = append(out, Info{k.ID, k.Algorithm, k.State, k.Created, k.Activated, k.Retires})
	}
	return out
}
