package bolt

import (
	"bytes"
	"sync"

	"cambio/storage"
)

// Records that are kept have at most keptSize bytes with their keys, and there
// are at most twice keptCount of them.
const (
	keptSize  = 256
	keptCount = 16 << 10
)

// place is where a record is.
type place struct{ table, key string }

// kept is short records that were read lately, so that one that is read again
// and again costs no walk through the pages. None is ever stale: what a
// transaction writes is dropped before the transaction begins, and a reader
// keeps nothing that one may have changed since it asked.
//
// The records fall into two generations. One that is asked for joins the young;
// when these are many enough they become the old, and the old are dropped.
type kept struct {
	mu         sync.Mutex
	young, old map[place][]byte
	// moment counts beginnings and ends of transactions, and writing is what
	// the one under way writes.
	moment  uint64
	writing map[place]bool
	closed  bool
}

// get is a copy of a record, nil if it is not kept, and the moment at which it
// was asked for.
func (k *kept) get(at place) (value []byte, asked uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	value, young := k.young[at]
	if !young {
		if value = k.old[at]; value != nil {
			k.add(at, value)
		}
	}
	return bytes.Clone(value), k.moment
}

// keep keeps what was read of a record that was asked for at a moment.
func (k *kept) keep(at place, value []byte, asked uint64) {
	if len(at.key)+len(value) > keptSize {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.moment == asked && !k.writing[at] && !k.closed {
		k.add(at, bytes.Clone(value))
	}
}

func (k *kept) add(at place, value []byte) {
	if k.young == nil || len(k.young) >= keptCount {
		k.young, k.old = make(map[place][]byte), k.young
	}
	k.young[at] = value
}

// begin is called before a transaction that may write what a group wants.
func (k *kept) begin(group []*commit) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.moment++
	for _, c := range group {
		for _, w := range c.writes {
			k.drop(w)
		}
	}
}

func (k *kept) drop(w storage.Write) {
	if k.writing == nil {
		k.writing = make(map[place]bool)
	}
	at := place{w.Table, w.Key}
	k.writing[at] = true
	delete(k.young, at)
	delete(k.old, at)
}

// end is called after the transaction, before anybody learns of it.
func (k *kept) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.moment++
	clear(k.writing)
}

// close drops everything for good.
func (k *kept) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.young, k.old, k.closed = nil, nil, true
}
