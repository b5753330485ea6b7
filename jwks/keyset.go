package jwks

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxTries bounds the keys tried for one token.
const maxTries = 16

// keySet is one version of an issuer's keys. It is immutable and replaced as a
// whole.
type keySet struct {
	fetched time.Time // start of the fetch that brought it; zero for registered keys
	usable  []*key
	byKID   map[string][]*key
	refused map[string]error // kid → the reason why its key is not used
	infos   []KeyInfo
	// unnamed is set if the operator registered the keys without a kid that the
	// issuer knows: a kid that matches none is ignored.
	unnamed bool
}

// newKeySet returns the set of the parsed keys that the operator's trust admits.
func newKeySet(all []parsed, t *trust, now time.Time) *keySet {
	ks := &keySet{byKID: make(map[string][]*key), refused: make(map[string]error)}
	for _, p := range all {
		if p.refused == nil {
			p.refused = t.admit(&p.key, p.chain, now)
		}
		ks.add(p)
	}
	return ks
}

func (ks *keySet) add(p parsed) {
	info := p.key.info()
	if p.refused != nil {
		info.Refused = clip(p.refused.Error())
		ks.refused[p.kid] = errors.New(info.Refused)
	} else {
		k := &p.key
		ks.usable = append(ks.usable, k)
		if k.kid != "" {
			ks.byKID[k.kid] = append(ks.byKID[k.kid], k)
		}
	}
	ks.infos = append(ks.infos, info)
}

// clip shortens text that may repeat what an issuer sent to what fits on a
// line.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// find returns the keys to try for a header.
func (ks *keySet) find(h header, allowMissing bool) ([]*key, error) {
	var keys []*key
	named := ks.byKID[h.kid]
	switch {
	case h.named && len(named) > 0:
		if keys = fitting(h.algorithm, named); len(keys) == 0 {
			return nil, &Error{Kind: AlgorithmNotAccepted, Check: "alg", Want: "one that fits the key " + quote(h.kid), Got: h.alg}
		}
	case h.named && !ks.unnamed:
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: "a key of the issuer", Got: h.kid, Err: ks.refused[h.kid]}
	case !h.named && !ks.unnamed && !allowMissing:
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: "a kid: this issuer's tokens must name their key"}
	default:
		if keys = fitting(h.algorithm, ks.usable); len(keys) == 0 {
			return nil, &Error{Kind: KeyNotFound, Check: "alg", Want: "a key that fits", Got: h.alg}
		}
	}
	if len(keys) > maxTries {
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: fmt.Sprintf("at most %d keys to try", maxTries)}
	}
	return keys, nil
}

// fitting returns the keys that fit an algorithm. It copies only if some do
// not, which is rare.
func fitting(a *algorithm, keys []*key) []*key {
	misfit := func(k *key) bool { return !a.fits(k) }
	if slices.ContainsFunc(keys, misfit) {
		return slices.DeleteFunc(slices.Clone(keys), misfit)
	}
	return keys
}
