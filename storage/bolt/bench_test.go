package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"cambio/storage"
	"cambio/storage/bolt"
)

// BenchmarkCommit compares commits of one small record by several writers at
// once with a transaction of bbolt for each. Both are durable.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("group/writers=%d", writers), func(b *testing.B) {
			e := openAt(b, filepath.Join(b.TempDir(), "db"), bolt.Options{})
			share(b, writers, func(key string, value []byte) error {
				return e.Commit(context.Background(), storage.Write{Table: "t", Key: key, Value: value})
			})
		})
		b.Run(fmt.Sprintf("alone/writers=%d", writers), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, &bbolt.Options{
				InitialMmapSize: 8 << 30, FreelistType: bbolt.FreelistMapType, NoStatistics: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			share(b, writers, func(key string, value []byte) error {
				return db.Update(func(tx *bbolt.Tx) error {
					t, err := tx.CreateBucketIfNotExists([]byte("t"))
					if err != nil {
						return err
					}
					return t.Put([]byte(key), value)
				})
			})
		})
	}
}

// share divides b.N commits among writers.
func share(b *testing.B, writers int, commit func(key string, value []byte) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	value := make([]byte, 150)
	b.ResetTimer()
	for range writers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := commit(fmt.Sprintf("%016x", i), value); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// session is a record of about 150 bytes of JSON.
type session struct {
	User       string   `json:"user"`
	Client     string   `json:"client"`
	Issuer     string   `json:"issuer"`
	Scopes     []string `json:"scopes"`
	Generation int      `json:"generation"`
}

// BenchmarkGet reads one of 10,000 records: as bytes, with its MAC, decoded.
func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	e := openAt(b, filepath.Join(b.TempDir(), "db"), bolt.Options{NoSync: true})
	table := storage.NewTable[session](e, "sessions", testKey)
	raw := storage.NewTable[skipped](e, "sessions", testKey)
	var writes []storage.Write
	for i := range 10_000 {
		writes = append(writes, must(table.Put(fmt.Sprintf("%036d", i), session{
			User: "usr_0198c2a47be07c0f8a8e2f3a", Client: "web", Issuer: "accounts.example.com",
			Scopes: []string{"openid", "orders:read"}, Generation: i,
		})))
	}
	if err := e.Commit(ctx, writes...); err != nil {
		b.Fatal(err)
	}
	key := fmt.Sprintf("%036d", 4711)
	get := func(name string, get func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := get(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	get("bytes", func() error { _, err := e.Get(ctx, "sessions", key); return err })
	get("checked", func() error { _, err := raw.Get(ctx, key); return err })
	get("decoded", func() error { _, err := table.Get(ctx, key); return err })
}

// skipped decodes nothing.
type skipped struct{}

func (*skipped) ReadRecord([]byte) error { return nil }

var testKey = []byte("0123456789abcdef0123456789abcdef")

func openAt(t testing.TB, path string, opts bolt.Options) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
