package bolt

import (
	"bytes"
	"context"
	"iter"

	"go.etcd.io/bbolt"

	"cambio/storage"
)

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
