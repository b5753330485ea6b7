package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cambio/exchange/audit"
)

func openFile(t *testing.T, name string) *audit.File {
	t.Helper()
	f, err := audit.OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f *audit.File, text string) {
	t.Helper()
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Each row is what a rotating program does between two writes.
func TestFileFollowsRotation(t *testing.T) {
	for _, row := range []struct {
		name         string
		rotate       func(name string) error
		first, moved string // content of the name, and of the rotated file
	}{
		{"nothing", func(string) error { return nil }, "a\nb\n", ""},
		{"renamed", func(name string) error { return os.Rename(name, name+".1") }, "b\n", "a\n"},
		{"renamed and created", func(name string) error {
			return errors.Join(os.Rename(name, name+".1"), os.WriteFile(name, nil, 0o600))
		}, "b\n", "a\n"},
		{"copied and truncated", func(name string) error {
			return errors.Join(os.WriteFile(name+".1", []byte("a\n"), 0o600), os.Truncate(name, 0))
		}, "b\n", "a\n"},
		{"removed", os.Remove, "b\n", ""},
		{"replaced by a link", func(name string) error {
			return errors.Join(os.Rename(name, name+".1"), os.WriteFile(name+".2", nil, 0o600), os.Symlink(name+".2", name))
		}, "b\n", "a\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "audit.log")
			f := openFile(t, name)
			write(t, f, "a\n")
			if err := row.rotate(name); err != nil {
				t.Fatal(err)
			}
			write(t, f, "b\n")
			got, err := os.ReadFile(name)
			moved, _ := os.ReadFile(name + ".1")
			if string(got) != row.first || string(moved) != row.moved {
				t.Errorf("%q and %q, want %q and %q: %v", got, moved, row.first, row.moved, err)
			}
		})
	}
}

func TestFileEndsATornLine(t *testing.T) {
	for _, row := range []struct{ before, want string }{
		{"", "b\n"},
		{"a\n", "a\nb\n"},
		{`{"time`, "{\"time\nb\n"},
	} {
		name := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(name, []byte(row.before), 0o600); err != nil {
			t.Fatal(err)
		}
		write(t, openFile(t, name), "b\n")
		if got, err := os.ReadFile(name); string(got) != row.want {
			t.Errorf("after %q: %q, want %q: %v", row.before, got, row.want, err)
		}
	}
}

// A folder that no longer allows a new file is a failed write: the file that was
// renamed may be removed any time.
func TestFileThatCannotBeOpenedAgainIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, filepath.Join(dir, "audit.log"))
	if err := os.Rename(dir, dir+".1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("a\n")); err == nil || !strings.Contains(err.Error(), "opening the audit log") {
		t.Error(err)
	}
	if err := os.Rename(dir+".1", dir); err != nil {
		t.Fatal(err)
	}
	write(t, f, "a\n")
}

func TestPipeWithoutReaderIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenFile(name); !errors.Is(err, syscall.ENXIO) {
		t.Error(err)
	}
}
