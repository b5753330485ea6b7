package bolt

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"go.etcd.io/bbolt"

	"cambio/storage"
)

// Commit implements [storage.Engine].
func (e *Engine) Commit(ctx context.Context, writes ...storage.Write) error {
	return e.group.Commit(ctx, writes...)
}

// errNothing rolls back a transaction that changed nothing.
var errNothing = errors.New("nothing to commit")

// write commits a group in one transaction, without the members whose
// conditions do not hold.
func (e *Engine) write(group []*storage.Pending) error {
	if e.err != nil {
		return e.err
	}
	id := 0
	err := guard(func() error {
		return e.db.Update(func(tx *bbolt.Tx) error {
			id = tx.ID()
			return applyAll(tx, group)
		})
	})
	if err == nil || errors.Is(err, errNothing) {
		return nil
	}
	return e.broken(err, id)
}

func applyAll(tx *bbolt.Tx, group []*storage.Pending) error {
	result := errNothing
	for _, p := range group {
		if p.Err = check(tx, p.Writes); p.Err != nil {
			continue
		}
		for _, w := range p.Writes {
			if err := apply(tx, w); err != nil {
				return err
			}
		}
		result = nil
	}
	return result
}

// check returns ErrConflict if a condition does not hold, and ErrCorrupt if a
// record that one is about cannot be read.
func check(tx *bbolt.Tx, writes []storage.Write) error {
	for _, w := range writes {
		value, err := find(tx.Bucket([]byte(w.Table)), []byte(w.Key))
		if err == nil && !w.Holds(value) {
			err = storage.ErrConflict
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func apply(tx *bbolt.Tx, w storage.Write) error {
	b, err := tx.CreateBucketIfNotExists([]byte(w.Table))
	if err != nil {
		return err
	}
	if w.Value == nil {
		return b.Delete([]byte(w.Key))
	}
	return b.Put([]byte(w.Key), w.Value)
}

// broken decides what the error of transaction id means. A full disk does no
// harm if the meta page was not written: the transaction before is then still
// the last one. Otherwise it is unknown what the file holds, and the engine fails.
func (e *Engine) broken(err error, id int) error {
	if e.full(err) && e.last() == id-1 {
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	}
	e.err = fmt.Errorf("%w: %w", storage.ErrFailed, err)
	close(e.failed)
	return e.err
}

// full reports whether err is for lack of room. bbolt drops the cause when it
// could not grow the file, so full tries again to grow it.
func (e *Engine) full(err error) bool {
	errno, known := errors.AsType[syscall.Errno](err)
	if info, statErr := e.file.Stat(); !known && statErr == nil {
		errno, _ = errors.AsType[syscall.Errno](e.file.Truncate(info.Size() + 2*int64(e.db.AllocSize)))
	}
	return errno == syscall.ENOSPC || errno == syscall.EDQUOT || errno == syscall.EFBIG
}

// last returns the ID of the last transaction that readers see, or 0.
func (e *Engine) last() (id int) {
	_ = e.view(context.Background(), func(tx *bbolt.Tx) error {
		id = tx.ID()
		return nil
	})
	return id
}
