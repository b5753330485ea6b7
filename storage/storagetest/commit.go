package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cambio/storage"
)

func getReturnsWhatWasCommitted(t *testing.T, e storage.Engine, _ opener) {
	want(t, e, "a", "") // in a table that does not exist
	commit(t, e, put("a", "1"), put("b", "2"))
	want(t, e, "a", "1")
	want(t, e, "b", "2")
	want(t, e, "c", "")
	commit(t, e, put("a", "3"), remove("b"), remove("never there"))
	want(t, e, "a", "3")
	want(t, e, "b", "")
	commit(t, e) // of nothing
	commit(t, e, storage.Write{Table: table, Key: "empty", Value: []byte{}})
	if v, err := e.Get(context.Background(), table, "empty"); err != nil || len(v) != 0 {
		t.Errorf("an empty value: %q, %v", v, err)
	}
}

func callersMayChangeBytes(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("a", "value"))
	for range 3 { // an engine may cache what it read
		v, err := e.Get(context.Background(), table, "a")
		if err != nil || string(v) != "value" {
			t.Fatalf("get: %q, %v", v, err)
		}
		copy(v, "stain")
	}
	for r, err := range e.Scan(context.Background(), table, "", "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		copy(r.Value, "stain")
	}
	want(t, e, "a", "value")
}

func tablesAreSeparate(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("a", "here"), storage.Write{Table: "other", Key: "a", Value: []byte("there")})
	commit(t, e, storage.Write{Table: "other", Key: "a"})
	want(t, e, "a", "here")
	wantKeys(t, keys(t, e.Scan(context.Background(), "other", "", "", 0)), nil)
}

func conditionsDecide(t *testing.T, e storage.Engine, _ opener) {
	for i, test := range []struct {
		name  string
		there string // "" for none
		write func(key string) storage.Write
		after string
		err   error
	}{
		{"put a new key", "", func(k string) storage.Write { return put(k, "new") }, "new", nil},
		{"put over a record", "old", func(k string) storage.Write { return put(k, "new") }, "new", nil},
		{"insert a new key", "", func(k string) storage.Write { return ifAbsent(put(k, "new")) }, "new", nil},
		{"insert over a record", "old", func(k string) storage.Write { return ifAbsent(put(k, "new")) }, "old", storage.ErrConflict},
		{"replace what was read", "old", func(k string) storage.Write { return ifEqual(put(k, "new"), "old") }, "new", nil},
		{"replace what has changed", "older", func(k string) storage.Write { return ifEqual(put(k, "new"), "old") }, "older", storage.ErrConflict},
		{"replace what was deleted", "", func(k string) storage.Write { return ifEqual(put(k, "new"), "old") }, "", storage.ErrConflict},
		{"replace a missing record as an empty one", "", func(k string) storage.Write { return ifEqual(put(k, "new"), "") }, "", storage.ErrConflict},
		{"delete what was read", "old", func(k string) storage.Write { return ifEqual(remove(k), "old") }, "", nil},
		{"delete what has changed", "older", func(k string) storage.Write { return ifEqual(remove(k), "old") }, "older", storage.ErrConflict},
		{"delete what was deleted", "", func(k string) storage.Write { return ifEqual(remove(k), "old") }, "", storage.ErrConflict},
		{"require the absence of a missing record", "", func(k string) storage.Write { return ifAbsent(remove(k)) }, "", nil},
		{"require the absence of a record", "old", func(k string) storage.Write { return ifAbsent(remove(k)) }, "old", storage.ErrConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := strconv.Itoa(i)
			if test.there != "" {
				commit(t, e, put(key, test.there))
			}
			if err := e.Commit(context.Background(), test.write(key)); !errors.Is(err, test.err) {
				t.Errorf("commit: %v, want %v", err, test.err)
			}
			want(t, e, key, test.after)
		})
	}
}

func failedCommitLeavesNothing(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("b", "1"), put("d", "1"))
	err := e.Commit(context.Background(),
		put("a", "2"), put("b", "2"), ifAbsent(put("d", "2")), remove("b2"),
		storage.Write{Table: "other", Key: "a", Value: []byte("2")})
	if !errors.Is(err, storage.ErrConflict) {
		t.Errorf("commit: %v, want ErrConflict", err)
	}
	want(t, e, "a", "")
	want(t, e, "b", "1")
	want(t, e, "d", "1")
	wantKeys(t, keys(t, e.Scan(context.Background(), "other", "", "", 0)), nil)
}

