package jwks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Verified is the content of a token whose signature is valid.
type Verified struct {
	Payload    string // decoded; JSON only as far as Parse read it
	Type       string // typ header as written; empty when absent
	Alg        string
	KeyID      string // kid header; empty when absent
	Thumbprint string // RFC 7638, of the key that signed; the ID of a Secret
}

// KeyInfo describes a key for operators.
type KeyInfo struct {
	KeyID      string
	Thumbprint string    // RFC 7638; the ID of a Secret; empty if the key could not be read
	Type       string    // kty: RSA, EC, OKP, oct
	Alg        string    // as the key states it
	Use        string    // as the key states it
	NotAfter   time.Time // of its certificate; enforced only with Anchors
	Refused    string    // the reason why it is not used; empty if it is
	Notes      []string  // what is wrong with it and does not matter
}

// Set is the keys of one issuer. Its methods are safe for concurrent use. A Set
// that is not used costs only its memory.
type Set struct {
	accepted        map[string]bool // alg → true
	allowMissingKID bool
	verifying       chan struct{}
	trust           *trust
	listed          map[string]bool        // thumbprints of registered keys; nil if the keys are fetched
	keys            atomic.Pointer[keySet] // nil until fetched
	fetcher         *fetcher               // nil if the keys are registered
}

