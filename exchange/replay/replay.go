// Package replay remembers what may be used once: the subject tokens of issuers
// that issue them for one use, client assertions (RFC 7523 §3) and signatures of
// requests. Identifiers are stored as hashes.
//
// A use is recorded in the commit that depends on it: [Store.Once] returns writes and
// does not commit, so of concurrent uses exactly one commits.
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

// Retention is how long a use is remembered after its end. A token is accepted for a
// clock skew of at most 5 minutes after it has expired.
const Retention = 10 * time.Minute

// Store records uses until what was used cannot be accepted any more. Its methods are safe for
// concurrent use.
type Store struct {
	engine storage.Engine
	table  storage.Table[use]
}

// use is a record; its presence is what counts.
type use struct {
	Kind string    `json:"kind,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

// A use has two records: one by which it is found, whatever its end, and one by
// which it is swept, whose key is its end and the name of the first.
const found = "id." // sorts after every time

// New returns a Store in e whose records have a MAC by key.
func New(e storage.Engine, key []byte) *Store {
	return &Store{engine: e, table: storage.NewTable[use](e, "replays", key)}
}

// Once returns the writes that record the use of id among the identifiers of its
// kind until end. If a use is recorded already, whatever its end was, it returns an
// *exchange.Error with exchange.ReasonSubjectTokenReplayed; if another use is
// recorded first, the commit of the writes fails with storage.ErrConflict.
//
// Nothing that id identifies may be accepted later than [Retention] after end.
func (s *Store) Once(ctx context.Context, kind, id string, end, now time.Time) ([]storage.Write, error) {
	name := hash(kind, id)
	switch _, err := s.table.Get(ctx, found+name); {
	case err == nil:
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, fmt.Errorf("%s: used before", kind))
	case !errors.Is(err, storage.ErrNotFound):
		return nil, fmt.Errorf("looking up a used %s: %w", kind, err)
	}
	first, err := s.table.Insert(found+name, use{Kind: kind, At: now.UTC()})
	if err != nil {
		return nil, err
	}
	sweep, err := s.table.Put(storage.TimePrefix(end)+name, use{})
	return []storage.Write{first, sweep}, err
}

// Spend is [Store.Once] in a commit of its own.
func (s *Store) Spend(ctx context.Context, kind, id string, end, now time.Time) error {
	w, err := s.Once(ctx, kind, id, end, now)
	if err == nil {
		err = s.engine.Commit(ctx, w...)
	}
	if errors.Is(err, storage.ErrConflict) {
		return exchange.Refuse(exchange.ReasonSubjectTokenReplayed, fmt.Errorf("%s: used concurrently", kind))
	}
	return err
}

// Sweep deletes the records of uses that ended more than [Retention] ago, in commits
// of at most batch uses, and returns the number of uses.
func (s *Store) Sweep(ctx context.Context, now time.Time, batch int) (int, error) {
	before := storage.TimePrefix(now.Add(-Retention))
	for n := 0; ; {
		writes, err := s.ended(ctx, before, batch)
		if err == nil {
			err = s.engine.Commit(ctx, writes...)
		}
		if err != nil {
			return n, fmt.Errorf("sweeping uses: %w", err)
		}
		if n += len(writes) / 2; len(writes) < 2*batch {
			return n, nil
		}
	}
}

// ended returns the deletions of at most batch uses that ended before a time. What a
// corrupt record says does not matter: its key is that of an ended use.
func (s *Store) ended(ctx context.Context, before string, batch int) ([]storage.Write, error) {
	var writes []storage.Write
	for row, err := range s.table.Scan(ctx, "", before, batch) {
		if err != nil && row.Key == "" {
			return nil, err
		}
		_, name, _ := strings.Cut(row.Key, ".")
		writes = append(writes, s.table.Remove(row.Key), s.table.Remove(found+name))
	}
	return writes, nil
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
