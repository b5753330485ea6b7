package bolt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cambio/storage"
	"cambio/storage/bolt"
	"cambio/storage/storagetest"
)

func TestEngine(t *testing.T) {
	dir := t.TempDir()
	storagetest.Run(t, func(t *testing.T) storage.Engine {
		return openAt(t, filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")), bolt.Options{NoSync: true})
	})
}

func TestFileIsReadableByItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	openAt(t, path, bolt.Options{})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want -rw-------", info.Mode(), err)
	}
}

func TestOpenErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	openAt(t, taken, bolt.Options{})
	for path, want := range map[string]error{
		filepath.Join(dir, "absent", "db"): os.ErrNotExist,
		text:                               nil,
		dir:                                nil,
		taken:                              storage.ErrLocked,
	} {
		e, err := bolt.Open(path, bolt.Options{})
		if e != nil || err == nil || !strings.Contains(err.Error(), path) || want != nil && !errors.Is(err, want) {
			t.Errorf("open %s: %v, want an error that names the file, %v", path, err, want)
		}
	}
	if b, _ := os.ReadFile(text); !strings.HasPrefix(string(b), "no database\n") {
		t.Error("opening a file of another kind changed it")
	}
}

// After an error of the disk other than lack of room it is unknown what was
// written.
func TestBrokenDiskFailsTheEngine(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "db")
	e := openAt(t, path, bolt.Options{})
	write := storage.Write{Table: "t", Key: "k", Value: []byte("v")}
	if err := e.Commit(ctx, write, storage.Write{Table: "t", Key: "other", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get(ctx, "t", "other"); err != nil {
		t.Fatal(err)
	}
	bolt.BreakFile(e)
	for range 2 {
		if err := e.Commit(ctx, write); !errors.Is(err, storage.ErrFailed) {
			t.Errorf("commit: %v, want ErrFailed", err)
		}
	}
	for _, key := range []string{"k", "other"} {
		if _, err := e.Get(ctx, "t", key); !errors.Is(err, storage.ErrFailed) {
			t.Errorf("get %s: %v, want ErrFailed", key, err)
		}
	}
	for _, err := range e.Scan(ctx, "t", "", "", 0) {
		if !errors.Is(err, storage.ErrFailed) {
			t.Errorf("scan: %v, want ErrFailed", err)
		}
	}
	<-e.Failed()
	_ = e.Close() // returns an error, as the file is closed already
	again := openAt(t, path, bolt.Options{})
	if v, err := again.Get(ctx, "t", "k"); err != nil || string(v) != "v" {
		t.Errorf("after reopening: %q, %v", v, err)
	}
}

// TestReadersSeeEveryDurableCommit reads a record all the time: a read after a
// commit returns its value, and no reader sees an older one again.
func TestReadersSeeEveryDurableCommit(t *testing.T) {
	e := openAt(t, filepath.Join(t.TempDir(), "db"), bolt.Options{NoSync: true})
	ctx, stop := context.WithCancel(t.Context())
	commit := func(n int) {
		if err := e.Commit(t.Context(), storage.Write{Table: "t", Key: "k", Value: []byte(strconv.Itoa(n))}); err != nil {
			t.Error(err)
		}
	}
	read := func() int {
		value, err := e.Get(t.Context(), "t", "k")
		n, _ := strconv.Atoi(string(value))
		if err != nil || n == 0 {
			t.Errorf("read %q, %v", value, err)
		}
		return n
	}
	commit(1)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := 1; ctx.Err() == nil; {
				n := read()
				if n < last {
					t.Errorf("read %d after %d", n, last)
				}
				last = n
			}
		})
	}
	for n := 2; n < 500 && !t.Failed(); n++ {
		commit(n)
		if got := read(); got != n {
			t.Errorf("read %d after a commit of %d", got, n)
		}
	}
	stop()
	readers.Wait()
}
