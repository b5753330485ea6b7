package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Retention is how long a record outlives what it is about, since a thing may
// be accepted for a while after it expired: a clock skew is at most 5 minutes.
const Retention = 10 * time.Minute

// Replays remembers what was spent until it has expired. Its methods are safe
// for concurrent use.
type Replays struct {
	engine storage.Engine
	table  storage.Table[spent]
}

// spent is a record: that it is there is all it says.
type spent struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
}

// NewReplays keeps records in e, each with a MAC by key.
func NewReplays(e storage.Engine, key []byte) *Replays {
	return &Replays{engine: e, table: storage.NewTable[spent](e, "replays", key)}
}

// Once answers the write that spends the thing that id names among those of
// its kind. If it is spent already the error is *exchange.Error with
// exchange.ReasonSubjectTokenReplayed; if another spends it first, the commit
// with the write ends in storage.ErrConflict.
//
// Expires is when the thing expires by what it says itself, for it is part of
// the record's key: keys begin with it so that the table is swept from its
// start. A thing says so once, so that a change of any tolerance makes nothing
// fresh again.
func (r *Replays) Once(ctx context.Context, kind, id string, expires, now time.Time) (storage.Write, error) {
	key := stamp(expires) + hash(kind, id)
	switch _, err := r.table.Get(ctx, key); {
	case err == nil:
		return storage.Write{}, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, fmt.Errorf("%s: spent before", kind))
	case !errors.Is(err, storage.ErrNotFound):
		return storage.Write{}, fmt.Errorf("looking for a spent %s: %w", kind, err)
	}
	return r.table.Insert(key, spent{Kind: kind, At: now.UTC()})
}

// OnceFor is Once for a thing that does not say itself when it expires: it is
// spent for the time given at least, and for twice that at most. It is written
// down for the period that now is in and for the one after it, so that whoever
// brings it again within the time meets one of the two.
func (r *Replays) OnceFor(ctx context.Context, kind, id string, atLeast time.Duration, now time.Time) ([]storage.Write, error) {
	end := now.Truncate(atLeast).Add(atLeast)
	this, err := r.Once(ctx, kind, id, end, now)
	if err != nil {
		return nil, err
	}
	next, err := r.Once(ctx, kind, id, end.Add(atLeast), now)
	return []storage.Write{this, next}, err
}

// Spend is Once for a thing that is spent by itself: it commits the write.
func (r *Replays) Spend(ctx context.Context, kind, id string, expires, now time.Time) error {
	w, err := r.Once(ctx, kind, id, expires, now)
	if err == nil {
		err = r.engine.Commit(ctx, w)
	}
	switch {
	case errors.Is(err, storage.ErrConflict):
		return exchange.Refuse(exchange.ReasonSubjectTokenReplayed, fmt.Errorf("%s: spent at the same time", kind))
	case storage.Unavailable(err):
		return exchange.Refuse(exchange.ReasonStoreUnavailable, fmt.Errorf("spending a %s: %w", kind, err))
	}
	return err
}

// Sweep forgets what expired at least [Retention] ago, in commits of at most
// batch records, and answers how many that were.
func (r *Replays) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	return r.table.Sweep(ctx, stamp(now.Add(-Retention)), batch)
}

// stamp orders as the time does, from 1970 on.
func stamp(t time.Time) string { return fmt.Sprintf("%012x.", max(0, t.Unix())) }

// hash is of length-prefixed parts, so that no two pairs share one.
func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
