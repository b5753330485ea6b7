package idempotency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/storage"
)

// Lease is the right to execute a request and to store its response.
type Lease struct {
	store       *Store
	name        string
	keys        [3]string // of the records of today, yesterday and tomorrow
	fingerprint []byte
	request     string // request_id
	at          time.Time
	expired     *storage.Row[record] // the record to replace, or nil
	stored      []byte               // the lease's own record, nil if it is in memory
}

// acquire acquires the lease, in the store or in memory.
func (l *Lease) acquire(ctx context.Context, durable bool) error {
	if !durable {
		if _, leased := l.store.leased.LoadOrStore(l.name, nil); leased {
			return inProgress("a request with the same key is in progress")
		}
		return nil
	}
	w, err := l.insert(ctx, nil)
	if errors.Is(err, storage.ErrConflict) {
		return inProgress("a concurrent request acquired the lease")
	}
	if err == nil {
		l.stored = w.Value
	}
	return err
}

// forget ends a lease in memory.
func (l *Lease) forget() {
	if l.stored == nil {
		l.store.leased.Delete(l.name)
	}
}

// insert commits l's record if none of the three days has one, apart from the
// expired one.
func (l *Lease) insert(ctx context.Context, response []byte) (storage.Write, error) {
	table := l.store.table
	w, err := table.Insert(l.keys[0], l.record(response))
	if err != nil {
		return w, err
	}
	writes := []storage.Write{w}
	for _, key := range l.keys[1:] {
		absent := table.Remove(key)
		absent.If = storage.IfAbsent
		writes = append(writes, absent)
	}
	if l.expired != nil {
		unchanged := table.Delete(*l.expired)
		for i := range writes {
			if writes[i].Key == unchanged.Key {
				writes[i].If, writes[i].Old = unchanged.If, unchanged.Old
			}
		}
	}
	return w, l.store.engine.Commit(ctx, writes...)
}

func (l *Lease) record(response []byte) record {
	return record{Request: l.request, At: l.at, Fingerprint: l.fingerprint, Response: response}
}

// Store makes the response the one that repeated requests get. It is durable when
// Store returns nil, unless the lease expired and another request acquired it:
// then that request's response counts, and this one is dropped.
func (l *Lease) Store(ctx context.Context, response Response) error {
	defer l.forget()
	if len(response.Body) > MaxBody {
		return errors.Join(fmt.Errorf("a response of %d bytes is too long to store", len(response.Body)), l.Release(ctx))
	}
	response.Request = l.request
	sealed, err := l.store.seal(l.keys[0], response)
	if err != nil {
		return err
	}
	if l.stored == nil {
		_, err = l.insert(ctx, sealed)
		return unlessLost(err)
	}
	w, err := l.store.table.Put(l.keys[0], l.record(sealed))
	if err != nil {
		return err
	}
	return l.replace(ctx, w)
}

// Release ends the lease without a response: the next request is executed.
func (l *Lease) Release(ctx context.Context) error {
	defer l.forget()
	if l.stored == nil {
		return nil
	}
	return l.replace(ctx, l.store.table.Remove(l.keys[0]))
}

// replace commits w if the lease's record is still there.
func (l *Lease) replace(ctx context.Context, w storage.Write) error {
	w.If, w.Old = storage.IfEqual, l.stored
	return unlessLost(l.store.engine.Commit(ctx, w))
}

// unlessLost returns err, or nil if it means that the lease was lost.
func unlessLost(err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}
