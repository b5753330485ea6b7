// Package storage keeps ordered records and commits changes to them all or
// nothing.
//
// An [Engine] knows tables, keys and bytes. The whole concurrency model is
// compare-and-swap: read, decide purely, commit what was decided on with what
// was read as the condition, and on [ErrConflict] read again. That fits bbolt,
// PostgreSQL and any other transactional store without closures that run
// twice. [Table] puts typed records, each with a MAC, above any engine.
package storage

import (
	"context"
	"errors"
	"iter"
)

// Errors of engines and tables. Callers branch on them with errors.Is.
var (
	// ErrNotFound says that a table has no record of a key.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a commit changed nothing because a condition did
	// not hold. The caller reads again and decides anew.
	ErrConflict = errors.New("conflict")
	// ErrFull says that a commit changed nothing because the disk is full.
	// The engine goes on serving, and later commits may succeed.
	ErrFull = errors.New("disk is full")
	// ErrCorrupt says that a record is not what was written: its MAC differs.
	ErrCorrupt = errors.New("record is corrupt")
	// ErrLocked says that another process holds the store.
	ErrLocked = errors.New("in use by another process")
	// ErrFailed says that an earlier commit may or may not have been written.
	// The engine answers nothing more; the process exits and opens it anew.
	ErrFailed = errors.New("store failed")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("store is closed")
)

// Engine is a store. Its methods are safe for concurrent use.
type Engine interface {
	// Get returns the value last committed, or ErrNotFound. The bytes are the
	// caller's own.
	Get(ctx context.Context, table, key string) ([]byte, error)
	// Scan yields the records with from <= key < to in key order, at most
	// limit of them. An empty to means the end of the table; limit 0 means all.
	// It sees each record as of some moment of the scan, never half a commit
	// within one record, and holds up no writer while the caller works. It ends
	// after the first error.
	Scan(ctx context.Context, table, from, to string, limit int) iter.Seq2[Record, error]
	// Commit applies all writes or none, and returns once they are durable: an
	// answered commit survives kill -9 and power loss. It returns ErrConflict,
	// having changed nothing, if a write's condition no longer holds, and
	// ErrFull, having changed nothing, if there is no room. After any other
	// error the engine answers ErrFailed. A context that ends while the commit
	// waits leaves open whether it happened.
	Commit(ctx context.Context, writes ...Write) error
	// Failed is closed once the engine answers ErrFailed.
	Failed() <-chan struct{}
	// Close waits for commits under way and releases the store.
	Close() error
}

// Record is a key and its value.
type Record struct {
	Key   string
	Value []byte
}

// Condition is what a write demands of the record it replaces.
type Condition int

// The conditions.
const (
	Always   Condition = iota // whatever is there
	IfAbsent                  // no record of the key
	IfEqual                   // the record's bytes are Write.Old
)

// Write puts Value at a key of a table, or deletes the key where Value is
// nil. Within one commit each key is written at most once.
type Write struct {
	Table, Key string
	Value      []byte
	If         Condition
	Old        []byte // for IfEqual
}
