package storage

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

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
