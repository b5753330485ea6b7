package storage

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"iter"
	"time"

	"github.com/google/uuid"
)

// Table keeps values of type T, as JSON, in a table of an engine. Each record
// carries a MAC over the table's name, its key and its value: reading detects a
// record that was changed, or moved to another key, outside of this program. It
// does not detect that a record is missing.
//
// T must survive encoding/json. A *T that is a [RecordWriter] writes itself.
type Table[T any] struct {
	engine Engine
	name   string
	keyed  hash.Cloner // the MAC's state after its key, which costs as much as a short record
}

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

// NewTable returns the table of a name in an engine. Two tables of an engine may
// share a MAC key. It panics if macKey is shorter than 32 bytes: a guessable key
// protects nothing.
func NewTable[T any](e Engine, name string, macKey []byte) Table[T] {
	if len(macKey) < macSize {
		panic(fmt.Sprintf("storage: table %s: MAC key of %d bytes, want %d or more", name, len(macKey), macSize))
	}
	return Table[T]{engine: e, name: name, keyed: hmac.New(sha256.New, macKey).(hash.Cloner)}
}

// Get returns the record of a key. Its error is ErrNotFound, ErrCorrupt or the
// engine's.
func (t Table[T]) Get(ctx context.Context, key string) (Row[T], error) {
	raw, err := t.engine.Get(ctx, t.name, key)
	if err != nil {
		return Row[T]{}, t.wrap("reading", err)
	}
	return t.open(key, raw)
}

// Scan yields the records with from <= key < to in key order, as
// [Engine.Scan] does. For a corrupt record it yields a Row with only its Key, and
// ErrCorrupt; a caller that can do without the record may go on to the next.
func (t Table[T]) Scan(ctx context.Context, from, to string, limit int) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		for r, err := range t.engine.Scan(ctx, t.name, from, to, limit) {
			if err != nil {
				yield(Row[T]{}, t.wrap("scanning", err))
				return
			}
			if !yield(t.open(r.Key, r.Value)) {
				return
			}
		}
	}
}

// Put returns the write of v at key, whatever is there.
func (t Table[T]) Put(key string, v T) (Write, error) {
	raw, err := t.seal(key, v)
	return Write{Table: t.name, Key: key, Value: raw}, err
}

// Insert returns the write of v at key on the condition that the key has no
// record.
func (t Table[T]) Insert(key string, v T) (Write, error) {
	w, err := t.Put(key, v)
	w.If = IfAbsent
	return w, err
}

// Replace returns the write of v at r's key on the condition that the record is
// unchanged since r was read.
func (t Table[T]) Replace(r Row[T], v T) (Write, error) {
	w, err := t.Put(r.Key, v)
	w.If, w.Old = IfEqual, r.raw
	return w, err
}

// Delete returns the deletion of r's record on the condition that it is
// unchanged since r was read.
func (t Table[T]) Delete(r Row[T]) Write {
	return Write{Table: t.name, Key: r.Key, If: IfEqual, Old: r.raw}
}

// Remove returns the deletion of key's record, if there is one.
func (t Table[T]) Remove(key string) Write {
	return Write{Table: t.name, Key: key}
}

// Sweep deletes all records with key < before and returns how many there were.
// It is for tables whose keys begin with a time. Each commit deletes at most
// batch records, so that other commits do not wait long for it.
func (t Table[T]) Sweep(ctx context.Context, before string, batch int) (int, error) {
	if before == "" { // which would be the end of the table
		return 0, nil
	}
	batch = max(batch, 1)
	for n := 0; ; {
		var writes []Write
		for r, err := range t.engine.Scan(ctx, t.name, "", before, batch) {
			if err != nil {
				return n, t.wrap("sweeping", err)
			}
			writes = append(writes, t.Remove(r.Key))
		}
		if err := t.engine.Commit(ctx, writes...); err != nil {
			return n, t.wrap("sweeping", err)
		}
		if n += len(writes); len(writes) < batch {
			return n, nil
		}
	}
}

const macSize = sha256.Size

// seal returns the record of v: its MAC and then its value.
func (t Table[T]) seal(key string, v T) ([]byte, error) {
	raw, err := encode(&v)
	if err != nil {
		return nil, t.wrap("encoding a record of", err)
	}
	copy(raw, t.mac(key, raw[macSize:]))
	return raw, nil
}

// encode leaves room for the MAC before the value.
func encode(record any) ([]byte, error) {
	const usual = 1 << 10 // bytes of a record that writes itself, with the MAC
	if w, ok := record.(RecordWriter); ok {
		return w.AppendRecord(make([]byte, macSize, usual))
	}
	value, err := json.Marshal(record)
	return append(make([]byte, macSize, macSize+len(value)), value...), err
}

func (t Table[T]) open(key string, raw []byte) (Row[T], error) {
	if len(raw) < macSize || !hmac.Equal(raw[:macSize], t.mac(key, raw[macSize:])) {
		return Row[T]{Key: key}, t.wrap("checking a record of", ErrCorrupt)
	}
	r := Row[T]{Key: key, raw: raw}
	if err := json.Unmarshal(raw[macSize:], &r.Value); err != nil {
		return Row[T]{Key: key}, t.wrap("decoding a record of", err)
	}
	return r, nil
}

// mac returns the MAC of a record. Each part is preceded by its length, so that
// no two sequences of parts have the same encoding.
func (t Table[T]) mac(key string, value []byte) []byte {
	input := make([]byte, 0, len(t.name)+len(key)+len(value)+3*4)
	for _, part := range [][]byte{[]byte(t.name), []byte(key), value} {
		input = binary.BigEndian.AppendUint32(input, uint32(len(part)))
		input = append(input, part...)
	}
	h, err := t.keyed.Clone()
	if err != nil {
		panic(err) // HMAC over SHA-256 is cloned without fail
	}
	h.Write(input)
	return h.Sum(input[:0])
}

func (t Table[T]) wrap(doing string, err error) error {
	return fmt.Errorf("%s table %s: %w", doing, t.name, err)
}

// IDSize is the length of an ID.
const IDSize = 36

// NewID returns a UUIDv7 (RFC 9562 §5.7) of now: a table whose keys are IDs is in
// the order of creation. uuid.NewV7 would read the machine's clock.
func NewID(now time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(now.UnixMilli())<<16)
	rand.Read(id[6:])
	id[6] = id[6]&0x0f | 0x70 // version
	id[8] = id[8]&0x3f | 0x80 // variant
	return id.String()
}

// CreatedAt returns the time in an ID, to the millisecond, and the zero time if id
// is not an ID.
func CreatedAt(id string) time.Time {
	u, err := uuid.Parse(id)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(u[:]) >> 16))
}

// TimePrefix returns the start of a key of time t: keys that begin with it are in
// the order of their times, from 1970 on, so that [Table.Sweep] can delete the
// older ones.
func TimePrefix(t time.Time) string { return fmt.Sprintf("%012x.", max(0, t.Unix())) }
