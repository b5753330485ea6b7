package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// flushBatch is how many last uses one commit writes.
const flushBatch = 256

// secretKey identifies a secret, in memory and in the store.
func secretKey(client, secret string) string { return client + "/" + secret }

// useRecord is the last use of a secret as it is stored.
type useRecord struct {
	At time.Time `json:"at"`
}

// SecretUsed notes that a client has authenticated by one of its secrets. It writes
// nothing: [Registry.FlushUses] writes all uses together.
func (r *Registry) SecretUsed(clientID, secretID string, now time.Time) {
	key, at := secretKey(clientID, secretID), now.Unix()
	if last, _ := r.uses.Load(key); last != at {
		r.uses.Store(key, at)
	}
}

// lastUse returns the last use of a secret in this process, the zero time if there
// is none.
func (r *Registry) lastUse(key string) time.Time {
	if at, known := r.uses.Load(key); known {
		return time.Unix(at.(int64), 0).UTC()
	}
	return time.Time{}
}

// FlushUses stores the last uses that are not stored yet, and forgets those of
// removed secrets. It blocks changes of the registry meanwhile, so that no use is
// stored after its secret was removed.
func (r *Registry) FlushUses(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	registered := r.Snapshot().secretKeys()
	var changed []string
	for k := range r.uses.Range {
		key := k.(string)
		if !registered[key] {
			r.uses.Delete(key)
			delete(r.flushed, key)
		} else if !r.lastUse(key).Equal(r.flushed[key]) {
			changed = append(changed, key)
		}
	}
	for batch := range slices.Chunk(changed, flushBatch) {
		if err := r.storeUses(ctx, batch); err != nil {
			return fmt.Errorf("storing the last uses of secrets: %w", err)
		}
	}
	return nil
}

func (r *Registry) storeUses(ctx context.Context, keys []string) error {
	var writes []storage.Write
	last := map[string]time.Time{}
	for _, key := range keys {
		last[key] = r.lastUse(key)
		w, err := r.lastUses.Put(key, useRecord{last[key]})
		if err != nil {
			return err
		}
		writes = append(writes, w)
	}
	if err := r.engine.Commit(ctx, writes...); err != nil {
		return err
	}
	maps.Copy(r.flushed, last)
	return nil
}

// secretKeys returns the keys of the secrets of all registered clients.
func (s *Snapshot) secretKeys() map[string]bool {
	keys := map[string]bool{}
	for id, c := range s.clients {
		if !c.active() {
			continue
		}
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
		if at := r.lastUse(key); at.After(s.LastUsed) {
			s.LastUsed = at
		}
	}
	return nil
}
