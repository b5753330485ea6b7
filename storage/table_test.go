package storage_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cambio/storage"
	"cambio/storage/bolt"
)

type coin struct {
	Metal string
	Value int
}

var macKey = bytes.Repeat([]byte{7}, 32)

func open(t *testing.T) storage.Engine {
	t.Helper()
	e, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// commit commits a write that a table made.
func commit(t *testing.T, e storage.Engine, w storage.Write, err error) error {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return e.Commit(context.Background(), w)
}

func TestWritesCarryTheirConditions(t *testing.T) {
	ctx, e := context.Background(), open(t)
	coins := storage.NewTable[coin](e, "coins", macKey)
	for _, test := range []struct {
		name  string
		write func(stale, fresh storage.Row[coin]) (storage.Write, error)
		want  error
		after *coin
	}{
		{"put", func(_, _ storage.Row[coin]) (storage.Write, error) { return coins.Put("k", coin{"new", 1}) }, nil, &coin{"new", 1}},
		{"insert", func(_, _ storage.Row[coin]) (storage.Write, error) { return coins.Insert("k", coin{"new", 1}) }, storage.ErrConflict, &coin{"fresh", 2}},
		{"replace fresh", func(_, fresh storage.Row[coin]) (storage.Write, error) {
			return coins.Replace(fresh, coin{"new", 1})
		}, nil, &coin{"new", 1}},
		{"replace stale", func(stale, _ storage.Row[coin]) (storage.Write, error) {
			return coins.Replace(stale, coin{"new", 1})
		}, storage.ErrConflict, &coin{"fresh", 2}},
		{"delete fresh", func(_, fresh storage.Row[coin]) (storage.Write, error) { return coins.Delete(fresh), nil }, nil, nil},
		{"delete stale", func(stale, _ storage.Row[coin]) (storage.Write, error) { return coins.Delete(stale), nil }, storage.ErrConflict, &coin{"fresh", 2}},
		{"remove", func(_, _ storage.Row[coin]) (storage.Write, error) { return coins.Remove("k"), nil }, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows := make([]storage.Row[coin], 2)
			for i, c := range []coin{{"stale", 1}, {"fresh", 2}} {
				w, err := coins.Put("k", c)
				if err := commit(t, e, w, err); err != nil {
					t.Fatal(err)
				}
				if rows[i], err = coins.Get(ctx, "k"); err != nil || rows[i].Key != "k" || rows[i].Value != c {
					t.Fatalf("get: %v, %v; want %v", rows[i], err, c)
				}
			}
			w, err := test.write(rows[0], rows[1])
			if err := commit(t, e, w, err); !errors.Is(err, test.want) {
				t.Errorf("commit: %v, want %v", err, test.want)
			}
			after, err := coins.Get(ctx, "k")
			if test.after == nil && !errors.Is(err, storage.ErrNotFound) || test.after != nil && after.Value != *test.after {
				t.Errorf("after: %v, %v; want %v", after, err, test.after)
			}
		})
	}
}

// TestChangedRecordIsCorrupt changes a record in each way that is possible without
// the MAC's key.
func TestChangedRecordIsCorrupt(t *testing.T) {
	ctx, e := context.Background(), open(t)
	coins := storage.NewTable[coin](e, "coins", macKey)
	w, err := coins.Put("k", coin{"gold", 10})
	if err := commit(t, e, w, err); err != nil {
		t.Fatal(err)
	}
	place := func(table, key string, raw []byte) {
		t.Helper()
		if err := e.Commit(ctx, storage.Write{Table: table, Key: key, Value: raw}); err != nil {
			t.Fatal(err)
		}
	}
	corrupt := func(what string, table storage.Table[coin], key string) {
		t.Helper()
		if r, err := table.Get(ctx, key); !errors.Is(err, storage.ErrCorrupt) || r.Value != (coin{}) {
			t.Errorf("%s: %v, %v; want ErrCorrupt and no value", what, r, err)
		}
	}
	for bit := range 8 * len(w.Value) {
		raw := bytes.Clone(w.Value)
		raw[bit/8] ^= 1 << (bit % 8)
		place("coins", "k", raw)
		corrupt("a flipped bit", coins, "k")
	}
	for n := range w.Value {
		place("coins", "k", w.Value[:n])
		corrupt("a record cut short", coins, "k")
	}
	place("coins", "k", append(bytes.Clone(w.Value), ' '))
	corrupt("a record with more at its end", coins, "k")
	place("coins", "k2", w.Value)
	corrupt("a record at another key", coins, "k2")
	place("purse", "k", w.Value)
	corrupt("a record in another table", storage.NewTable[coin](e, "purse", macKey), "k")
	place("coins", "k", w.Value)
	corrupt("a record by another MAC key", storage.NewTable[coin](e, "coins", bytes.Repeat([]byte{8}, 32)), "k")
	if r, err := coins.Get(ctx, "k"); err != nil || r.Value != (coin{"gold", 10}) {
		t.Errorf("the record itself: %v, %v", r, err)
	}
}

func TestScanGoesOnPastCorruptRecords(t *testing.T) {
	ctx, e := context.Background(), open(t)
	coins := storage.NewTable[coin](e, "coins", macKey)
	for i, key := range []string{"a", "b", "c", "d"} {
		w, err := coins.Insert(key, coin{"gold", i})
		if key == "b" {
			w.Value[0]++
		}
		if err := commit(t, e, w, err); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for r, err := range coins.Scan(ctx, "", "d", 0) {
		if errors.Is(err, storage.ErrCorrupt) {
			r.Key += " is corrupt"
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Key)
	}
	if diff := cmp.Diff([]string{"a", "b is corrupt", "c"}, got); diff != "" {
		t.Error(diff)
	}
	for range coins.Scan(ctx, "", "", 0) {
		break
	}
}

func TestRecordOfAnotherTypeIsAnError(t *testing.T) {
	e := open(t)
	w, err := storage.NewTable[string](e, "coins", macKey).Put("k", "gold")
	if err := commit(t, e, w, err); err != nil {
		t.Fatal(err)
	}
	if r, err := storage.NewTable[coin](e, "coins", macKey).Get(context.Background(), "k"); err == nil || !strings.Contains(err.Error(), "coins") {
		t.Errorf("%v, %v; want an error that names the table", r, err)
	}
	if _, err := storage.NewTable[chan int](e, "coins", macKey).Put("k", nil); err == nil {
		t.Error("a channel was encoded")
	}
}

func TestShortMACKeyPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a table with a short MAC key was made")
		}
	}()
	storage.NewTable[coin](nil, "coins", macKey[:31])
}
