package bolt

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"
)

// Records that are kept have at most keptSize bytes with their keys. A
// generation of a shelf has at most shelfCount of them.
const (
	keptSize   = 256
	shelfCount = 1 << 10
	shelves    = 16
)

// kept is short records that were read lately, so that one that is read again
// and again costs no walk through the pages. None is ever stale: what a
// transaction writes is dropped before the transaction begins, and a reader
// keeps nothing that one may have changed since it asked.
//
// Records stand on shelves by their keys, so that few readers share a lock.
type kept struct {
	seed    maphash.Seed
	shelves [shelves]shelf
}

func newKept() *kept { return &kept{seed: maphash.MakeSeed()} }

// place is where a record is.
type place struct{ table, key string }

// shelf holds two generations of records. One that is asked for joins the young;
// when these are many enough they become the old, and the old are dropped. A
// record belongs to the shelf alone: nobody changes it.
type shelf struct {
	mu         sync.Mutex
	young, old map[place][]byte
	// writing is what the transaction under way writes, and moment counts its
	// additions and its end.
	writing map[place]bool
	moment  uint64
	closed  bool
}

func (k *kept) shelf(at place) *shelf {
	return &k.shelves[maphash.String(k.seed, at.key)%shelves]
}

// get is a copy of a record, nil if it is not kept, and the moment at which it
// was asked for.
func (k *kept) get(at place) (value []byte, asked uint64) {
	value, asked = k.shelf(at).get(at)
	return bytes.Clone(value), asked
}

// keep keeps what was read of a record that was asked for at a moment.
func (k *kept) keep(at place, value []byte, asked uint64) {
	if len(at.key)+len(value) <= keptSize {
		at.key = strings.Clone(at.key) // it may be a small part of a large request
		k.shelf(at).keep(at, bytes.Clone(value), asked)
	}
}

// begin is called before a transaction that may write what a group wants.
func (k *kept) begin(group []*commit) {
	for _, c := range group {
		for _, w := range c.writes {
			at := place{w.Table, w.Key}
			k.shelf(at).drop(at)
		}
	}
}

// end is called after the transaction, before a commit of it is answered.
func (k *kept) end() {
	for i := range k.shelves {
		k.shelves[i].written()
	}
}

// close drops everything for good.
func (k *kept) close() {
	for i := range k.shelves {
		k.shelves[i].close()
	}
}

func (s *shelf) get(at place) (value []byte, asked uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value = s.young[at]
	if value == nil {
		if value = s.old[at]; value != nil {
			s.add(at, value)
		}
	}
	return value, s.moment
}

func (s *shelf) keep(at place, value []byte, asked uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moment == asked && !s.writing[at] && !s.closed {
		s.add(at, value)
	}
}

func (s *shelf) add(at place, value []byte) {
	if s.young == nil || len(s.young) >= shelfCount {
		s.young, s.old = make(map[place][]byte), s.young
	}
	s.young[at] = value
}

func (s *shelf) drop(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moment++
	if s.writing == nil {
		s.writing = make(map[place]bool)
	}
	s.writing[at] = true
	delete(s.young, at)
	delete(s.old, at)
}

func (s *shelf) written() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := len(s.writing); {
	case n == 0:
		return
	case n > shelfCount: // its room would stay
		s.writing = nil
	default:
		clear(s.writing)
	}
	s.moment++
}

func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.young, s.old, s.closed = nil, nil, true
}
