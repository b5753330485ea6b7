package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// File is the file of an audit log, which other programs may rotate: once its name is
// another file's or none's, the next Write opens it again. It is safe for concurrent
// use.
type File struct {
	name string

	mu   sync.Mutex
	file *os.File
	torn bool // the last line has no end, so a line break goes first
}

// OpenFile opens a file to append to, and creates it if there is none. A line that an
// earlier process left without an end is ended.
func OpenFile(name string) (*File, error) {
	f := &File{name: name}
	if err := f.Reopen(); err != nil {
		return nil, err
	}
	return f, nil
}

// Write appends p, whole lines.
func (f *File) Write(p []byte) (int, error) {
	file, torn, err := f.current()
	if err != nil {
		return 0, err
	}
	if torn {
		if _, err := file.WriteString("\n"); err != nil {
			return 0, err
		}
		f.mu.Lock()
		f.torn = f.torn && f.file != file
		f.mu.Unlock()
	}
	return file.Write(p)
}

// current returns the file of the name, and whether its last line has no end.
func (f *File) current() (file *os.File, torn bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	named, err := os.Stat(f.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	opened, statErr := f.file.Stat()
	if err != nil || statErr != nil || !os.SameFile(named, opened) {
		err = f.open()
	}
	return f.file, f.torn, err
}

// Reopen opens the file of the name now, as after a rotation. After an error the
// former file stays in use.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open()
}

// open replaces the file. A pipe without a reader is an error: opening it would wait.
func (f *File) open() error {
	file, err := os.OpenFile(f.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	before := f.file
	f.file, f.torn = file, endsTorn(f.name)
	if before != nil {
		before.Close() // what it took is written; there is nothing to do about an error
	}
	return nil
}

// endsTorn reports whether a file's last byte is no line break.
func endsTorn(name string) bool {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	file, err := os.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	var last [1]byte
	_, err = file.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