// New returns the key set of src. Registered keys are parsed now, and an error
// names the field of Source or Options that is wrong; keys behind a URL are
// fetched when they are first needed.
func New(src Source, opts Options) (*Set, error) {
	if err := opts.setDefaults(src); err != nil {
		return nil, err
	}
	t, err := newTrust(src)
	if err != nil {
		return nil, err
	}
	t.accepted = opts.Algorithms
	s := &Set{
		accepted:        make(map[string]bool),
		allowMissingKID: opts.AllowMissingKID,
		verifying:       opts.Verifying,
		trust:           t,
	}
	for _, alg := range opts.Algorithms {
		s.accepted[alg] = true
	}
	if src.fetched() {
		s.fetcher, err = newFetcher(src, opts, t, s.keys.Store)
	} else {
		err = s.register(src, t, opts.Now())
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Set) register(src Source, t *trust, now time.Time) error {
	all, ks, err := src.registered(t, now)
	if err != nil {
		return err
	}
	s.keys.Store(ks)
	s.listed = make(map[string]bool)
	for _, p := range all {
		if p.thumbprint != "" && t.lists(&p.key) == nil {
			s.listed[p.thumbprint] = true
		}
	}
	return nil
}

// Revoked reports whether the operator revoked a key, given by its thumbprint or
// by the ID of a secret: it is among RevokedKeys, or no longer among the keys that
// are registered one by one. That an issuer stopped publishing a key, or that its
// certificate expired, does not revoke what the key signed before.
func (s *Set) Revoked(thumbprint string) bool {
	return s.trust.revoked[thumbprint] || s.fetcher == nil && !s.listed[thumbprint]
}

// Verify returns the content of a token if one of the issuer's keys signed it.
// The validity of certificates is that at now. Verify waits for a fetch if there
// are no keys young enough or none of the token's kid, no longer than ctx allows.
// An error is an *Error and comes with an empty Verified.
func (s *Set) Verify(ctx context.Context, t *Token, now time.Time) (Verified, error) {
	signature, err := decodeSignature(t.signature)
	if err != nil {
		return Verified{}, err
	}
	h, err := s.read(t.header)
	if err != nil {
		return Verified{}, err
	}
	keys, err := s.find(ctx, h)
	if err != nil {
		return Verified{}, err
	}
	k, err := s.check(ctx, h, keys, t.input, signature, now)
	if err != nil {
		return Verified{}, err
	}
	return Verified{Payload: t.payload, Type: h.typ, Alg: h.alg, KeyID: h.kid, Thumbprint: k.thumbprint}, nil
}

// read reads an encoded header and refuses algorithms that the operator did not
// name, before it looks for any key.
func (s *Set) read(raw string) (header, error) {
	text, err := decodeText("header", raw)
	if err != nil {
		return header{}, err
	}
	h, err := readHeader(text)
	if err != nil {
		return header{}, err
	}
	if !s.accepted[h.alg] {
		return header{}, &Error{Kind: AlgorithmNotAccepted, Check: "alg", Want: s.algorithms(), Got: h.alg}
	}
	h.algorithm = algorithms[h.alg]
	return h, nil
}

// find returns the keys to try for a header, after a fetch if there must be one.
func (s *Set) find(ctx context.Context, h header) ([]*key, error) {
	ks, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := ks.find(h, s.allowMissingKID)
	if !s.worthFetching(h, err) {
		return keys, err
	}
	return s.fetchAndFind(ctx, h)
}

// fetchAndFind fetches because of a key that is not held. The first fetch
// it waits for may have begun, for another reason, before the key was published;
// then it waits for a second one. Only the caller whose own fetch did not bring the
// key knows that the issuer has none: for others the key may be published since the
// last fetch, and that no fetch is permitted yet is not the token's fault.
func (s *Set) fetchAndFind(ctx context.Context, h header) (keys []*key, err error) {
	fetched := false
	for range 2 {
		var began bool
		if began, err = s.fetcher.wait(ctx, forKey); err != nil {
			return nil, err
		}
		fetched = fetched || began
		if keys, err = s.keys.Load().find(h, s.allowMissingKID); err == nil {
			return keys, nil
		}
	}
	if ks := s.keys.Load(); s.allowMissingKID && h.named && len(ks.nameless) > 0 {
		return tried(h, ks.nameless)
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == KeyNotFound {
		e.RetryAfter = s.fetcher.retryAfter()
		if !fetched {
			e.Kind = Unavailable
		}
	}
	return nil, err
}

// worthFetching reports whether err is about a key that a fetch could bring.
func (s *Set) worthFetching(h header, err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == KeyNotFound && s.fetcher != nil && (h.named || s.allowMissingKID)
}

func (s *Set) algorithms() string {
	return "one of " + strings.Join(slices.Sorted(maps.Keys(s.accepted)), " ")
}

// check returns the key that signed. An invalid signature leads to no fetch:
// anyone can make one.
func (s *Set) check(ctx context.Context, h header, keys []*key, input string, signature []byte, now time.Time) (*key, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	expired := 0
	for _, k := range keys {
		if !k.valid(now) {
			expired++
			continue
		}
		if h.algorithm.check(h.algorithm, k, input, signature) {
			return k, nil
		}
	}
	if expired == len(keys) {
		return nil, &Error{Kind: KeyNotFound, Check: "certificate", Want: "one that is valid now", Got: h.kid}
	}
	return nil, &Error{Kind: SignatureInvalid, Check: "signature", Want: "that of a key of the issuer"}
}

// enter waits until one more signature may be verified.
func (s *Set) enter(ctx context.Context) error {
	if s.verifying == nil {
		return nil
	}
	select {
	case s.verifying <- struct{}{}:
		return nil
	default: // the usual case needs no ctx, which costs more
	}
	select {
	case s.verifying <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &Error{Kind: Overloaded, Check: "signatures verified at once", Err: context.Cause(ctx)}
	}
}

func (s *Set) leave() {
	if s.verifying != nil {
		<-s.verifying
	}
}

// current returns the key set to use, after a fetch if there must be one.
func (s *Set) current(ctx context.Context) (*keySet, error) {
	ks := s.keys.Load()
	if s.fetcher == nil || s.fetcher.fresh(ks) {
		return ks, nil
	}
	_, err := s.fetcher.wait(ctx, forAge)
	if err == nil {
		return s.keys.Load(), nil
	}
	if ctx.Err() == nil && s.fetcher.tolerable(ks) {
		return ks, nil
	}
	return nil, err
}

// Keys describes the keys, including refused ones. It fetches them if need be, and
// describes what the issuer published last, even if no key of it is usable; an error
// is an *Error.
func (s *Set) Keys(ctx context.Context) ([]KeyInfo, error) {
	ks, err := s.current(ctx)
	if s.fetcher != nil {
		if last := s.fetcher.last.Load(); last != nil && last.ended() && last.keys != nil {
			ks, err = last.keys, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(ks.infos), nil
}

// Close cancels fetches under way and waits for them. Held keys stay in use until
// they are too old.
func (s *Set) Close() {
	if s.fetcher != nil {
		s.fetcher.close()
	}
}
