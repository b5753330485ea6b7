package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Union is the keys of one issuer that come from several sources, each with its own
// algorithms: a shared secret beside a key set, or an old source beside a new one.
//
// A token goes only to the sources that accept its alg. A source of secrets accepts
// HMAC and nothing else, and one of public keys never does ([New]), so that no secret
// verifies where a public key is meant, nor the reverse. Its methods are safe for
// concurrent use.
type Union struct {
	parts []Part
	now   func() time.Time
}

// Part is one source of a Union.
type Part struct {
	Set *Set
	// Until is the time from which the source verifies nothing; zero means never.
	Until time.Time
}

func (p *Part) ended(now time.Time) bool { return !p.Until.IsZero() && !now.Before(p.Until) }

// Join returns the Union of parts. now is the clock of Keys.
func Join(now func() time.Time, parts ...Part) *Union {
	if now == nil {
		now = time.Now
	}
	return &Union{parts: parts, now: now}
}

// Verify is [Set.Verify] by the sources that accept the token's alg and have not
// ended. A source that has the token's kid comes first, so that it causes no fetch of
// the others.
func (u *Union) Verify(ctx context.Context, t *Token, now time.Time) (Verified, error) {
	text, err := decodeText("header", t.header)
	if err != nil {
		return Verified{}, err
	}
	h, err := readHeader(text)
	if err != nil {
		return Verified{}, err
	}
	sets := u.accepting(h, now)
	if len(sets) == 0 {
		return Verified{}, &Error{Kind: AlgorithmNotAccepted, Check: "alg", Want: u.algorithms(now), Got: h.alg}
	}
	var refused error
	for _, s := range sets {
		v, err := s.Verify(ctx, t, now)
		if err == nil {
			return v, nil
		}
		refused = worse(refused, err)
	}
	return Verified{}, refused
}

func (u *Union) accepting(h header, now time.Time) (sets []*Set) {
	for _, p := range u.parts {
		if !p.ended(now) && p.Set.accepted[h.alg] {
			sets = append(sets, p.Set)
		}
	}
	slices.SortStableFunc(sets, func(a, b *Set) int { return b.holds(h.kid) - a.holds(h.kid) })
	return sets
}

// holds returns 1 if the set has a key of that kid, without a fetch, and otherwise 0.
func (s *Set) holds(kid string) int {
	if ks := s.keys.Load(); ks != nil && len(ks.byKID[kid]) > 0 {
		return 1
	}
	return 0
}

// certainty orders kinds of refusals by what they leave open: of an invalid signature
// nothing, of unavailable keys whether the token is valid.
var certainty = []Kind{KeyNotFound, AlgorithmNotAccepted, SignatureInvalid, Malformed, TypeNotAccepted, Unavailable, Overloaded}

// worse returns the refusal that leaves more open, with a, which came first, before
// an equal one.
func worse(a, b error) error {
	rank := func(err error) int {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return -1
		}
		return slices.Index(certainty, e.Kind)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func (u *Union) algorithms(now time.Time) string {
	want := ""
	for _, p := range u.parts {
		if p.ended(now) {
			continue
		}
		if want != "" {
			want += ", or "
		}
		want += p.Set.algorithms()
	}
	return want
}

// Revoked reports whether the operator revoked a key, as [Set.Revoked] does: it is
// listed as revoked, or the sources that can have it have it no longer. The end of a
// source revokes nothing.
func (u *Union) Revoked(key string) bool {
	held := false
	for _, p := range u.parts {
		if p.Set.trust.revoked[key] {
			return true
		}
		held = held || p.Set.mayHold(key)
	}
	return !held
}

// mayHold reports whether a key may be, or have been, one of the set. Fetched keys have
// thumbprints, and secrets IDs.
func (s *Set) mayHold(key string) bool {
	return s.listed[key] || s.fetcher != nil && isThumbprint(key)
}

// Keys describes the keys of all sources, as [Set.Keys] does. Its error is that of
// the first source that cannot be fetched, if no other has a key.
func (u *Union) Keys(ctx context.Context) (all []KeyInfo, err error) {
	now := u.now()
	for _, p := range u.parts {
		infos, e := p.Set.Keys(ctx)
		if e != nil && err == nil {
			err = e
		}
		for _, info := range infos {
			if p.ended(now) && info.Refused == "" {
				info.Refused = fmt.Sprintf("its source ended at %s", p.Until.UTC().Format(time.RFC3339))
			}
			all = append(all, info)
		}
	}
	if len(all) > 0 {
		err = nil
	}
	return all, err
}

// Close is [Set.Close] of all sources.
func (u *Union) Close() {
	for _, p := range u.parts {
		p.Set.Close()
	}
}
