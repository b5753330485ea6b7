// Package replay remembers what may be used once: the subject tokens of issuers
// that issue them for one use, client assertions (RFC 7523 §3) and signatures of
// requests. Identifiers are stored as hashes.
//
// A use is recorded in the commit that depends on it: [Store.Once] returns a
// write and does not commit, so of concurrent uses exactly one commits.
package replay

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Retention is how long a record is kept after the expiry in its key. A token is
// accepted for a clock skew of at most 5 minutes after it has expired.
const Retention = 10 * time.Minute

// Store records uses until what was used has expired. Its methods are safe for
// concurrent use.
type Store struct {
	engine storage.Engine
	table  storage.Table[use]
}

// use is a record; its presence is what counts.
type use struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
}

// New returns a Store in e whose records have a MAC by key.
func New(e storage.Engine, key []byte) *Store {
	return &Store{engine: e, table: storage.NewTable[use](e, "replays", key)}
}

// Once returns the write that records the use of id among the identifiers of its
// kind. If the use is recorded already, it returns an *exchange.Error with
// exchange.ReasonSubjectTokenReplayed; if another use is recorded first, the
// commit of the write fails with storage.ErrConflict.
//
// expires must be the expiry that the thing itself states. It is part of the
// record's key, whose order is that of expiry, so an expiry computed from a
// configurable tolerance would make used things fresh when the tolerance changes.
func (s *Store) Once(ctx context.Context, kind, id string, expires, now time.Time) (storage.Write, error) {
	key := storage.TimePrefix(expires) + hash(kind, id)
	switch _, err := s.table.Get(ctx, key); {
	case err == nil:
		return storage.Write{}, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, fmt.Errorf("%s: used before", kind))
	case !errors.Is(err, storage.ErrNotFound):
		return storage.Write{}, fmt.Errorf("looking up a used %s: %w", kind, err)
	}
	return s.table.Insert(key, use{Kind: kind, At: now.UTC()})
}

// OnceFor is [Store.Once] for a thing without an expiry of its own. The use is
// remembered for at least the time given and at most twice as long: it is
// recorded for the current period of that length and for the next, and a later
// use within the time falls into one of the two.
func (s *Store) OnceFor(ctx context.Context, kind, id string, atLeast time.Duration, now time.Time) ([]storage.Write, error) {
	end := now.Truncate(atLeast).Add(atLeast)
	current, err := s.Once(ctx, kind, id, end, now)
	if err != nil {
		return nil, err
	}
	next, err := s.Once(ctx, kind, id, end.Add(atLeast), now)
	return []storage.Write{current, next}, err
}

// Spend is [Store.Once] in a commit of its own.
func (s *Store) Spend(ctx context.Context, kind, id string, expires, now time.Time) error {
	w, err := s.Once(ctx, kind, id, expires, now)
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if errors.Is(err, storage.ErrConflict) {
		return exchange.Refuse(exchange.ReasonSubjectTokenReplayed, fmt.Errorf("%s: used concurrently", kind))
	}
	return err
}

// Sweep deletes the records of what expired more than [Retention] ago, in commits
// of at most batch records, and returns their number.
func (s *Store) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	return s.table.Sweep(ctx, storage.TimePrefix(now.Add(-Retention)), batch)
}

func hash(parts ...string) string {
	sum := sha256.Sum256(exchange.LengthPrefixed(parts...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Spender uses up challenges of one kind.
type Spender interface {
	// Spend returns writes that use up the challenge of a name, on the condition
	// that it is unchanged when they are committed. It refuses as
	// exchange.ReasonChallengeInvalid if the challenge cannot be used.
	Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error)
}

// Spenders maps a kind of challenge to its Spender. A proof names a challenge
// <kind>/<name>.
type Spenders map[string]Spender

// Spend calls the Spender of the challenge's kind.
func (s Spenders) Spend(ctx context.Context, challenge string, now time.Time) ([]storage.Write, error) {
	kind, name, _ := strings.Cut(challenge, "/")
	spender := s[kind]
	if spender == nil {
		return nil, exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf("unknown kind of challenge %s", exchange.Quote(kind)))
	}
	return spender.Spend(ctx, name, now)
}
