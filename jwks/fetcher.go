package jwks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cambio/jwks/egress"
	"cambio/jwks/strictjson"
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

	last atomic.Pointer[fetch] // nil before the first

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
}

// cause is why keys are fetched.
type cause int

const (
	forAge cause = iota // there are none, or they are old
	forKey              // a token names a key that is not among them
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
// it; otherwise it returns the result of the last. A caller that stops waiting
// does not stop the fetch, for others wait for it too.
func (f *fetcher) wait(ctx context.Context, c cause) error {
	fe := f.begin(c, f.opts.Now())
	select {
	case <-fe.done:
	case <-ctx.Done():
		return &Error{Kind: Unavailable, Check: "keys", Err: context.Cause(ctx)}
	}
	if fe.err == nil {
		return nil
	}
	return &Error{Kind: Unavailable, Check: "keys", RetryAfter: f.retryAfter(), Err: fe.err}
}

// begin returns the fetch to wait for. It starts one unless one is under way or
// the cool-down since the last has not passed.
func (f *fetcher) begin(c cause, now time.Time) *fetch {
	if fe := f.last.Load(); fe != nil && f.blocks(fe, c, now) {
		return fe
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if fe := f.last.Load(); fe != nil && f.blocks(fe, c, now) {
		return fe
	}
	fe := &fetch{start: now, cause: c, retry: f.down(now), done: make(chan struct{})}
	if f.closed {
		fe.err = errClosed
		close(fe.done)
		return fe
	}
	f.last.Store(fe)
	f.running.Go(func() { f.run(fe) })
	return fe
}

// blocks reports whether the last fetch keeps another one from starting at now.
func (f *fetcher) blocks(last *fetch, c cause, now time.Time) bool {
	if !last.ended() {
		return true
	}
	sooner := c == forKey && last.cause == forAge && last.err == nil
	return !sooner && now.Sub(last.start) < f.opts.Cooldown
}

// retryAfter returns the time until another fetch may start.
func (f *fetcher) retryAfter() time.Duration {
	last := f.last.Load()
	if last == nil {
		return 0
	}
	return max(0, f.opts.Cooldown-f.opts.Now().Sub(last.start))
}

func (f *fetcher) run(fe *fetch) {
	ctx, cancel := context.WithTimeout(f.ctx, f.opts.Timeout)
	defer cancel()
	all, err := f.load(ctx)
	if err == nil {
		ks := newKeySet(all, f.trust, fe.start)
		ks.fetched = fe.start
		f.publish(ks)
		f.opts.Logger.Debug("fetched keys", "issuer", f.name, "keys", len(all), "usable", len(ks.usable))
	} else {
		f.opts.Logger.Warn("cannot fetch keys", "issuer", f.name, "error", err)
	}
	fe.err = err
	close(fe.done)
}

// close cancels the fetch under way and waits for it.
func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel(errClosed)
	f.running.Wait()
}

// maxBody bounds a response of an issuer, in bytes.
const maxBody = 512 << 10

const discoveryPath = "/.well-known/openid-configuration"

// loader fetches an issuer's keys.
type loader struct{ client *egress.Client }

// newLoader returns the function that fetches the keys of src.
func newLoader(src Source, opts Options) (func(context.Context) ([]parsed, error), error) {
	parseSet := func(data []byte) ([]parsed, error) { return parseJWKS(data, src.Uses...) }
	l := loader{egress.New(egress.Options{Private: opts.AllowPrivateAddresses, Timeout: opts.Timeout, MaxBody: maxBody})}
	switch {
	case src.JWKSURL != "":
		return l.from("JWKSURL", src.JWKSURL, parseSet)
	case src.CertificatesURL != "":
		return l.from("CertificatesURL", src.CertificatesURL, parseCertificates)
	}
	return l.discoverer(src, parseSet)
}

// from returns the function that fetches keys from a URL that the operator
// registered.
func (l loader) from(name, address string, parse func([]byte) ([]parsed, error)) (func(context.Context) ([]parsed, error), error) {
	if err := l.client.CheckURL(address); err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) { return l.keys(ctx, address, parse) }, nil
}

func (l loader) keys(ctx context.Context, address string, parse func([]byte) ([]parsed, error)) ([]parsed, error) {
	body, err := l.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	all, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading keys of %s: %w", quote(address), err)
	}
	return all, nil
}

// discoverer returns the function that fetches the discovery document and the
// keys at its jwks_uri: both are one fetch, with one timeout.
func (l loader) discoverer(src Source, parse func([]byte) ([]parsed, error)) (func(context.Context) ([]parsed, error), error) {
	if src.Issuer == "" {
		return nil, fieldf("Issuer", "discovery needs the issuer's URL")
	}
	name, address := "DiscoveryURL", src.DiscoveryURL
	if address == "" {
		// OpenID Connect Discovery §4.1: without a terminating slash.
		name, address = "Issuer", strings.TrimSuffix(src.Issuer, "/")+discoveryPath
	}
	if err := l.client.CheckURL(address); err != nil {
		return nil, field(name, err)
	}
	return func(ctx context.Context) ([]parsed, error) {
		body, err := l.get(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("fetching discovery document: %w", err)
		}
		jwksURI, err := readDiscovery(body, src.Issuer)
		if err == nil {
			err = l.client.CheckURL(jwksURI)
		}
		if err != nil {
			return nil, fmt.Errorf("reading discovery document of %s: %w", quote(address), err)
		}
		return l.keys(ctx, jwksURI, parse)
	}, nil
}

var discoveryRules = strictjson.Options{AllowNUL: true, Known: strictjson.Known("issuer", "jwks_uri")}

// readDiscovery returns the jwks_uri of issuer's discovery document. A document
// of another issuer is refused (OpenID Connect Discovery §4.3): the keys of one
// tenant would count for another.
func readDiscovery(body []byte, issuer string) (string, error) {
	var got, jwksURI string
	r := strictjson.New(string(body), discoveryRules)
	for name := range r.Object() {
		switch name {
		case "issuer":
			got = r.String()
		case "jwks_uri":
			jwksURI = r.String()
		}
	}
	switch err := r.End(); {
	case err != nil:
		return "", err
	case got != issuer:
		return "", fmt.Errorf("its issuer is %s, want %s", quote(got), quote(issuer))
	case jwksURI == "":
		return "", errors.New("it has no jwks_uri")
	}
	return jwksURI, nil
}

// get fetches a JSON document.
func (l loader) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := l.client.Do(req)
	switch {
	case err != nil:
	case resp.Status >= 300 && resp.Status < 400:
		err = fmt.Errorf("redirects to %s, which is not followed", quote(resp.Header.Get("Location")))
	case resp.Status != http.StatusOK:
		err = fmt.Errorf("status %d", resp.Status)
	case bytes.HasPrefix(bytes.TrimSpace(resp.Body), []byte("<")):
		err = errors.New("an HTML page, want JSON")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(address), err)
	}
	return resp.Body, nil
}
