// Package bolt keeps a store in one bbolt file.
//
// Commits that wait together share a transaction and its fsync ([storage.Group]).
// Readers see the last transaction that was written and block nothing.
//
// bbolt keeps no checksums of its pages and follows them wherever they lead.
// The panics and memory faults that a damaged page causes in it become
// [storage.ErrCorrupt] of that one read.
package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"cambio/storage"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Options of a store.
type Options struct {
	// NoSync leaves out the fsync. It is for tests: a power cut may then lose
	// durable commits and break the file.
	NoSync bool
}

// Engine is a [storage.Engine] in a bbolt file.
type Engine struct {
	group  *storage.Group
	db     *bbolt.DB
	file   *os.File      // the one that db writes to
	err    error         // once set, every commit returns it; used by the group's calls alone
	failed chan struct{} // closed when err is set to ErrFailed

	begunAnew bool
}

// Open opens the store at path. It creates the file, readable by its owner
// only, if it does not exist or a power cut ended its creation. It returns [storage.ErrLocked] if another process
// has it open for longer than a second.
func Open(path string, opts Options) (*Engine, error) {
	e := &Engine{failed: make(chan struct{})}
	e.group = storage.NewGroup(e.write)
	err := guard(func() error { return e.open(path, opts) })
	if errors.Is(err, berrors.ErrTimeout) {
		err = storage.ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return e, nil
}

func (e *Engine) open(path string, opts Options) (err error) {
	e.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: time.Second,
		NoSync:  opts.NoSync,
		// Mapping again blocks readers; address space costs nothing.
		InitialMmapSize: 8 << 30,
		// The list is written with each commit: opening need not walk the file.
		FreelistType: bbolt.FreelistMapType,
		// They are counted under a lock that all readers share.
		NoStatistics: true,
		OpenFile:     e.openFile,
	})
	if err != nil || opts.NoSync {
		return err
	}
	// Syncing a new file does not make its name durable.
	dir, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		err = errors.Join(err, e.db.Close())
	}
	return err
}

// Failed implements [storage.Engine].
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Close implements [storage.Engine].
func (e *Engine) Close() error {
	return e.group.Exclude(func() error {
		if errors.Is(e.err, storage.ErrCorrupt) {
			return nil // bbolt panicked and may hold its locks; exiting releases the file
		}
		e.err = cmp.Or(e.err, storage.ErrClosed)
		return e.db.Close()
	})
}

// Get implements [storage.Engine].
func (e *Engine) Get(ctx context.Context, table, key string) (value []byte, err error) {
	err = e.view(ctx, func(tx *bbolt.Tx) error {
		found, err := find(tx.Bucket([]byte(table)), []byte(key))
		if err == nil && found == nil {
			return storage.ErrNotFound
		}
		value = bytes.Clone(found)
		return err
	})
	return value, err
}

// view runs a short reading transaction.
func (e *Engine) view(ctx context.Context, read func(*bbolt.Tx) error) error {
	select {
	case <-e.failed:
		return storage.ErrFailed
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	err := guard(func() error { return e.db.View(read) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return storage.ErrClosed
	}
	return err
}

// guard calls a function in which bbolt follows pages that may be damaged. It
// returns ErrCorrupt if bbolt panics or touches memory outside of the file.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", storage.ErrCorrupt, p)
		}
	}()
	return do()
}

var errOrder = fmt.Errorf("%w: keys out of order", storage.ErrCorrupt)

// find returns the value of key in b, or nil if there is none. It takes a key
// for absent only if its neighbours are on either side of where it would be: a
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

// One reading transaction of Scan ends after this many records or bytes. While
// it lasts, no page that it might see is reused.
const scanRecords, scanBytes = 256, 1 << 18

// Scan implements [storage.Engine].
func (e *Engine) Scan(ctx context.Context, table, from, to string, limit int) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		for left := (span{from: from, to: to, limit: limit}); !left.done; {
			var batch []storage.Record
			err := e.view(ctx, func(tx *bbolt.Tx) (err error) {
				batch, err = left.read(tx.Bucket([]byte(table)))
				return err
			})
			if err != nil {
				yield(storage.Record{}, err)
				return
			}
			for _, r := range batch {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// span is the part of a table that is left of a scan.
type span struct {
	from, to string
	limit    int    // below 1 is none
	last     string // the last key that was read
	done     bool   // nothing is left
}

// read copies the first records of the span and shortens it by them.
func (s *span) read(b *bbolt.Bucket) (batch []storage.Record, err error) {
	s.done = true
	if _, err := find(b, []byte(s.from)); err != nil || b == nil {
		return nil, err
	}
	c, size := b.Cursor(), 0
	k, v := c.Seek([]byte(s.from))
	if k != nil && string(k) == s.last {
		k, v = c.Next()
	}
	for ; k != nil && (s.to == "" || string(k) < s.to); k, v = c.Next() {
		if string(k) <= s.last {
			return nil, errOrder
		}
		s.last = string(k)
		batch = append(batch, storage.Record{Key: s.last, Value: bytes.Clone(v)})
		size += len(k) + len(v)
		if len(batch) == s.limit {
			break
		}
		if len(batch) == scanRecords || size > scanBytes {
			// From the last key on, not from the next possible one, which would
			// skip a key out of order that is between the two.
			s.from, s.limit, s.done = s.last, s.limit-len(batch), false
			break
		}
	}
	return batch, nil
}
