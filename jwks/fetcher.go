package jwks

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"cambio/jwks/egress"
)

// fetcher decides when keys are fetched: one fetch at a time, none before the
// cool-down since the start of the last one has passed, and only on demand. One
// fetch because of an unknown key may follow sooner on one that was made because
// of the keys' age: otherwise valid tokens of an issuer that rotates right after
// it would be refused. Its only goroutine is that of a fetch under way.
type fetcher struct {
	opts    Options
	name    string // for the log
	load    func(context.Context) ([]parsed, error)
	trust   *trust
	publish func(*keySet)

	last    atomic.Pointer[fetch] // nil before the first
	failing bool                  // the last fetch that ended failed; of the fetch under way

	waiters *egress.Waiters

	mu      sync.Mutex // held to start a fetch, not while it lasts
	closed  bool
	running sync.WaitGroup
	ctx     context.Context // of all fetches
	cancel  context.CancelCauseFunc
}

// fetch is one fetch of keys. Until the next one it is what is known of the
// issuer.
type fetch struct {
	start time.Time
	cause cause
	retry bool          // the fetch before it failed a short time ago
	done  chan struct{} // closed at the end
	err   error         // valid after the end
	keys  *keySet       // what the issuer published, usable or not; nil after other failures
}

// cause is why keys are fetched.
type cause int

const (
	forAge cause = iota // there are none, or they are old
	forKey              // a token names a key that is not among them
)

// maxWaiting bounds the callers that wait for the keys of one issuer: those beyond it
// are told to come back, and take nothing from callers of other issuers.
const maxWaiting = 256

func newFetcher(src Source, opts Options, t *trust, publish func(*keySet)) (*fetcher, error) {
	load, err := newLoader(src, opts)
	if err != nil {
		return nil, err
	}
	f := &fetcher{opts: opts, waiters: egress.NewWaiters(maxWaiting), name: cmp.Or(opts.Name, src.Issuer, src.JWKSURL, src.CertificatesURL), load: load, trust: t, publish: publish}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	return f, nil
}

// fresh reports whether keys may be used without waiting. Near the end of their
// age it also starts a fetch, so that no token of an issuer in use waits for keys.
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

// tolerable reports whether keys may be used although a fetch just failed.
func (f *fetcher) tolerable(ks *keySet) bool {
	return ks != nil && f.opts.Now().Sub(ks.fetched) < f.opts.MaxStale
}

// down reports whether the issuer is known to be down: the last fetch failed, a
// short time ago. An older failure is stale, and keys that may have been withdrawn
// since then do not count before another fetch.
func (f *fetcher) down(now time.Time) bool {
	last := f.last.Load()
	switch {
	case last == nil:
		return false
	case !last.ended():
		return last.retry
	}
	return last.err != nil && now.Sub(last.start) < 2*f.opts.Cooldown
}

func (fe *fetch) ended() bool {
	select {
	case <-fe.done:
		return true
	default:
		return false
	}
}

// wait waits for the fetch under way, or for a new one if the cool-down permits
// it, which it reports as began; otherwise it returns the result of the last. A
// caller that stops waiting does not stop the fetch, for others wait for it too.
func (f *fetcher) wait(ctx context.Context, c cause) (began bool, err error) {
	fe, began := f.begin(c, f.opts.Now())
	if err := f.attend(ctx, fe); err != nil {
		return began, &Error{Kind: Unavailable, Check: CheckKeys, RetryAfter: f.retryAfter(), Err: err}
	}
	return began, nil
}

// attend returns the error of a fetch once it has ended. For the time of the wait
// the caller holds no place among the requests in flight.
func (f *fetcher) attend(ctx context.Context, fe *fetch) error {
	if !fe.ended() {
		end, ok := f.waiters.Begin(ctx, f.name)
		if !ok {
			return fmt.Errorf("%d callers wait for them already", maxWaiting)
		}
		defer end()
	}
	select {
	case <-fe.done:
		return fe.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin returns the fetch to wait for. It starts one, which it reports as began,
// unless one is under way or the cool-down since the last has not passed.
func (f *fetcher) begin(c cause, now time.Time) (fe *fetch, began bool) {
	if fe := f.last.Load(); fe != nil && f.blocks(fe, c, now) {
		return fe, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fe := f.last.Load(); fe != nil && f.blocks(fe, c, now) {
		return fe, false
	}
	fe = &fetch{start: now, cause: c, retry: f.down(now), done: make(chan struct{})}
	if f.closed {
		fe.err = errClosed
		close(fe.done)
		return fe, true
	}
	f.last.Store(fe)
	f.running.Go(func() { f.run(fe) })
	return fe, true
}

// blocks reports whether the last fetch keeps another one from starting at now.
func (f *fetcher) blocks(last *fetch, c cause, now time.Time) bool {
	if !last.ended() {
		return true
	}
	sooner := c == forKey && last.cause == forAge && last.err == nil
	return !sooner && now.Sub(last.start) < f.opts.Cooldown
}

// retryAfter returns the time until another fetch may start, at least a second: a
// fetch may last longer than the cool-down.
func (f *fetcher) retryAfter() time.Duration {
	last := f.last.Load()
	if last == nil {
		return 0
	}
	return max(time.Second, f.opts.Cooldown-f.opts.Now().Sub(last.start))
}

func (f *fetcher) run(fe *fetch) {
	ctx, cancel := context.WithTimeout(f.ctx, f.opts.Timeout)
	defer cancel()
	all, err := f.load(ctx)
	if err == nil {
		fe.keys = newKeySet(all, f.trust, fe.start)
		fe.keys.fetched = fe.start
		err = fe.keys.someUsable()
	}
	if err == nil {
		f.publish(fe.keys)
		f.opts.Logger.Debug("fetched keys", "issuer", f.name, "keys", len(all), "usable", len(fe.keys.usable))
	} else {
		f.opts.Logger.Warn("cannot fetch keys", "issuer", f.name, "error", err)
	}
	changed := (err != nil) != f.failing // fetches follow one another
	f.failing, fe.err = err != nil, err
	close(fe.done)
	if changed && f.opts.Report != nil {
		f.opts.Report(f.name, err)
	}
}

// close cancels the fetch under way and waits for it.
func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel(errClosed)
	f.running.Wait()
}
