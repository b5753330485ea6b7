package challenge

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"cambio/storage"
)

// Reservation is the right to answer a request. Whoever has it calls Keep or
// Release once.
type Reservation struct {
	answers *Answers
	name    string
	keys    [3]string // of the records of today, yesterday and tomorrow
	asked   []byte
	request string
	at      time.Time
	last    *storage.Row[reply] // what is in the way, if anything, and is over
	stored  []byte              // the record of it, nil while it is in memory
}

// begin reserves, in the store or in memory.
func (r *Reservation) begin(ctx context.Context, durable bool) error {
	if !durable {
		return r.remember()
	}
	w, err := r.commit(ctx, nil)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return inProgress("another request was faster")
	case err != nil:
		return unkept("reserving an answer", err)
	}
	r.stored = w.Value
	return nil
}

func (r *Reservation) remember() error {
	a := r.answers
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun[r.name] {
		return inProgress("another request is being answered")
	}
	a.begun[r.name] = true
	return nil
}

// forget ends a reservation in memory.
func (r *Reservation) forget() {
	if r.stored != nil {
		return
	}
	a := r.answers
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.begun, r.name)
}

// commit adds r's record, with an answer if there is one, where there is none
// but what is over.
func (r *Reservation) commit(ctx context.Context, answer []byte) (storage.Write, error) {
	table := r.answers.table
	w, err := table.Insert(r.keys[0], r.reply(answer))
	if err != nil {
		return w, err
	}
	writes := []storage.Write{w}
	for _, key := range r.keys[1:] {
		none := table.Remove(key)
		none.If = storage.IfAbsent
		writes = append(writes, none)
	}
	if r.last != nil {
		r.replaceLast(writes)
	}
	return writes[0], r.answers.engine.Commit(ctx, writes...)
}

// replaceLast lets one of the writes find the last record instead of none.
func (r *Reservation) replaceLast(writes []storage.Write) {
	over := r.answers.table.Delete(*r.last)
	for i := range writes {
		if writes[i].Key == over.Key {
			writes[i].If, writes[i].Old = over.If, over.Old
		}
	}
}

func (r *Reservation) reply(answer []byte) reply {
	return reply{Request: r.request, At: r.at, Asked: r.asked, Answer: answer}
}

// Keep makes the answer the one that everybody gets who repeats the request,
// and is durable when it returns. If the reservation was lost, because whoever
// had it took too long, the answer of whoever has it now counts.
func (r *Reservation) Keep(ctx context.Context, answer Answer) error {
	defer r.forget()
	if len(answer.Body) > MostAnswer {
		return errors.Join(fmt.Errorf("an answer of %d bytes is too long to keep", len(answer.Body)), r.Release(ctx))
	}
	answer.Request = r.request
	sealed, err := r.answers.seal(r.keys[0], answer)
	if err != nil {
		return err
	}
	if r.stored == nil {
		_, err = r.commit(ctx, sealed)
	} else {
		err = r.replace(ctx, sealed)
	}
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		return unkept("keeping an answer", err)
	}
	return nil
}

func (r *Reservation) replace(ctx context.Context, sealed []byte) error {
	w, err := r.answers.table.Put(r.keys[0], r.reply(sealed))
	if err != nil {
		return err
	}
	w.If, w.Old = storage.IfEqual, r.stored
	return r.answers.engine.Commit(ctx, w)
}

// Release lets the next who repeats the request really try.
func (r *Reservation) Release(ctx context.Context) error {
	defer r.forget()
	if r.stored == nil {
		return nil
	}
	w := r.answers.table.Remove(r.keys[0])
	w.If, w.Old = storage.IfEqual, r.stored
	if err := r.answers.engine.Commit(ctx, w); err != nil && !errors.Is(err, storage.ErrConflict) {
		return unkept("releasing an answer", err)
	}
	return nil
}

// macOf is of a purpose and length-prefixed parts, so that no two lists of
// parts share one.
func macOf(key []byte, purpose string, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(purpose))
	for _, part := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		m.Write(n[:])
		m.Write(part)
	}
	return m.Sum(nil)
}
