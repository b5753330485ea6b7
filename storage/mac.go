package storage

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

const macSize = sha256.Size

// macs computes HMAC-SHA256 over a table's name, a key and a value. Making an
// HMAC hashes the key twice and allocates, so those made are kept for reuse.
type macs struct {
	table string
	pool  sync.Pool // of *mac
}

// mac is an HMAC with room for what it is fed and for what it gives: slices
// passed through the interface hash.Hash would otherwise be allocated.
type mac struct {
	hash  hash.Hash
	names []byte
	sum   [macSize]byte
}

func newMACs(table string, key []byte) *macs {
	if len(key) < macSize {
		panic(fmt.Sprintf("storage: table %s: MAC key of %d bytes, want %d or more", table, len(key), macSize))
	}
	key = bytes.Clone(key)
	m := &macs{table: table}
	m.pool.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return m
}

// sum appends the MAC to dst.
func (m *macs) sum(dst []byte, key string, value []byte) []byte {
	h := m.pool.Get().(*mac)
	defer m.pool.Put(h)
	return append(dst, h.of(m.table, key, value)...)
}

// valid says in constant time whether sum is the MAC.
func (m *macs) valid(sum []byte, key string, value []byte) bool {
	h := m.pool.Get().(*mac)
	defer m.pool.Put(h)
	return hmac.Equal(sum, h.of(m.table, key, value))
}

// of is the MAC, valid until the next call. Each part is preceded by its
// length, so that no two sequences of parts read alike.
func (h *mac) of(table, key string, value []byte) []byte {
	b := binary.BigEndian.AppendUint32(h.names[:0], uint32(len(table)))
	b = append(b, table...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	b = append(b, key...)
	h.names = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	h.hash.Reset()
	h.hash.Write(h.names)
	h.hash.Write(value)
	return h.hash.Sum(h.sum[:0])
}
