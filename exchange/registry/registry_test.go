package registry_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
	"cambio/storage/bolt"
)

var anywhere = []netip.Prefix{netip.MustParsePrefix("::/0")}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keySet counts how often it was closed; it signs nothing.
type keySet struct {
	exchange.KeySet
	closed atomic.Int32
	plain  string // the shared secret it was compiled with
}

func (k *keySet) Close() { k.closed.Add(1) }

// compiler compiles registrations and records their key sets. It refuses
// registrations that are marked as bad in a way that registration.Lint
// accepts.
type compiler struct {
	mu   sync.Mutex
	sets []*keySet
}

func (c *compiler) set(plain string) *keySet {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sets = append(c.sets, &keySet{plain: plain})
	return c.sets[len(c.sets)-1]
}

func (c *compiler) issuer(i exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem) {
	for n, r := range i.ClaimValidationRules {
		if r.Expression == "bad" {
			return nil, []exchange.Problem{{Path: fmt.Sprintf("claimValidationRules[%d].expression", n), Message: "is bad"}}
		}
	}
	plain := ""
	if len(i.Keys.Secrets) > 0 {
		plain = i.Keys.Secrets[0].Value
	}
	return &exchange.CompiledIssuer{Issuer: &i, Keys: c.set(plain)}, nil
}

func (c *compiler) client(cl exchange.Client) (*exchange.CompiledClient, []exchange.Problem) {
	if cl.Name == "bad" {
		return nil, []exchange.Problem{{Path: "name", Message: "is bad"}}
	}
	return &exchange.CompiledClient{Client: &cl, Keys: c.set(""), SecretNetworks: anywhere}, nil
}

// compiled returns how many registrations were compiled, open how many of their
// key sets are not closed.
func (c *compiler) compiled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sets)
}

func (c *compiler) open() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.sets {
		if k.closed.Load() == 0 {
			n++
		}
	}
	return n
}

// sealer is AES-256-GCM with the name as associated data.
type sealer struct{ aead cipher.AEAD }

func newSealer(t testing.TB) sealer {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return sealer{aead}
}

func (s sealer) seal(name string, b []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, b, []byte(name)), nil
}

func (s sealer) unseal(name string, b []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, b, []byte(name))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a registry over a real store.
type world struct {
	*registry.Registry
	*compiler
	engine storage.Engine
	cfg    registry.Config
	path   string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cambio.db")
	s, c := newSealer(t), &compiler{}
	w := &world{compiler: c, path: path, engine: openBolt(t, path), cfg: registry.Config{
		RecordKey: []byte(strings.Repeat("r", 32)), SecretKey: []byte(strings.Repeat("s", 32)),
		Seal: s.seal, Unseal: s.unseal, CompileIssuer: c.issuer, CompileClient: c.client,
		CompileDetail: kind,
	}}
	w.Registry = w.another(t)
	return w
}

func openBolt(t testing.TB, path string) storage.Engine {
	t.Helper()
	e, err := bolt.Open(path, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// another opens a further registry over the same store, as another node does.
func (w *world) another(t testing.TB) *registry.Registry {
	t.Helper()
	r, err := registry.Open(t.Context(), w.engine, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reopen closes the file and opens it again.
func (w *world) reopen(t testing.TB) {
	t.Helper()
	if err := w.engine.Close(); err != nil {
		t.Fatal(err)
	}
	w.engine = openBolt(t, w.path)
	w.Registry = w.another(t)
}

// apply applies a manifest that must be valid.
func (w *world) apply(t testing.TB, m exchange.Manifest, prune bool) registry.Plan {
	t.Helper()
	plan, problems, err := w.Apply(t.Context(), m, prune, noon, nil)
	if err != nil || len(problems) > 0 {
		t.Fatalf("apply: %v %v", problems, err)
	}
	return plan
}

func issuer(id string, change ...func(*exchange.Issuer)) exchange.Issuer {
	i := exchange.Issuer{ID: id, URL: "https://" + id + ".example.com", Audiences: []string{"app"}}
	for _, f := range change {
		f(&i)
	}
	return i
}

func client(id string, issuers ...string) exchange.Client {
	return exchange.Client{ID: id, Issuers: issuers, Audiences: []string{"api"}}
}

func manifest(parts ...any) (m exchange.Manifest) {
	for _, p := range parts {
		switch p := p.(type) {
		case exchange.Issuer:
			m.Issuers = append(m.Issuers, p)
		case exchange.Client:
			m.Clients = append(m.Clients, p)
		}
	}
	return m
}

// short returns a plan as text: "add issuer a, unchanged client c".
func short(p registry.Plan) string {
	var out []string
	for _, c := range p {
		out = append(out, fmt.Sprintf("%s %s %s", c.Action, c.Kind, c.ID))
	}
	return strings.Join(out, ", ")
}

// stored returns all records of the registry.
func stored(t testing.TB, e storage.Engine) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []string{"registry", "issuers", "clients", "detail_types"} {
		for r, err := range e.Scan(t.Context(), table, "", "", 0) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %q %q\n", table, r.Key, r.Value)
		}
	}
	return b.String()
}

// failing is an engine that counts commits and can be made to refuse them.
type failing struct {
	storage.Engine
	err     error
	commits atomic.Int32
}

func (f *failing) Commit(ctx context.Context, w ...storage.Write) error {
	f.commits.Add(1)
	if f.err != nil {
		return f.err
	}
	return f.Engine.Commit(ctx, w...)
}

func TestOpenRefusesShortKeys(t *testing.T) {
	w := newWorld(t)
	for _, short := range []func(*registry.Config){
		func(c *registry.Config) { c.RecordKey = nil },
		func(c *registry.Config) { c.SecretKey = c.SecretKey[:31] },
	} {
		cfg := w.cfg
		short(&cfg)
		if _, err := registry.Open(t.Context(), w.engine, cfg); err == nil {
			t.Error("a registry was opened with a short key")
		}
	}
}

func TestOpenNoticesAnotherRecordKey(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a")), false)
	w.cfg.RecordKey = []byte(strings.Repeat("x", 32))
	if _, err := registry.Open(t.Context(), w.engine, w.cfg); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestEmptySnapshotHasNoRegistration(t *testing.T) {
	s := newWorld(t).Snapshot()
	if s.Issuer("") != nil || s.IssuerByURL("") != nil || s.Client("") != nil || s.Revision() != 0 {
		t.Error("an empty registry has a registration")
	}
}
