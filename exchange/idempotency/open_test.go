package idempotency

import (
	"context"
	"testing"
	"time"

	"cambio/storage/bolt"
)

var (
	ctx = context.Background()
	now = time.Unix(1_700_000_000, 0)
)

func open(t testing.TB, path string) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(path, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
