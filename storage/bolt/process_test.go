package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cambio/storage"
	"cambio/storage/bolt"
)

// childEnv names the function that the test binary runs instead of the tests.
const childEnv = "BOLT_TEST_CHILD"

func TestMain(m *testing.M) {
	children := map[string]func(args []string) error{
		"write": writeUntilKilled, "open": openOnce, "read": readFlipped,
	}
	child, ok := children[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), must(os.Executable()), args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// writeUntilKilled has 8 writers commit pairs of records to the store at
// args[0], their keys beginning with args[1], and print each key once its
// commit was acknowledged.
func writeUntilKilled(args []string) error {
	e, err := bolt.Open(args[0], bolt.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%06d", args[1], w, i)
				err := e.Commit(context.Background(), both(key)...)
				if err == nil {
					_, err = fmt.Println(key)
				}
				if err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func both(key string) []storage.Write {
	return []storage.Write{
		{Table: "left", Key: key, Value: []byte("left of " + key), If: storage.IfAbsent},
		{Table: "right", Key: key, Value: []byte("right of " + key)},
	}
}

func TestKillLosesNoAcknowledgedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	acknowledged := make(map[string]bool)
	for round := range 3 {
		for _, key := range killAfter(t, 400, child(t, "write", path, fmt.Sprint(round))) {
			acknowledged[key] = true
		}
		e := openAt(t, path, bolt.Options{})
		left, right := contents(t, e, "left"), contents(t, e, "right")
		for key := range acknowledged {
			if left[key] != "left of "+key || right[key] != "right of "+key {
				t.Errorf("round %d: %s was acknowledged and is lost: %q, %q", round, key, left[key], right[key])
			}
		}
		for key := range left { // also of commits that were not acknowledged
			if right[key] == "" {
				t.Errorf("round %d: half a commit of %s", round, key)
			}
		}
		if len(left) != len(right) {
			t.Errorf("round %d: %d on the left, %d on the right", round, len(left), len(right))
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter kills cmd, as kill -9 does, once it has printed n lines, and
// returns all lines that it printed whole.
func killAfter(t *testing.T, n int, cmd *exec.Cmd) (lines []string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		lines = append(lines, line[:len(line)-1])
		if len(lines) == n {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if len(lines) < n {
		t.Fatalf("it ended by itself after %d lines: %s", len(lines), stderr.String())
	}
	return lines
}

func contents(t *testing.T, e storage.Engine, table string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for r, err := range e.Scan(context.Background(), table, "", "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		all[r.Key] = string(r.Value)
	}
	return all
}

// openOnce opens and closes the store at args[0].
func openOnce(args []string) error {
	e, err := bolt.Open(args[0], bolt.Options{})
	if err != nil && errors.Is(err, storage.ErrLocked) {
		return fmt.Errorf("locked: %w", err)
	}
	if err != nil {
		return err
	}
	return e.Close()
}

func TestSecondProcessGetsErrLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	e := openAt(t, path, bolt.Options{})
	out, err := child(t, "open", path).CombinedOutput()
	if want := "locked: opening " + path + ": in use by another process\n"; err == nil || string(out) != want {
		t.Errorf("%v, %q; want %q", err, out, want)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "open", path).CombinedOutput(); err != nil {
		t.Errorf("once it is free: %v, %s", err, out)
	}
}
