package bolt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// openFile opens the file of a store. If a power cut ended the creation of the file,
// which then can be neither read nor created, it makes the file empty, so that bbolt
// begins anew.
func (e *Engine) openFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	e.file = file
	if !lock(file) {
		return file, nil // another process has it; bbolt waits for its lock
	}
	if e.begunAnew, err = unfinished(file); err == nil && e.begunAnew {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// BegunAnew reports whether the creation of the file had not finished, and was begun
// anew: nothing had been committed to it.
func (e *Engine) BegunAnew() bool { return e.begunAnew }

// unfinished reports whether a file has only a part of what bbolt writes at the
// creation, in sectors that a power cut left out. A file of that size with anything
// else is damaged: the first commit makes it longer, and changes it.
func unfinished(file *os.File) (bool, error) {
	const sector = 512
	info, err := file.Stat()
	if err != nil || info.Size() == 0 || info.Size() > int64(4*os.Getpagesize()) {
		return false, err
	}
	got, err := io.ReadAll(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return false, err
	}
	want, err := created(filepath.Dir(file.Name()))
	if err != nil || len(got) > len(want) || bytes.Equal(got, want) {
		return false, err
	}
	for i := 0; i < len(got); i += sector {
		end := min(i+sector, len(got))
		if part := got[i:end]; !bytes.Equal(part, want[i:end]) && len(bytes.Trim(part, "\x00")) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// created returns the content of a file that bbolt has just created, below a folder
// that it may write to.
func created(below string) (content []byte, err error) {
	dir, err := os.MkdirTemp(below, ".new-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := filepath.Join(dir, "new")
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}