func invalidCommitLeavesNothing(t *testing.T, e storage.Engine, _ opener) {
	long := strings.Repeat("k", storage.MaxKey)
	for name, bad := range map[string]storage.Write{
		"a key twice":          put("good", "2"),
		"no table":             {Key: "k", Value: []byte("v")},
		"no key":               {Table: table, Value: []byte("v")},
		"a table too long":     {Table: long + "k", Key: "k", Value: []byte("v")},
		"a key too long":       put(long+"k", "v"),
		"a value too long":     {Table: table, Key: "k", Value: make([]byte, storage.MaxValue+1)},
		"an unknown condition": {Table: table, Key: "k", Value: []byte("v"), If: 99},
	} {
		err := e.Commit(context.Background(), put("good", "1"), bad)
		if err == nil || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrFailed) {
			t.Errorf("%s: %v", name, err)
		}
		want(t, e, "good", "")
	}
	commit(t, e, storage.Write{Table: long, Key: long, Value: make([]byte, storage.MaxValue)})
	commit(t, e, put("good", "1"))
}

func conflictFailsOnlyItself(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("taken", "1"))
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			mine := fmt.Sprintf("%02d", i)
			writes := []storage.Write{put(mine, "v")}
			if i%2 == 1 {
				writes = append(writes, ifAbsent(put("taken", "2")))
			}
			if err := e.Commit(context.Background(), writes...); errors.Is(err, storage.ErrConflict) != (i%2 == 1) || i%2 == 0 && err != nil {
				t.Errorf("commit %d: %v", i, err)
			}
		})
	}
	all.Wait()
	for i := range 64 {
		want(t, e, fmt.Sprintf("%02d", i), []string{"v", ""}[i%2])
	}
	want(t, e, "taken", "1")
}

func endedContextChangesNothing(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("a", "1"))
	want(t, e, "a", "1") // which an engine may cache
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Commit(ctx, put("a", "2")); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if _, err := e.Get(ctx, table, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	for r, err := range e.Scan(ctx, table, "", "", 0) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("scan: %v, %v", r, err)
		}
	}
	want(t, e, "a", "1")
}

// spendOnce checks what refresh tokens, codes and nonces rest on: of many callers
// that spend one thing at once, one wins and the others change nothing.
func spendOnce(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("unspent", "token"))
	for name, spend := range map[string]func() storage.Write{
		"insert":  func() storage.Write { return ifAbsent(put("spent", "token")) },
		"replace": func() storage.Write { return ifEqual(put("unspent", "nothing"), "token") },
		"delete":  func() storage.Write { return ifEqual(remove("unspent2"), "token") },
	} {
		t.Run(name, func(t *testing.T) {
			commit(t, e, put("unspent2", "token"))
			var winners atomic.Int32
			var all sync.WaitGroup
			start := make(chan struct{})
			for i := range 64 {
				all.Go(func() {
					<-start
					err := e.Commit(context.Background(), spend(), put(fmt.Sprintf("%s won by %d", name, i), "v"))
					if err == nil {
						winners.Add(1)
					} else if !errors.Is(err, storage.ErrConflict) {
						t.Error(err)
					}
				})
			}
			close(start)
			all.Wait()
			traces := keys(t, e.Scan(context.Background(), table, name+" won", name+" won~", 0))
			if winners.Load() != 1 || len(traces) != 1 {
				t.Errorf("%d winners, which wrote %q", winners.Load(), traces)
			}
		})
	}
}

func noUpdateIsLost(t *testing.T, e storage.Engine, _ opener) {
	commit(t, e, put("sum", "0"))
	increment := func() error {
		old, err := e.Get(context.Background(), table, "sum")
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(old))
		return e.Commit(context.Background(), ifEqual(put("sum", strconv.Itoa(n+1)), string(old)))
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				if err := storage.Retry(context.Background(), math.MaxInt, increment); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	want(t, e, "sum", "200")
}
