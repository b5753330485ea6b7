package keys

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cambio/storage"

	"github.com/go-jose/go-jose/v4"
)

// Clients may be registered for ID tokens of another algorithm than that of the
// ring. Each such algorithm has a ring of its own, of the same schedule and in a
// record of its own. Its keys are published, but only SignBy signs with them: an
// access token by one of them is not accepted.

// Ensure creates the keys of algorithms that have none yet, for SignBy. Keys in the
// store are used again.
func (r *Ring) Ensure(ctx context.Context, algorithms ...string) error {
	for _, algorithm := range algorithms {
		if r.by(algorithm) != nil {
			continue
		}
		if err := checkAlgorithm(algorithm); err != nil {
			return err
		}
		if err := r.openOther(ctx, algorithm); err != nil {
			return fmt.Errorf("opening %s keys: %w", algorithm, err)
		}
	}
	return nil
}

// openOther opens the ring of an algorithm. Of several nodes that create it at once
// one does.
func (r *Ring) openOther(ctx context.Context, algorithm string) error {
	o := &Ring{
		schedule: r.schedule, engine: r.engine, table: r.table, kek: r.kek,
		now: r.now, steady: r.steady, logger: r.logger, key: ringKey + "/" + algorithm,
	}
	o.schedule.algorithm = algorithm
	_, err := o.table.Get(ctx, o.key)
	if errors.Is(err, storage.ErrNotFound) {
		err = o.insert(ctx)
	}
	if err == nil {
		err = o.reread(ctx)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	others := maps.Clone(r.otherRings())
	if others == nil {
		others = map[string]*Ring{}
	}
	others[algorithm] = o
	r.others.Store(&others)
	return nil
}

// insert stores an active and a next key, unless another node was faster.
func (r *Ring) insert(ctx context.Context) error {
	made, err := r.complete(nil, r.now())
	if err != nil {
		return err
	}
	w, err := r.table.Insert(r.key, record{made})
	if err != nil {
		return err
	}
	if err := r.engine.Commit(ctx, w); err != nil && !errors.Is(err, storage.ErrConflict) {
		return err
	}
	return nil
}

func (r *Ring) otherRings() map[string]*Ring {
	if others := r.others.Load(); others != nil {
		return *others
	}
	return nil
}

// by returns the ring whose active key is of an algorithm, nil if there is none. The
// empty algorithm is that of r.
func (r *Ring) by(algorithm string) *Ring {
	if algorithm == "" || r.state.Load().active.Algorithm == algorithm {
		return r
	}
	return r.otherRings()[algorithm]
}

// SignBy is Sign by the active key of an algorithm, which must be that of the ring
// or one that Ensure was called for. Verify does not accept the token in the latter
// case.
func (r *Ring) SignBy(algorithm, typ string, payload []byte) (string, error) {
	by := r.by(algorithm)
	if by == nil {
		return "", fmt.Errorf("signing: there is no %.16q key", algorithm)
	}
	return by.Sign(typ, payload)
}

// forAll calls do for r and for the other rings, in the order of their algorithms.
func (r *Ring) forAll(do func(*Ring) error) error {
	err := do(r)
	others := r.otherRings()
	for _, algorithm := range slices.Sorted(maps.Keys(others)) {
		if e := do(others[algorithm]); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

// revokeIn removes a key of this ring.
func (r *Ring) revokeIn(ctx context.Context, kid string, now time.Time) error {
	return r.update(ctx, now, func(ring []member) ([]member, error) {
		out, ok := revoke(ring, kid, now)
		if !ok {
			return nil, fmt.Errorf("key %.128q: %w", kid, storage.ErrNotFound)
		}
		return out, nil
	})
}

// published returns the published keys of all rings, those of r first.
func (r *Ring) published() []*key {
	var out []*key
	r.forAll(func(o *Ring) error {
		out = append(out, o.state.Load().published...)
		return nil
	})
	return out
}

// marshalSet returns the JWK Set (RFC 7517 §5) of keys and its entity tag.
func marshalSet(keys []*key) (body []byte, etag string, err error) {
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"})
	}
	if body, err = json.Marshal(set); err != nil {
		return nil, "", fmt.Errorf("marshalling the JWK Set: %w", err)
	}
	sum := sha256.Sum256(body)
	return body, `"` + encoding.EncodeToString(sum[:16]) + `"`, nil
}
