package keys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/storage"
	"cambio/storage/bolt"
)

var (
	kek   = bytes.Repeat([]byte{7}, kekSize)
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// counting counts the commits of an engine, and can refuse them.
type counting struct {
	storage.Engine
	commits atomic.Int64
	full    bool
}

func (c *counting) Commit(ctx context.Context, w ...storage.Write) error {
	if c.full {
		return storage.ErrFull
	}
	c.commits.Add(1)
	return c.Engine.Commit(ctx, w...)
}

func openStore(t testing.TB) *counting {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "cambio.db"))
}

func reopen(t testing.TB, path string) *counting {
	t.Helper()
	e, err := bolt.Open(path, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &counting{Engine: e}
}

func config(change ...func(*Config)) Config {
	cfg := Config{
		KEK: kek, Now: func() time.Time { return start },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

func algorithm(alg string) func(*Config) { return func(c *Config) { c.Algorithm = alg } }

func open(t testing.TB, e storage.Engine, change ...func(*Config)) *Ring {
	t.Helper()
	r, err := Open(t.Context(), e, config(change...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// states returns the states of the published keys.
func states(r *Ring) string {
	var out []string
	for _, i := range r.List() {
		out = append(out, i.State)
	}
	return strings.Join(out, " ")
}

func dump(t *testing.T, e storage.Engine) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r, err := range e.Scan(t.Context(), table, "", "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		out[r.Key] = string(r.Value)
	}
	return out
}

func TestFirstStartIsOneCommit(t *testing.T) {
	e := openStore(t)
	r := open(t, e)
	if got := e.commits.Load(); got != 1 {
		t.Errorf("first start made %d commits, want 1", got)
	}
	if got := states(r); got != "active next" {
		t.Errorf("states %q, want active next", got)
	}
	again := open(t, e)
	if got := e.commits.Load(); got != 1 {
		t.Errorf("second start made %d commits, want none", got-1)
	}
	body, etag := r.JWKS()
	body2, etag2 := again.JWKS()
	if !bytes.Equal(body, body2) || etag != etag2 {
		t.Error("second start publishes other keys")
	}
	if !bytes.Equal(r.Derive("x"), again.Derive("x")) {
		t.Error("second start derives other secrets")
	}
}

func TestNodesThatStartAtOnceShareTheirKeys(t *testing.T) {
	e := openStore(t)
	rings := make([]*Ring, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			var err error
			if rings[i], err = Open(t.Context(), e, config()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	want, _ := rings[0].JWKS()
	for _, r := range rings {
		if got, _ := r.JWKS(); !bytes.Equal(got, want) {
			t.Errorf("a node has other keys: %s", got)
		}
		if !bytes.Equal(r.Derive("x"), rings[0].Derive("x")) {
			t.Error("a node has another root secret")
		}
	}
}

func TestWrongKEKChangesNothing(t *testing.T) {
	e := openStore(t)
	open(t, e)
	before, commits := dump(t, e), e.commits.Load()

	r, err := Open(t.Context(), e, config(func(c *Config) { c.KEK = bytes.Repeat([]byte{8}, kekSize) }))
	if !errors.Is(err, ErrWrongKEK) || r != nil {
		t.Fatalf("got %v, want ErrWrongKEK", err)
	}
	for _, want := range []string{fingerprint(kek), "wrong key-encryption key"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("message %q does not say %q", err, want)
		}
	}
	if e.commits.Load() != commits {
		t.Error("a wrong key committed something")
	}
	after := dump(t, e)
	for k, v := range before {
		if after[k] != v {
			t.Errorf("record %s changed", k)
		}
	}
	if len(after) != len(before) {
		t.Error("records were added")
	}
	open(t, e)
}

func TestBadKEKLength(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		e := openStore(t)
		if _, err := Open(t.Context(), e, config(func(c *Config) { c.KEK = make([]byte, n) })); err == nil {
			t.Errorf("a key of %d bytes was accepted", n)
		}
		if len(dump(t, e)) != 0 {
			t.Errorf("a key of %d bytes changed the store", n)
		}
	}
}

func TestDamageCreatesNoKeys(t *testing.T) {
	flip := func(b []byte, i int) []byte { b = bytes.Clone(b); b[i] ^= 1; return b }
	tests := []struct {
		name  string
		write func(e storage.Engine, root, ring []byte) storage.Write
	}{
		{"root secret flipped", func(_ storage.Engine, b, _ []byte) storage.Write {
			var r root
			json.Unmarshal(b, &r)
			r.Sealed = flip(r.Sealed, 20)
			b, _ = json.Marshal(r)
			return storage.Write{Table: table, Key: rootKey, Value: b}
		}},
		{"root record is no JSON", func(_ storage.Engine, b, _ []byte) storage.Write {
			return storage.Write{Table: table, Key: rootKey, Value: flip(b, 0)}
		}},
		{"ring flipped", func(_ storage.Engine, _, b []byte) storage.Write {
			return storage.Write{Table: table, Key: ringKey, Value: flip(b, len(b)/2)}
		}},
		{"ring gone", func(storage.Engine, []byte, []byte) storage.Write {
			return storage.Write{Table: table, Key: ringKey}
		}},
		{"a private key in another's place", func(e storage.Engine, _, _ []byte) storage.Write {
			r := open(t, e)
			row, _ := r.table.Get(t.Context(), ringKey)
			keys := row.Value.Keys
			keys[0].Sealed, keys[1].Sealed = keys[1].Sealed, keys[0].Sealed
			w, _ := r.table.Put(ringKey, record{keys})
			return w
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := openStore(t)
			open(t, e)
			stored := dump(t, e)
			if err := e.Commit(t.Context(), tt.write(e, []byte(stored[rootKey]), []byte(stored[ringKey]))); err != nil {
				t.Fatal(err)
			}
			before, commits := dump(t, e), e.commits.Load()
			if _, err := Open(t.Context(), e, config()); !errors.Is(err, storage.ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
			if e.commits.Load() != commits || len(dump(t, e)) != len(before) {
				t.Error("damage created new keys")
			}
		})
	}
}

func TestStoreHoldsNoPrivateKey(t *testing.T) {
	for _, alg := range []string{ES256, RS256, EdDSA} {
		t.Run(alg, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cambio.db")
			e := reopen(t, path)
			r := open(t, e, algorithm(alg))
			secrets := [][]byte{r.secret, kek}
			for _, k := range r.state.Load().published {
				der, err := x509.MarshalPKCS8PrivateKey(k.signer)
				if err != nil {
					t.Fatal(err)
				}
				secrets = append(secrets, der, der[len(der)/2:])
				if p, ok := k.signer.(*ecdsa.PrivateKey); ok {
					d, _ := p.Bytes()
					secrets = append(secrets, d)
				}
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(file, []byte(r.List()[0].ID)) {
				t.Fatal("the file does not even hold the key's ID")
			}
			for _, s := range secrets {
				if bytes.Contains(file, s) || bytes.Contains(file, []byte(base64.StdEncoding.EncodeToString(s))) {
					t.Error("the file holds a secret in the clear")
				}
			}
		})
	}
}

func TestSealedBytesOpenOnlyUnderTheirName(t *testing.T) {
	r := open(t, openStore(t))
	sealed, err := r.Seal("issuers/a", []byte("secret"))
	if err != nil || bytes.Contains(sealed, []byte("secret")) {
		t.Fatalf("sealed %q, %v", sealed, err)
	}
	again, _ := r.Seal("issuers/a", []byte("secret"))
	if bytes.Equal(sealed, again) {
		t.Error("a nonce was used twice")
	}
	other := open(t, openStore(t))
	tests := []struct {
		name   string
		ring   *Ring
		at     string
		sealed []byte
		good   bool
	}{
		{"as sealed", r, "issuers/a", sealed, true},
		{"another name", r, "issuers/b", sealed, false},
		{"another store", other, "issuers/a", sealed, false},
		{"a byte less", r, "issuers/a", sealed[:len(sealed)-1], false},
		{"nothing", r, "issuers/a", nil, false},
	}
	for _, tt := range tests {
		plain, err := tt.ring.Unseal(tt.at, tt.sealed)
		if tt.good && (err != nil || string(plain) != "secret") {
			t.Errorf("%s: %q, %v", tt.name, plain, err)
		}
		if !tt.good && (!errors.Is(err, storage.ErrCorrupt) || plain != nil) {
			t.Errorf("%s: %q, %v, want ErrCorrupt", tt.name, plain, err)
		}
	}
}

func TestDerivedKeysAreStableAndUnrelated(t *testing.T) {
	r := open(t, openStore(t))
	a, b := r.Derive("records"), r.Derive("refresh tokens")
	if len(a) != 32 || bytes.Equal(a, b) || !bytes.Equal(a, r.Derive("records")) {
		t.Errorf("derived %x and %x", a, b)
	}
	if bytes.Equal(a, open(t, openStore(t)).Derive("records")) {
		t.Error("two stores derive the same")
	}
}

func TestCreateKEKNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	made, err := CreateKEK(path)
	if err != nil || len(made) != kekSize {
		t.Fatal(len(made), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	read, err := ReadKEK(path)
	if err != nil || !bytes.Equal(read, made) {
		t.Errorf("read another key, %v", err)
	}
	if _, err := CreateKEK(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("replacing: %v, want ErrExist", err)
	}
	if still, _ := ReadKEK(path); !bytes.Equal(still, made) {
		t.Error("the key was replaced")
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestReadKEKRefuses(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(kek)
	tests := []struct {
		name, text string
		good       bool
	}{
		{"as written", good + "\n", true},
		{"no line break", good, true},
		{"empty", "", false},
		{"short", base64.StdEncoding.EncodeToString(kek[1:]), false},
		{"long", base64.StdEncoding.EncodeToString(append(kek, 1)), false},
		{"raw bytes", string(kek), false},
		{"two keys", good + "\n" + good, false},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "kek")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := ReadKEK(path)
		if tt.good != (err == nil) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && (read != nil || tt.text != "" && strings.Contains(err.Error(), tt.text)) {
			t.Errorf("%s: the error shows the key, or comes with one", tt.name)
		}
	}
	for mode, accepted := range map[os.FileMode]bool{
		0o400: true, 0o640: true, 0o660: true, 0o440: true, 0o444: true, // the last three as container platforms mount them
		0o644: false, 0o664: false, 0o602: false, 0o446: false, 0o445: false,
	} {
		path := filepath.Join(t.TempDir(), "kek")
		err := os.WriteFile(path, []byte(good), 0o600)
		if err == nil {
			err = os.Chmod(path, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		link := path + "-link" // a mounted secret is a link
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, link} {
			if _, err := ReadKEK(name); accepted != (err == nil) {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
	if _, err := ReadKEK(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// The ID of a key is written on command lines.
func TestKeyIDsAreNoFlags(t *testing.T) {
	for range 500 { // one thumbprint of 64 begins with a hyphen
		if _, id, err := generateNamed(ES256); err != nil || id[0] == '-' {
			t.Fatalf("%q, %v", id, err)
		}
	}
}
