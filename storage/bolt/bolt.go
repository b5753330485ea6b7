// Package bolt keeps a store in one bbolt file.
//
// A single goroutine writes. It takes all commits that wait at that moment
// into one transaction, so that they share its fsync, and never waits for more
// of them. Readers see the last transaction that was written and hold up
// nobody; short records that are read again and again are kept in memory.
//
// bbolt keeps no checksums of its pages and follows them wherever they lead.
// Here what a page does to it, panics and memory faults, becomes
// [storage.ErrCorrupt] of that one read.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"cambio/storage"
)

// Options of a store.
type Options struct {
	// NoSync leaves out the fsync. It is for tests: a power cut may then lose
	// commits that were answered, and break the file.
	NoSync bool
}

// Engine is a [storage.Engine] in a bbolt file.
type Engine struct {
	db   *bbolt.DB
	file *os.File // the one that db writes to
	kept *kept

	mu      sync.Mutex
	waiting []*commit     // in order of arrival
	err     error         // why no more commits are taken; nil while they are
	wake    chan struct{} // holds one value while something waits
	failed  chan struct{}
	stopped chan struct{} // closed when the writer has ended
}

// Open opens the store at path, and creates it, readable by its owner only, if
// it does not exist. It returns [storage.ErrLocked] when another process has
// it open for longer than a second.
func Open(path string, opts Options) (*Engine, error) {
	e := &Engine{kept: newKept(), wake: make(chan struct{}, 1), failed: make(chan struct{}), stopped: make(chan struct{})}
	err := e.open(path, opts)
	if errors.Is(err, berrors.ErrTimeout) {
		err = storage.ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	go e.write()
	return e, nil
}

func (e *Engine) open(path string, opts Options) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	e.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second,
		NoSync:  opts.NoSync,
		// Mapping anew waits for readers and blocks new ones; address space
		// costs nothing.
		InitialMmapSize: 8 << 30,
		// The list is written with each commit: opening need not walk the file.
		FreelistType: bbolt.FreelistMapType,
		// They are counted under a lock that all readers share.
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			e.file, err = os.OpenFile(name, flag, mode)
			return e.file, err
		},
	})
	if err != nil || opts.NoSync {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return errors.Join(err, e.db.Close())
	}
	return nil
}

// syncDir makes the name of a new file durable: syncing a file is no promise
// about the directory it is in.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Failed implements [storage.Engine].
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Close implements [storage.Engine].
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.err == nil {
		e.err = storage.ErrClosed
	}
	e.mu.Unlock()
	e.ring()
	<-e.stopped
	e.kept.close()
	if errors.Is(e.err, storage.ErrCorrupt) {
		return nil // bbolt panicked and may hold its locks; exiting releases the file
	}
	return e.db.Close()
}

// Get implements [storage.Engine].
func (e *Engine) Get(ctx context.Context, table, key string) (value []byte, err error) {
	if err := e.takes(ctx); err != nil {
		return nil, err
	}
	at := place{table, key}
	value, asked := e.kept.get(at)
	if value != nil {
		return value, nil
	}
	err = e.view(ctx, func(tx *bbolt.Tx) error {
		found, err := find(tx.Bucket([]byte(table)), []byte(key))
		if err == nil && found == nil {
			return storage.ErrNotFound
		}
		value = bytes.Clone(found)
		return err
	})
	if err == nil {
		e.kept.keep(at, value, asked)
	}
	return value, err
}

// One reading transaction of Scan takes at most so many records and stops
// after so many bytes. While it lasts, no page that it might see is reused.
const (
	scanRecords = 256
	scanBytes   = 1 << 18
)

// span is what is left of a scan.
type span struct {
	table, from, to string
	limit           int    // below 1 is none
	last            string // the last key that was yielded
}

// Scan implements [storage.Engine].
func (e *Engine) Scan(ctx context.Context, table, from, to string, limit int) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		left := span{table: table, from: from, to: to, limit: limit}
		for {
			batch, more, err := e.batch(ctx, left)
			if err != nil {
				yield(storage.Record{}, err)
				return
			}
			for _, r := range batch {
				if !yield(r, nil) {
					return
				}
			}
			if left.limit -= len(batch); !more || left.limit == 0 {
				return
			}
			// From the last key on, not from the next possible one: a key out
			// of order that stands between the two would be jumped over.
			left.last = batch[len(batch)-1].Key
			left.from = left.last
		}
	}
}

// batch copies the first records of a span, and says whether there may be more.
func (e *Engine) batch(ctx context.Context, s span) (batch []storage.Record, more bool, err error) {
	err = e.view(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(s.table))
		if b == nil {
			return nil
		}
		if _, err := find(b, []byte(s.from)); err != nil {
			return err
		}
		c, size := b.Cursor(), 0
		k, v := c.Seek([]byte(s.from))
		if k != nil && string(k) == s.last {
			k, v = c.Next()
		}
		for ; k != nil && (s.to == "" || string(k) < s.to); k, v = c.Next() {
			if string(k) <= s.last {
				return errOrder
			}
			s.last = string(k)
			batch = append(batch, storage.Record{Key: s.last, Value: bytes.Clone(v)})
			if size += len(k) + len(v); len(batch) == scanRecords || len(batch) == s.limit || size > scanBytes {
				more = true
				return nil
			}
		}
		return nil
	})
	return batch, more, err
}

// takes says whether readers are still answered.
func (e *Engine) takes(ctx context.Context) error {
	select {
	case <-e.failed:
		return storage.ErrFailed
	default:
		return ctx.Err()
	}
}

// view runs a short reading transaction.
func (e *Engine) view(ctx context.Context, read func(*bbolt.Tx) error) (err error) {
	if err := e.takes(ctx); err != nil {
		return err
	}
	defer caught(debug.SetPanicOnFault(true), &err)
	if err = e.db.View(read); errors.Is(err, berrors.ErrDatabaseNotOpen) {
		err = storage.ErrClosed
	}
	return err
}

// caught is deferred where bbolt follows pages that may be damaged. What it
// then does, panicking on what it notices and touching memory that is no part
// of the file on what it does not, becomes ErrCorrupt. It restores what
// SetPanicOnFault was.
func caught(faults bool, err *error) {
	debug.SetPanicOnFault(faults)
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", storage.ErrCorrupt, p)
	}
}

var errOrder = fmt.Errorf("%w: keys out of order", storage.ErrCorrupt)

// find is the value of key in b, nil if there is none. That a key is absent is
// believed only if its neighbours stand on either side of where it would be: a
// damaged branch page leads to the wrong leaf.
func find(b *bbolt.Bucket, key []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	c := b.Cursor()
	next, value := c.Seek(key)
	if next != nil && bytes.Equal(next, key) {
		return value, nil
	}
	if prev, _ := c.Prev(); prev != nil && bytes.Compare(prev, key) >= 0 || next != nil && bytes.Compare(next, key) < 0 {
		return nil, errOrder
	}
	return nil, nil
}
