package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Table keeps values of type T, as JSON, in a table of an engine. Each record
// carries a MAC over the table's name, its key and its value, so that a record
// that was changed, or moved to another key, outside of this program is
// noticed when it is read. A record that is missing altogether is not.
//
// T must survive encoding/json. A *T that is a [RecordReader] or a
// [RecordWriter] reads or writes itself.
type Table[T any] struct {
	engine Engine
	name   string
	macs   *macs
}

// RecordReader reads a record from what encoding/json writes of it. It is for
// small records that each request reads: encoding/json takes longer for them
// than all else that reading them takes.
type RecordReader interface{ ReadRecord(json []byte) error }

// RecordWriter appends a record to b as JSON that encoding/json reads as the
// same record. It is for records that many requests write.
type RecordWriter interface {
	AppendRecord(b []byte) ([]byte, error)
}

// Row is a record as it was read.
type Row[T any] struct {
	Key   string
	Value T
	raw   []byte
}

// NewTable is the table of a name in an engine. Two tables of an engine may
// share a key. It panics if macKey is shorter than 32 bytes: a table with a
// guessable key would promise what it does not keep.
func NewTable[T any](e Engine, name string, macKey []byte) Table[T] {
	return Table[T]{engine: e, name: name, macs: newMACs(name, macKey)}
}

// Get returns the record of a key, ErrNotFound, or ErrCorrupt.
func (t Table[T]) Get(ctx context.Context, key string) (Row[T], error) {
	raw, err := t.engine.Get(ctx, t.name, key)
	if err != nil {
		return Row[T]{}, t.failed("reading", err)
	}
	return t.open(key, raw)
}

// Scan yields the records with from <= key < to in key order, as
// [Engine.Scan] does. A corrupt record comes as a Row with only its Key, and
// ErrCorrupt; a caller that can do without it may go on to the next.
func (t Table[T]) Scan(ctx context.Context, from, to string, limit int) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		for r, err := range t.engine.Scan(ctx, t.name, from, to, limit) {
			if err != nil {
				yield(Row[T]{}, t.failed("scanning", err))
				return
			}
			if !yield(t.open(r.Key, r.Value)) {
				return
			}
		}
	}
}

// Put writes v at key, whatever is there.
func (t Table[T]) Put(key string, v T) (Write, error) {
	raw, err := t.seal(key, v)
	return Write{Table: t.name, Key: key, Value: raw}, err
}

// Insert writes v at key if there is no record of the key.
func (t Table[T]) Insert(key string, v T) (Write, error) {
	w, err := t.Put(key, v)
	w.If = IfAbsent
	return w, err
}

// Replace writes v at r's key if the record is unchanged since r was read.
func (t Table[T]) Replace(r Row[T], v T) (Write, error) {
	w, err := t.Put(r.Key, v)
	w.If, w.Old = IfEqual, r.raw
	return w, err
}

// Delete deletes the record of r if it is unchanged since r was read.
func (t Table[T]) Delete(r Row[T]) Write {
	return Write{Table: t.name, Key: r.Key, If: IfEqual, Old: r.raw}
}

// Remove deletes the record of key, whatever is there, if anything.
func (t Table[T]) Remove(key string) Write {
	return Write{Table: t.name, Key: key}
}

// Sweep deletes all records with key < before and returns how many they were.
// It is for tables whose keys begin with a time. Each commit deletes at most
// batch records, so that nobody's commit waits for long behind one of them.
func (t Table[T]) Sweep(ctx context.Context, before string, batch int) (int, error) {
	if before == "" { // which would be the end of the table
		return 0, nil
	}
	for swept := 0; ; {
		n, err := t.sweep(ctx, before, max(batch, 1))
		swept += n
		if err != nil {
			return swept, t.failed("sweeping", err)
		}
		if n < max(batch, 1) {
			return swept, nil
		}
	}
}

func (t Table[T]) sweep(ctx context.Context, before string, most int) (int, error) {
	var writes []Write
	for r, err := range t.engine.Scan(ctx, t.name, "", before, most) {
		if err != nil {
			return 0, err
		}
		writes = append(writes, t.Remove(r.Key))
	}
	if err := t.engine.Commit(ctx, writes...); err != nil {
		return 0, err
	}
	return len(writes), nil
}

// A record is the MAC and then the value.
func (t Table[T]) seal(key string, v T) ([]byte, error) {
	raw, err := encode(&v)
	if err != nil {
		return nil, t.failed("encoding a record of", err)
	}
	t.macs.sum(raw[:0], key, raw[macSize:])
	return raw, nil
}

// encode leaves room for the MAC before the record.
func encode(record any) ([]byte, error) {
	const usual = 1 << 10 // of records that write themselves, with the MAC
	if w, ok := record.(RecordWriter); ok {
		return w.AppendRecord(make([]byte, macSize, usual))
	}
	value, err := json.Marshal(record)
	return append(make([]byte, macSize, macSize+len(value)), value...), err
}

func (t Table[T]) open(key string, raw []byte) (Row[T], error) {
	if len(raw) < macSize || !t.macs.valid(raw[:macSize], key, raw[macSize:]) {
		return Row[T]{Key: key}, t.failed("checking a record of", ErrCorrupt)
	}
	r := Row[T]{Key: key, raw: raw}
	if err := decode(raw[macSize:], &r.Value); err != nil {
		return Row[T]{Key: key}, t.failed("decoding a record of", err)
	}
	return r, nil
}

func decode(data []byte, record any) error {
	if r, ok := record.(RecordReader); ok {
		return r.ReadRecord(data)
	}
	return json.Unmarshal(data, record)
}

func (t Table[T]) failed(doing string, err error) error {
	return fmt.Errorf("%s table %s: %w", doing, t.name, err)
}
