package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"

	"go.etcd.io/bbolt"

	"cambio/storage"
)

// commit is what one caller waits for.
type commit struct {
	writes []storage.Write
	err    error // why it took no part in its transaction
	done   chan error
}

// Commit implements [storage.Engine].
func (e *Engine) Commit(ctx context.Context, writes ...storage.Write) error {
	if err := errors.Join(ctx.Err(), storage.Check(writes)); err != nil || len(writes) == 0 {
		return err
	}
	c := &commit{writes: writes, done: make(chan error, 1)}
	if err := e.enqueue(c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for a commit that may yet happen: %w", ctx.Err())
	}
}

func (e *Engine) enqueue(c *commit) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.waiting = append(e.waiting, c)
		e.ring()
	}
	return e.err
}

func (e *Engine) ring() {
	select {
	case e.wake <- struct{}{}:
	default: // the writer has yet to answer the last one
	}
}

// write is the writer. It ends once no more commits are taken and those that
// were have been answered.
func (e *Engine) write() {
	defer close(e.stopped)
	for range e.wake {
		e.mu.Lock()
		group, last := e.waiting, e.err != nil
		e.waiting = nil
		e.mu.Unlock()
		e.run(group)
		if last {
			return
		}
	}
}

// run commits a group and answers each of its members.
func (e *Engine) run(group []*commit) {
	err := e.transact(group)
	if errors.Is(err, storage.ErrFull) && len(group) > 1 {
		for i := range group { // a smaller one may still fit, or make room
			e.run(group[i : i+1])
		}
		return
	}
	for _, c := range group {
		if err != nil { // what c.err rests on may never have been written
			c.err = err
		}
		c.done <- c.err
	}
}

// errNothing rolls back a transaction that changed nothing.
var errNothing = errors.New("nothing to commit")

// transact applies those of the group whose conditions hold, in order, in one
// transaction. What becomes of a single one is its err, not an error here,
// which would undo the others.
func (e *Engine) transact(group []*commit) error {
	if len(group) == 0 {
		return nil
	}
	select {
	case <-e.failed:
		return storage.ErrFailed
	default:
	}
	e.kept.begin(group)
	defer e.kept.end()
	var id int
	err := e.update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		return applyAll(tx, group)
	})
	if err == nil || errors.Is(err, errNothing) {
		return nil
	}
	return e.broken(err, id)
}

func (e *Engine) update(write func(*bbolt.Tx) error) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	return e.db.Update(write)
}

func applyAll(tx *bbolt.Tx, group []*commit) error {
	result := errNothing
	for _, c := range group {
		if c.err = holds(tx, c.writes); c.err != nil {
			continue
		}
		if err := apply(tx, c.writes); err != nil {
			return err
		}
		result = nil
	}
	return result
}

// holds is nil if all conditions do, and else ErrConflict or ErrCorrupt.
func holds(tx *bbolt.Tx, writes []storage.Write) error {
	for _, w := range writes {
		value, err := find(tx.Bucket([]byte(w.Table)), []byte(w.Key))
		if err != nil {
			return err
		}
		if w.If == storage.IfAbsent && value != nil || w.If == storage.IfEqual && (value == nil || !bytes.Equal(value, w.Old)) {
			return storage.ErrConflict
		}
	}
	return nil
}

func apply(tx *bbolt.Tx, writes []storage.Write) error {
	for _, w := range writes {
		b, err := tx.CreateBucketIfNotExists([]byte(w.Table))
		if err != nil {
			return err
		}
		if w.Value == nil {
			err = b.Delete([]byte(w.Key))
		} else {
			err = b.Put([]byte(w.Key), w.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// broken decides what the error of transaction id means. Want of room is
// harmless as long as the transaction's meta page was not written: then the
// file's last transaction is still the one before. After anything else nobody
// can tell what is on the disk, and the engine fails.
func (e *Engine) broken(err error, id int) error {
	if e.full(err) && e.last() == id-1 {
		return fmt.Errorf("%w: %w", storage.ErrFull, err)
	}
	err = fmt.Errorf("%w: %w", storage.ErrFailed, err)
	e.mu.Lock()
	e.err = err
	e.mu.Unlock()
	close(e.failed)
	e.ring()
	return err
}

// full says whether err is for want of room. bbolt drops the cause when it
// could not grow the file, so growing it is tried again.
func (e *Engine) full(err error) bool {
	errno, known := errors.AsType[syscall.Errno](err)
	if info, statErr := e.file.Stat(); !known && statErr == nil {
		errno, _ = errors.AsType[syscall.Errno](e.file.Truncate(info.Size() + 2*int64(e.db.AllocSize)))
	}
	return errno == syscall.ENOSPC || errno == syscall.EDQUOT || errno == syscall.EFBIG
}

// last is the ID of the last transaction that readers see, or -1.
func (e *Engine) last() int {
	id := -1
	_ = e.view(context.Background(), func(tx *bbolt.Tx) error {
		id = tx.ID()
		return nil
	})
	return id
}
