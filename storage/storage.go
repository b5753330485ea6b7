// Package storage keeps ordered records and commits changes to them all or
// nothing.
//
// An [Engine] knows tables, keys and bytes. The whole concurrency model is
// compare-and-swap: read, decide purely, commit the decision on the condition
// that what was read is unchanged, and on [ErrConflict] read again ([Retry]).
// That fits any transactional store. [Table] puts typed records, each with a
// MAC, above any engine.
package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
)

// Errors of engines and tables. Callers branch on them with errors.Is. Those
// after which the store cannot be read or written now have a method
// Unavailable() bool that returns true.
var (
	// ErrNotFound means that a table has no record of a key.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that a commit changed nothing because a condition did
	// not hold. The caller reads and decides again, see [Retry].
	ErrConflict = errors.New("conflict")
	// ErrFull means that a commit changed nothing because the disk is full.
	// The engine goes on serving, and later commits may succeed.
	ErrFull error = unavailable("disk is full")
	// ErrCorrupt means that a record is not what was written: its MAC differs.
	ErrCorrupt error = unavailable("record is corrupt")
	// ErrLocked means that another process has the store open.
	ErrLocked = errors.New("in use by another process")
	// ErrFailed means that an earlier commit may or may not have been written.
	// Every further call returns it; the process exits and opens the store anew.
	ErrFailed error = unavailable("store failed")
	// ErrClosed means that the engine was closed.
	ErrClosed error = unavailable("store is closed")
)

// unavailable is an error that says nothing of what was asked, only that the
// store cannot be read or written now.
type unavailable string

func (e unavailable) Error() string   { return string(e) }
func (unavailable) Unavailable() bool { return true }

// Engine is a store. Its methods are safe for concurrent use. Keys are bytes
// in a string and are ordered as bytes; a table exists once it is written to,
// and one that was never written to is empty.
type Engine interface {
	// Get returns the value last committed, or ErrNotFound. The caller may change
	// the bytes.
	Get(ctx context.Context, table, key string) ([]byte, error)
	// Scan yields the records with from <= key < to in key order, at most
	// limit of them. An empty to means the end of the table; limit 0 means all.
	// It reads some records at a time, each as of that moment: a record that is
	// there all the while is yielded exactly once, one that is written meanwhile
	// may or may not be. It blocks no writer, so the caller may commit from
	// within the loop. It ends after the first error.
	Scan(ctx context.Context, table, from, to string, limit int) iter.Seq2[Record, error]
	// Commit applies all writes or none, and returns nil once they are durable:
	// they then survive kill -9 and power loss. Having changed nothing, it
	// returns ErrConflict if a write's condition does not hold, ErrFull if there
	// is no room, ErrCorrupt if a record that a condition is about cannot be
	// read, and the error of [Check]. After any other error every call returns
	// ErrFailed. If the context ends while the commit waits, the commit may
	// still happen, so the caller never changes the writes afterwards.
	Commit(ctx context.Context, writes ...Write) error
	// Failed returns a channel that is closed once calls return ErrFailed.
	Failed() <-chan struct{}
	// Close waits for commits under way and releases the store. Every later
	// call returns ErrClosed, except Close, which returns nil.
	Close() error
}

// Record is a key and its value.
type Record struct {
	Key   string
	Value []byte
}

// Condition restricts the record that a write may replace.
type Condition int

// The conditions.
const (
	Always   Condition = iota // whatever is there
	IfAbsent                  // no record of the key
	IfEqual                   // a record whose bytes are Write.Old
)

// Write puts Value at a key of a table, or deletes the key where Value is
// nil. Within one commit each key is written at most once.
//
// IfEqual compares bytes only: of writers that replace a record by the same
// bytes, all win. A write of which one may win must change the record.
type Write struct {
	Table, Key string
	Value      []byte
	If         Condition
	Old        []byte // for IfEqual
}

// Holds reports whether the write's condition holds for the value at its key,
// nil if there is none. It is for engines.
func (w Write) Holds(value []byte) bool {
	switch w.If {
	case IfAbsent:
		return value == nil
	case IfEqual:
		return value != nil && bytes.Equal(value, w.Old)
	}
	return true
}

// What every engine can hold, in bytes.
const (
	MaxKey   = 1 << 10 // of a key, and of a table's name
	MaxValue = 1 << 20
)

// Check returns an error for writes that no engine commits: names and values out
// of bounds, an unknown condition, and a key that is written twice, where only
// the caller knows which write should win. Engines call it before they change
// anything.
func Check(writes []Write) error {
	seen := make(map[[2]string]bool, len(writes))
	for _, w := range writes {
		err := w.check()
		if at := [2]string{w.Table, w.Key}; err == nil && seen[at] {
			err = fmt.Errorf("written twice in one commit")
		} else {
			seen[at] = true
		}
		if err != nil {
			return fmt.Errorf("write of %.128q in table %.128q: %w", w.Key, w.Table, err)
		}
	}
	return nil
}

func (w Write) check() error {
	switch {
	case w.Table == "" || w.Key == "":
		return fmt.Errorf("table and key must not be empty")
	case len(w.Table) > MaxKey || len(w.Key) > MaxKey:
		return fmt.Errorf("table or key is longer than %d bytes", MaxKey)
	case len(w.Value) > MaxValue:
		return fmt.Errorf("value of %d bytes is longer than %d", len(w.Value), MaxValue)
	case w.If < Always || w.If > IfEqual:
		return fmt.Errorf("unknown condition %d", w.If)
	}
	return nil
}
