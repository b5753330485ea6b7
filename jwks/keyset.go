package jwks

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxTries   = 16   // keys tried for one token
	maxHeaders = 64   // headers remembered per key set
	maxHeader  = 1024 // bytes of a header that is remembered
)

// keySet is an issuer's keys at one moment. It does not change, but for the
// headers it remembers, and is replaced as a whole.
type keySet struct {
	fetched time.Time // when the fetch began that brought it; zero for keys that were registered
	usable  []*key
	byKID   map[string][]*key
	refused map[string]error // kid → why its key is not used
	infos   []KeyInfo
	// unnamed says that the operator registered the keys and gave them no kid
	// that the issuer knows: a kid that matches nothing is not counted.
	unnamed bool
	// headers are those of tokens that these keys signed: raw header →
	// resolved. The map is copied to be added to.
	headers atomic.Pointer[map[string]*resolved]
}

// resolved is a header, read, and the keys it leads to.
type resolved struct {
	header
	algorithm *algorithm
	keys      []*key
	origin    *keySet // whose keys they are
}

// newKeySet keeps the parsed keys that the operator's trust admits.
func newKeySet(all []parsed, t *trust, now time.Time) *keySet {
	ks := &keySet{byKID: make(map[string][]*key), refused: make(map[string]error)}
	ks.headers.Store(&map[string]*resolved{})
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

// clip bounds text that may hold what a stranger wrote, to what is shown on a
// line.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// resolve finds the keys to try for a header.
func (ks *keySet) resolve(h header, allowMissing bool) (*resolved, error) {
	r := &resolved{header: h, algorithm: algorithms[h.alg], origin: ks}
	named := ks.byKID[h.kid]
	switch {
	case h.named && len(named) > 0:
		r.keys = fitting(r.algorithm, named)
		if len(r.keys) == 0 {
			return nil, &Error{Kind: AlgorithmNotAccepted, Check: "alg", Want: "one that fits the key " + quote(h.kid), Got: h.alg}
		}
	case h.named && !ks.unnamed:
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: "a key of the issuer", Got: h.kid, Err: ks.refused[h.kid]}
	case !h.named && !ks.unnamed && !allowMissing:
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: "a kid: this issuer's tokens must name their key"}
	default:
		if r.keys = fitting(r.algorithm, ks.usable); len(r.keys) == 0 {
			return nil, &Error{Kind: KeyNotFound, Check: "alg", Want: "a key that fits", Got: h.alg}
		}
	}
	if len(r.keys) > maxTries {
		return nil, &Error{Kind: KeyNotFound, Check: "kid", Want: fmt.Sprintf("at most %d keys to try", maxTries)}
	}
	return r, nil
}

func fitting(a *algorithm, keys []*key) []*key {
	var out []*key
	for _, k := range keys {
		if a.fits(k) {
			out = append(out, k)
		}
	}
	return out
}

// remembered is what a raw header was resolved to before.
func (ks *keySet) remembered(raw string) *resolved {
	return (*ks.headers.Load())[raw]
}

// remember keeps what the header of a token was resolved to. Only headers that
// a key signed are kept, so that nobody else decides what fills the map, and
// at most 64 of them. When two are added at once, one may be lost.
func (ks *keySet) remember(raw string, r *resolved) {
	old := ks.headers.Load()
	if len(raw) > maxHeader || len(*old) >= maxHeaders || (*old)[raw] != nil {
		return
	}
	grown := maps.Clone(*old)
	grown[strings.Clone(raw)] = r // not the token that it is a part of
	ks.headers.CompareAndSwap(old, &grown)
}
