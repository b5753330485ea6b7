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

// flushBatch is how many last uses one commit writes.
const flushBatch = 256

// uses is when client secrets were last used, as far as this process knows:
// secretKey → *use.
type uses struct{ sync.Map }

// secretKey identifies a secret, also in the store.
func secretKey(client, secret string) string { return client + "/" + secret }

// use is the last use of one secret, in seconds since 1970.
type use struct{ last, stored atomic.Int64 }

// useRecord is a last use as it is stored.
type useRecord struct {
	At time.Time `json:"at"`
}

// SecretUsed notes that a client has authenticated by one of its secrets. It writes
// nothing: [Registry.FlushUses] writes all uses together.
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

// FlushUses stores the last uses that are not stored yet, and forgets those of
// removed secrets. It blocks changes of the registry meanwhile, so that no use is
// stored after its secret was removed.
func (r *Registry) FlushUses(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for batch := range slices.Chunk(r.unstoredUses(), flushBatch) {
		if err := r.storeUses(ctx, batch); err != nil {
			return fmt.Errorf("storing the last uses of secrets: %w", err)
		}
	}
	return nil
}

// unstoredUses returns the keys of the secrets that were used since their last use
// was stored.
func (r *Registry) unstoredUses() (keys []string) {
	registered := r.Snapshot().secretKeys()
	for k, v := range r.uses.Range {
		key, u := k.(string), v.(*use)
		if !registered[key] {
			r.uses.Delete(key)
		} else if u.last.Load() != u.stored.Load() {
			keys = append(keys, key)
		}
	}
	return keys
}

func (r *Registry) storeUses(ctx context.Context, keys []string) error {
	var writes []storage.Write
	last := map[*use]int64{}
	for _, key := range keys {
		v, _ := r.uses.Load(key)
		u := v.(*use)
		last[u] = u.last.Load()
		w, err := r.lastUses.Put(key, useRecord{time.Unix(last[u], 0).UTC()})
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	if err := r.engine.Commit(ctx, writes...); err != nil {
		return err
	}
	for u, at := range last {
		u.stored.Store(at)
	}
	return nil
}

// secretKeys returns the keys of all secrets.
func (s *Snapshot) secretKeys() map[string]bool {
	keys := map[string]bool{}
	for id, c := range s.clients {
		for _, secret := range c.record.Client.Secrets {
			keys[secretKey(id, secret.ID)] = true
		}
	}
	return keys
}

// forgetUses returns the writes that remove the last uses of removed secrets.
func (r *Registry) forgetUses(before, after *Snapshot) (writes []storage.Write) {
	kept := after.secretKeys()
	for key := range before.secretKeys() {
		if !kept[key] {
			writes = append(writes, r.lastUses.Remove(key))
		}
	}
	return writes
}

// LastUses sets LastUsed of the client's secrets.
func (r *Registry) LastUses(ctx context.Context, c *exchange.Client) error {
	for i := range c.Secrets {
		s := &c.Secrets[i]
		key := secretKey(c.ID, s.ID)
		row, err := r.lastUses.Get(ctx, key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("last use of secret %s: %w", s.ID, err)
		}
		s.LastUsed = row.Value.At
		if u, known := r.uses.Load(key); known {
			if at := time.Unix(u.(*use).last.Load(), 0).UTC(); at.After(s.LastUsed) {
				s.LastUsed = at
			}
		}
	}
	return nil
}
