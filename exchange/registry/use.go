package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// flushBatch is how many uses go into one commit.
const flushBatch = 256

// uses is when client secrets were last used, as far as this process knows:
// secretKey → *use. What was kept of them is in the store.
type uses struct{ sync.Map }

// secretKey is the key of a secret's record, too.
func secretKey(client, secret string) string { return client + "/" + secret }

// use is of one secret; both are seconds since 1970.
type use struct{ last, kept atomic.Int64 }

// useRecord is the last use as it is kept.
type useRecord struct {
	At time.Time `json:"at"`
}

// SecretUsed notes that a client has authenticated by one of its secrets. It
// writes nothing: [Registry.FlushUses] does, for all of them together.
func (r *Registry) SecretUsed(clientID, secretID string, now time.Time) {
	key := secretKey(clientID, secretID)
	u, known := r.uses.Load(key)
	if !known {
		u, _ = r.uses.LoadOrStore(key, new(use))
	}
	if last, at := &u.(*use).last, now.Unix(); last.Load() != at {
		last.Store(at)
	}
}

// FlushUses keeps the last uses that are not kept yet, and forgets those of
// secrets that are gone. It holds off changes of the registry meanwhile, so
// that none of them is kept after its secret.
func (r *Registry) FlushUses(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for batch := range slices.Chunk(r.unkept(), flushBatch) {
		if err := r.keep(ctx, batch); err != nil {
			return fmt.Errorf("keeping the last uses of secrets: %w", err)
		}
	}
	return nil
}

// unkept are the keys of the secrets that were used since that was last kept.
func (r *Registry) unkept() (keys []string) {
	registered := r.Snapshot().secretKeys()
	for k, v := range r.uses.Range {
		key, u := k.(string), v.(*use)
		if !registered[key] {
			r.uses.Delete(key)
		} else if u.last.Load() != u.kept.Load() {
			keys = append(keys, key)
		}
	}
	return keys
}

// keep commits the last uses of the secrets of these keys.
func (r *Registry) keep(ctx context.Context, keys []string) error {
	var writes []storage.Write
	var errs []error
	last := map[*use]int64{}
	for _, key := range keys {
		v, _ := r.uses.Load(key)
		u := v.(*use)
		last[u] = u.last.Load()
		w, err := r.tables.uses.Put(key, useRecord{time.Unix(last[u], 0).UTC()})
		writes, errs = append(writes, w), append(errs, err)
	}
	err := errors.Join(errs...)
	if err == nil {
		err = r.engine.Commit(ctx, writes...)
	}
	if err != nil {
		return err
	}
	for u, at := range last {
		u.kept.Store(at)
	}
	return nil
}

// secretKeys are those of all secrets.
func (s *Snapshot) secretKeys() map[string]bool {
	keys := map[string]bool{}
	for id, c := range s.clients {
		for _, secret := range c.record.Client.Secrets {
			keys[secretKey(id, secret.ID)] = true
		}
	}
	return keys
}

// LastUses fills in when the client's secrets were last used.
func (r *Registry) LastUses(ctx context.Context, c *exchange.Client) error {
	for i := range c.Secrets {
		s := &c.Secrets[i]
		row, err := r.tables.uses.Get(ctx, secretKey(c.ID, s.ID))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("last use of secret %s: %w", s.ID, err)
		}
		s.LastUsed = row.Value.At
		if u, known := r.uses.Load(secretKey(c.ID, s.ID)); known {
			if at := time.Unix(u.(*use).last.Load(), 0).UTC(); at.After(s.LastUsed) {
				s.LastUsed = at
			}
		}
	}
	return nil
}

// forget are the writes that remove what is kept of secrets that go.
func (r *Registry) forget(before, after *client) (writes []storage.Write) {
	stays := map[string]bool{}
	if after != nil {
		for _, s := range after.record.Client.Secrets {
			stays[s.ID] = true
		}
	}
	if before == nil {
		return nil
	}
	for _, s := range before.record.Client.Secrets {
		if !stays[s.ID] {
			writes = append(writes, r.tables.uses.Remove(secretKey(before.record.Client.ID, s.ID)))
		}
	}
	return writes
}
