package jwks

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// fetcher decides when keys are fetched: once at a time, not again before the
// cool-down has passed since the last fetch began, and only when somebody
// asks. One fetch for the sake of an unknown key may follow sooner on one that
// was made because keys were old: else an issuer that rotates right after it
// would have good tokens refused. It has no goroutine but that of a fetch under
// way.
type fetcher struct {
	opts    Options
	name    string // for the log
	load    func(context.Context) ([]parsed, error)
	trust   *trust
	publish func(*keySet)

	last atomic.Pointer[flight] // nil before the first

	mu      sync.Mutex // held to begin a flight, not while it lasts
	closed  bool
	flights sync.WaitGroup
	ctx     context.Context // of all flights
	cancel  context.CancelCauseFunc
}

// flight is one fetch. When it is over it stays until the next one, as what is
// known of the issuer.
type flight struct {
	began time.Time
	sake  sake
	probe bool          // the flight before it failed a short time ago
	done  chan struct{} // closed when it is over
	err   error         // to be read when it is over
}

// sake is why keys are fetched.
type sake int

const (
	forAge sake = iota // there are none, or they are old
	forKey             // a token names one that is not among them
)

func newFetcher(src Source, opts Options, t *trust, publish func(*keySet)) (*fetcher, error) {
	load, err := newLoader(src, opts)
	if err != nil {
		return nil, err
	}
	f := &fetcher{opts: opts, name: cmp.Or(src.Issuer, src.JWKSURL, src.CertificatesURL), load: load, trust: t, publish: publish}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f, nil
}

// fresh says whether keys may be used without waiting. Near the end of their
// age it also has a fetch begin, so that nobody waits for the keys of an
// issuer that is in use.
func (f *fetcher) fresh(ks *keySet) bool {
	if ks == nil {
		return false
	}
	now := f.opts.Now()
	age := now.Sub(ks.fetched)
	switch {
	case age < f.opts.MaxAge*3/4:
		return true
	case age < f.opts.MaxAge, age < f.opts.MaxStale && f.down(now):
		f.begin(forAge, now)
		return true
	}
	return false
}

// tolerable says whether keys may be used though a fetch just failed.
func (f *fetcher) tolerable(ks *keySet) bool {
	return ks != nil && f.opts.Now().Sub(ks.fetched) < f.opts.MaxStale
}

// down says whether the issuer is known to be down: the last fetch failed, and
// not long ago. What is older says nothing about now, and keys that may have
// been withdrawn since then do not count before somebody looks.
func (f *fetcher) down(now time.Time) bool {
	last := f.last.Load()
	switch {
	case last == nil:
		return false
	case !last.over():
		return last.probe
	}
	return last.err != nil && now.Sub(last.began) < 2*f.opts.Cooldown
}

func (fl *flight) over() bool {
	select {
	case <-fl.done:
		return true
	default:
		return false
	}
}

// wait waits for the fetch under way, for a new one if there may be one, or
// for none: then it answers what became of the last. Whoever stops waiting
// does not stop the fetch, for others wait for it too.
func (f *fetcher) wait(ctx context.Context, s sake) error {
	fl := f.begin(s, f.opts.Now())
	select {
	case <-fl.done:
	case <-ctx.Done():
		return &Error{Kind: Unavailable, Check: "keys", Err: context.Cause(ctx)}
	}
	if fl.err == nil {
		return nil
	}
	return &Error{Kind: Unavailable, Check: "keys", RetryAfter: f.retryAfter(), Err: fl.err}
}

// begin answers the fetch to wait for. It begins one unless one is under way
// or the cool-down since the last has not passed.
func (f *fetcher) begin(s sake, now time.Time) *flight {
	if fl := f.last.Load(); fl != nil && f.holds(fl, s, now) {
		return fl
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.last.Load(); fl != nil && f.holds(fl, s, now) {
		return fl
	}
	fl := &flight{began: now, sake: s, probe: f.down(now), done: make(chan struct{})}
	if f.closed {
		fl.err = errClosed
		close(fl.done)
		return fl
	}
	f.last.Store(fl)
	f.flights.Go(func() { f.fly(fl) })
	return fl
}

// holds says whether fl keeps another fetch from beginning at now.
func (f *fetcher) holds(fl *flight, s sake, now time.Time) bool {
	if !fl.over() {
		return true
	}
	sooner := s == forKey && fl.sake == forAge && fl.err == nil
	return !sooner && now.Sub(fl.began) < f.opts.Cooldown
}

// retryAfter is how long until another fetch may begin.
func (f *fetcher) retryAfter() time.Duration {
	fl := f.last.Load()
	if fl == nil {
		return 0
	}
	return max(0, f.opts.Cooldown-f.opts.Now().Sub(fl.began))
}

func (f *fetcher) fly(fl *flight) {
	ctx, cancel := context.WithTimeout(f.ctx, f.opts.Timeout)
	defer cancel()
	all, err := f.load(ctx)
	if err == nil {
		ks := newKeySet(all, f.trust, fl.began)
		ks.fetched = fl.began
		f.publish(ks)
		f.opts.Logger.Debug("fetched keys", "issuer", f.name, "keys", len(all), "usable", len(ks.usable))
	} else {
		f.opts.Logger.Warn("cannot fetch keys", "issuer", f.name, "error", err)
	}
	fl.err = err
	close(fl.done)
	if f.opts.OnFetch != nil {
		f.opts.OnFetch(err)
	}
}

// close ends the flight under way and waits for it.
func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel(errClosed)
	f.flights.Wait()
}
