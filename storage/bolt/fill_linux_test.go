package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"cambio/storage"
	"cambio/storage/bolt"
)

// fillEnv makes TestFullDisk the process whose disk is full: it holds a kind of
// disk and a directory, separated by a colon.
const fillEnv = "BOLT_TEST_FILL"

// TestFullDisk fills two disks: one that is full because the process may write no
// larger file, and a small filesystem, if the kernel lets the test mount one.
func TestFullDisk(t *testing.T) {
	if kind, dir, ok := strings.Cut(os.Getenv(fillEnv), ":"); ok {
		if err := fill(kind, dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("file size limit", func(t *testing.T) {
		if out, err := filler(t, "limit").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("small filesystem", func(t *testing.T) {
		cmd := filler(t, "mount")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		_, ran := errors.AsType[*exec.ExitError](err)
		switch {
		case err != nil && !ran, bytes.Contains(out, []byte(errNoMount.Error())):
			t.Logf("mounting is not allowed, so only the file size limit was tested: %v %s", err, out)
		case err != nil:
			t.Errorf("%v: %s", err, out)
		}
	})
}

func filler(t *testing.T, kind string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), must(os.Executable()), "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), fillEnv+"="+kind+":"+t.TempDir())
	return cmd
}

var errNoMount = errors.New("mounting is not allowed")

// disk is a disk that can be made small and large.
type disk struct{ shrink, enlarge func() error }

func newDisk(kind, dir string) disk {
	mount := func(flags uintptr, size string) func() error {
		return func() error {
			if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size); err != nil {
				return fmt.Errorf("%w: %w", errNoMount, err)
			}
			return nil
		}
	}
	limit := func(size uint64) func() error {
		return func() error {
			return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: 1 << 30})
		}
	}
	if kind == "mount" {
		return disk{shrink: mount(0, "8m"), enlarge: mount(syscall.MS_REMOUNT, "64m")}
	}
	return disk{shrink: limit(24 << 20), enlarge: limit(1 << 30)}
}

// fill fills a disk at dir and checks that only commits without room fail, that
// they change nothing, and that commits succeed again once there is room.
func fill(kind, dir string) error {
	disk, path := newDisk(kind, dir), filepath.Join(dir, "db")
	if err := disk.shrink(); err != nil {
		return err
	}
	e, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	stored, err := fillUp(e)
	if err != nil {
		return err
	}
	if err := errors.Join(holdsExactly(e, stored), crowd(e, stored)); err != nil {
		return fmt.Errorf("while full: %w", err)
	}
	if err := disk.enlarge(); err != nil {
		return err
	}
	if err := errors.Join(e.Commit(context.Background(), pair(9999)...), holdsExactly(e, append(stored, 9999)), e.Close()); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return sound(path)
}

// pair returns the writes of a large record and of a small one that must not be
// stored without it.
func pair(i int) []storage.Write {
	key := fmt.Sprintf("%04d", i)
	return []storage.Write{
		{Table: "index", Key: key, Value: []byte{}},
		{Table: "large", Key: key, Value: bytes.Repeat([]byte{byte(i)}, 256<<10)},
	}
}

func fillUp(e *bolt.Engine) (stored []int, err error) {
	for i := range 1000 {
		err := e.Commit(context.Background(), pair(i)...)
		if errors.Is(err, storage.ErrFull) && i > 3 {
			return stored, nil
		}
		if err != nil {
			return nil, fmt.Errorf("commit %d: %w", i, err)
		}
		stored = append(stored, i)
	}
	return nil, errors.New("1000 commits did not fill the disk")
}

func holdsExactly(e *bolt.Engine, stored []int) error {
	for _, i := range stored {
		for _, w := range pair(i) {
			v, err := e.Get(context.Background(), w.Table, w.Key)
			if err != nil || !bytes.Equal(v, w.Value) {
				return fmt.Errorf("%s %s: %d bytes, %w", w.Table, w.Key, len(v), err)
			}
		}
	}
	for _, table := range []string{"index", "large"} {
		n := 0
		for _, err := range e.Scan(context.Background(), table, "", "", 0) {
			if n++; err != nil {
				return err
			}
		}
		if n != len(stored) {
			return fmt.Errorf("%d records in table %s, want %d", n, table, len(stored))
		}
	}
	return nil
}

// crowd makes commits without room and commits that conflict, all at once.
func crowd(e *bolt.Engine, stored []int) error {
	var all sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		all.Go(func() {
			writes, want := pair(2000+i), storage.ErrFull
			if i%4 == 0 {
				writes, want = pair(stored[0]), storage.ErrConflict
				writes[0].If = storage.IfAbsent
			}
			if err := e.Commit(context.Background(), writes...); !errors.Is(err, want) {
				errs[i] = fmt.Errorf("concurrent commit: %w, want %w", err, want)
			}
		})
	}
	all.Wait()
	select {
	case <-e.Failed():
		return errors.New("a full disk failed the engine")
	default:
		return errors.Join(append(errs, holdsExactly(e, stored))...)
	}
}

// sound returns an error that bbolt finds in the file's pages.
func sound(path string) error {
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	})
}
