package keylogin

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"cambio/storage/bolt"
)

var (
	ctx = context.Background()
	now = time.Unix(1_700_000_000, 0)
	key = []byte("0123456789abcdef0123456789abcdef")
)

// openStore opens a store in a directory that is removed after the test.
func openStore(t testing.TB) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
