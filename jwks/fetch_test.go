package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/jwks/egress"
	"cambio/jwks/jwkstest"
)

// clock is a clock that a test sets.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return testTime.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// discovered returns the set of an issuer on loopback, found by discovery.
func discovered(t testing.TB, i *jwkstest.Issuer, c *clock, change ...func(*Options)) *Set {
	t.Helper()
	opts := Options{AllowPrivateAddresses: true, Now: c.now}
	for _, f := range change {
		f(&opts)
	}
	return mustSet(t, Source{Issuer: i.URL}, opts)
}

func verify(t testing.TB, s *Set, token string) error {
	t.Helper()
	_, err := parseAndVerify(t.Context(), s, token, time.Now())
	return err
}

// waitForFetch waits for the fetch under way, if there is one.
func waitForFetch(s *Set) {
	if last := s.fetcher.last.Load(); last != nil {
		<-last.done
	}
}

func wantFetches(t *testing.T, i *jwkstest.Issuer, want int) {
	t.Helper()
	if got := i.Fetches(); got != want {
		t.Fatalf("%d fetches, want %d", got, want)
	}
}

func TestFetchedSources(t *testing.T) {
	i := jwkstest.New(t, jwkstest.WithAlg("RS256"))
	token := i.Sign(i.Claims("alice", "app"))
	cert := mustPEM(t, i.Certificates()[i.KID()])
	x5c := jwkstest.New(t)
	x5c.Serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(jwkSet(t, x5cJWK("RSA", i.KID(), cert)))
	})
	moved := jwkstest.New(t)
	moved.ServeDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"issuer": "https://issuer.example/", "jwks_uri": i.URL + jwkstest.JWKSPath})
	})
	for _, row := range []struct {
		name string
		src  Source
	}{
		{"discovery", Source{Issuer: i.URL}},
		{"discovery elsewhere", Source{Issuer: "https://issuer.example/", DiscoveryURL: moved.URL + jwkstest.DiscoveryPath}},
		{"a JWKS URL", Source{JWKSURL: i.URL + jwkstest.JWKSPath}},
		{"certificates", Source{CertificatesURL: i.URL + jwkstest.CertificatesPath}},
		{"a JWKS with only x5c", Source{JWKSURL: x5c.URL + jwkstest.JWKSPath}},
	} {
		t.Run(row.name, func(t *testing.T) {
			set := mustSet(t, row.src, Options{AllowPrivateAddresses: true})
			if err := verify(t, set, token); err != nil {
				t.Fatal(err)
			}
			infos, err := set.Keys(t.Context())
			if err != nil || len(infos) != 1 || infos[0].KeyID != i.KID() || infos[0].Refused != "" {
				t.Fatalf("Keys = %+v, %v", infos, err)
			}
		})
	}
}

func TestConcurrentUnknownKIDsShareOneFetch(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	good := i.Sign(i.Claims("alice", "app"))
	flood := func() {
		var wg sync.WaitGroup
		var found, told atomic.Int32
		for worker := range 100 {
			wg.Go(func() {
				for n := range 100 {
					_, err := parseAndVerify(t.Context(), set, forgedKID(100*worker+n), time.Now())
					switch kindOf(err) {
					case KeyNotFound:
						told.Add(1)
					case Unavailable:
					default:
						found.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := found.Load(); n != 0 {
			t.Errorf("%d of 10,000 unknown kids were not refused as such", n)
		}
		if n := told.Load(); n > 1 { // that whose caller began the fetch
			t.Errorf("%d of 10,000 callers were told that the issuer has no such key", n)
		}
	}
	flood()
	wantFetches(t, i, 2)
	flood()
	wantFetches(t, i, 2)
	c.advance(30 * time.Second)
	flood()
	wantFetches(t, i, 3)
	if i.Discoveries() != 3 {
		t.Errorf("%d discoveries, want one for each fetch", i.Discoveries())
	}
	wantKind(t, verify(t, set, good), "")
}

func TestUnknownKIDsCauseOneFetchPerCooldown(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	told, next := 0, time.Time{}
	const every = 360 * time.Millisecond // 10,000 in an hour
	for n := range 10_000 {
		_, err := parseAndVerify(t.Context(), set, forgedKID(n), time.Now())
		e, ok := errors.AsType[*Error](err)
		switch {
		case ok && e.Kind == KeyNotFound:
			told++
			next = c.now().Add(30 * time.Second)
		case !ok || e.Kind != Unavailable || e.RetryAfter != max(time.Second, next.Sub(c.now())):
			t.Fatalf("%v, retry after %s, want %s", err, e.RetryAfter, next.Sub(c.now()))
		}
		c.advance(every)
	}
	if got := i.Fetches(); got < 100 || got > 121 {
		t.Fatalf("%d fetches in an hour, want at most one for each 30 s", got)
	}
	if fetches := i.Fetches(); told > fetches {
		t.Errorf("%d callers were told that the issuer has no such key, with %d fetches", told, fetches)
	}
}

func forgedKID(n int) string {
	return encode(fmt.Appendf(nil, `{"alg":"ES256","kid":"forged-%d"}`, n)) + ".e30." + encode(make([]byte, 64))
}

// Not even when the cool-down has passed.
func TestBadSignaturesFetchNothing(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c, func(o *Options) { o.AllowMissingKID = true })
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
	c.advance(time.Minute)
	for range 100 {
		wantKind(t, verify(t, set, tamper(i.Sign(i.Claims("alice", "app")))), SignatureInvalid)
		wantKind(t, verify(t, set, tamper(i.Sign(i.Claims("alice", "app"), jwkstest.WithoutKID()))), SignatureInvalid)
	}
	wantKind(t, verify(t, set, "a.b.c"), Malformed)
	wantKind(t, verify(t, set, i.SignWith("ES512", map[string]any{})), AlgorithmNotAccepted)
	wantFetches(t, i, 1)
}

// Not even before there are any keys.
func TestMalformedTokensFetchNothing(t *testing.T) {
	f := newForge(t)
	set := discovered(t, f.issuer, &clock{})
	for _, row := range f.all(t) {
		if row.kind == Malformed || row.kind == TypeNotAccepted {
			wantKind(t, verify(t, set, row.token), row.kind)
		}
	}
	if f.issuer.Discoveries() != 0 {
		t.Error("a malformed token led to a fetch")
	}
}

// Within the cool-down of the last fetch because of an unknown key, a new key has
// to wait.
func TestNewKeyCountsFromItsFirstToken(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	old := i.Sign(i.Claims("alice", "app"))
	wantKind(t, verify(t, set, old), "")
	for n := range 5 {
		i.Rotate() // the first time right after the keys were fetched
		wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
		wantKind(t, verify(t, set, old), "")
		wantFetches(t, i, n+2)
		c.advance(30 * time.Second)
	}
	i.Rotate()
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
	i.Rotate()
	early := verify(t, set, i.Sign(i.Claims("alice", "app")))
	wantKind(t, early, Unavailable)
	if e, _ := errors.AsType[*Error](early); e.RetryAfter != 30*time.Second {
		t.Errorf("retry after %s, want the rest of the cool-down", e.RetryAfter)
	}
	wantFetches(t, i, 7)
	c.advance(30 * time.Second)
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
}

// The issuer publishes its keys before it signs with them.
func TestRotationRefusesNoValidToken(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	token := i.Sign(i.Claims("alice", "app"))
	for step := range 200 { // of 7 s: two keys in each MaxAge
		if step%40 == 0 {
			i.Rotate() // published; the token signed with it comes later
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := parseAndVerify(t.Context(), set, token, time.Now()); err != nil {
					t.Errorf("step %d: %v", step, err)
				}
			})
		}
		wg.Wait()
		if step%40 == 20 {
			token = i.Sign(i.Claims("alice", "app"))
		}
		c.advance(7 * time.Second)
	}
}

// While the keys are in use, no caller waits for that fetch.
func TestWithdrawnKeyEndsWithTheNextFetch(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	old := i.Sign(i.Claims("alice", "app"))
	wantKind(t, verify(t, set, old), "")
	oldKID := i.KID()
	i.Rotate()
	i.Withdraw(oldKID)
	c.advance(7 * time.Minute)
	wantKind(t, verify(t, set, old), "")
	wantFetches(t, i, 1)
	c.advance(30 * time.Second) // three quarters of 10 min
	wantKind(t, verify(t, set, old), "")
	waitForFetch(set)
	wantFetches(t, i, 2)
	c.advance(30 * time.Second)
	wantKind(t, verify(t, set, old), KeyNotFound)
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
}

// replaceKey publishes a new key in place of the newest.
func replaceKey(i *jwkstest.Issuer) {
	old := i.KID()
	i.Rotate()
	i.Withdraw(old)
}

func TestUnusedKeysAreFetchedAgainAfterTheirAge(t *testing.T) {
	for _, idle := range []time.Duration{10 * time.Minute, time.Hour, 1000 * time.Hour} {
		i, c := jwkstest.New(t), &clock{}
		set := discovered(t, i, c)
		old := i.Sign(i.Claims("alice", "app"))
		wantKind(t, verify(t, set, old), "")
		replaceKey(i)
		c.advance(idle)
		wantKind(t, verify(t, set, old), KeyNotFound)
	}
}

// An issuer that is down is not asked more often than another.
func TestKeysServeForMaxStaleInAnOutage(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	good := i.Sign(i.Claims("alice", "app"))
	wantKind(t, verify(t, set, good), "")
	i.Fail(http.StatusBadGateway)
	for c.now().Before(testTime.Add(time.Hour)) {
		wantKind(t, verify(t, set, good), "")
		waitForFetch(set)
		c.advance(10 * time.Second)
	}
	err := verify(t, set, good)
	wantKind(t, err, Unavailable)
	if !strings.Contains(err.Error(), "status 502") {
		t.Errorf("%v, want it to say why", err)
	}
	if got := i.Discoveries(); got > 1+2*60 {
		t.Errorf("%d discoveries in an hour, want at most one for each 30 s", got)
	}
	i.Recover()
	c.advance(30 * time.Second)
	wantKind(t, verify(t, set, good), "")
}

// The key may be a new one, so this is not the token's fault.
func TestUnknownKIDInAnOutageIsUnavailable(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	good := i.Sign(i.Claims("alice", "app"))
	wantKind(t, verify(t, set, good), "")
	c.advance(time.Minute)
	i.Rotate()
	i.Fail(http.StatusBadGateway)
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), Unavailable)
	wantKind(t, verify(t, set, good), "")
}

func TestStaleFailureRevivesNoKeys(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	old := i.Sign(i.Claims("alice", "app"))
	wantKind(t, verify(t, set, old), "")
	i.Fail(http.StatusBadGateway)
	c.advance(11 * time.Minute)
	wantKind(t, verify(t, set, old), "") // down, and asked just now
	i.Recover()
	replaceKey(i)
	c.advance(time.Minute) // two cool-downs without a caller
	wantKind(t, verify(t, set, old), KeyNotFound)
}

// The issuer failed, and does not respond to the fetch after that.
func TestKeysServeWhileAnOutageIsProbed(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	good := i.Sign(i.Claims("alice", "app"))
	wantKind(t, verify(t, set, good), "")
	i.Fail(http.StatusBadGateway)
	c.advance(11 * time.Minute)
	wantKind(t, verify(t, set, good), "")
	i.Recover()
	i.ServeDiscovery(sleeps)
	c.advance(40 * time.Second)
	for range 10 {
		wantKind(t, verify(t, set, good), "")
	}
	if set.fetcher.last.Load().ended() {
		t.Error("want the keys to serve while the fetch lasts")
	}
}

// The issuer publishes the key a minute after it signs with it: its fault, and told to
// one caller for each fetch at most.
func TestKeyThatIsPublishedLateIsTheIssuersFault(t *testing.T) {
	i, c := jwkstest.New(t), &clock{}
	set := discovered(t, i, c)
	wantKind(t, verify(t, set, i.Sign(i.Claims("alice", "app"))), "")
	held := i.JWKS()
	i.Rotate()
	i.Serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(held) })
	token := i.Sign(i.Claims("alice", "app"))
	var told, later atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, err := parseAndVerify(t.Context(), set, token, time.Now())
			e, _ := errors.AsType[*Error](err)
			switch {
			case e == nil || e.RetryAfter != 30*time.Second:
				t.Errorf("%v, want to be told to come back in 30 s", err)
			case e.Kind == KeyNotFound:
				told.Add(1)
			case e.Kind == Unavailable:
				later.Add(1)
			}
		})
	}
	wg.Wait()
	if told.Load() != 1 || later.Load() != 39 {
		t.Errorf("%d were told that there is no such key, and %d to come back", told.Load(), later.Load())
	}
	i.Recover()
	c.advance(30 * time.Second)
	wantKind(t, verify(t, set, token), "")
}

// Callers that wait give up their places, and are bounded.
func TestCallersThatWaitAreBounded(t *testing.T) {
	i := jwkstest.New(t)
	release := make(chan struct{})
	i.Serve(func(w http.ResponseWriter, _ *http.Request) { <-release; w.Write(i.JWKS()) })
	set := discovered(t, i, &clock{})
	good := i.Sign(i.Claims("alice", "app"))
	var held atomic.Int32
	left := make(chan struct{}, maxWaiting)
	ctx := egress.WithPlace(t.Context(), func(int) func() {
		held.Add(-1)
		left <- struct{}{}
		return func() { held.Add(1) }
	})
	results := make(chan error, maxWaiting)
	for range maxWaiting {
		go func() { _, err := parseAndVerify(ctx, set, good, time.Now()); results <- err }()
		<-left
	}
	if got := held.Load(); got != -maxWaiting {
		t.Errorf("%d callers gave up their places, want all", -got)
	}
	err := verify(t, set, good)
	if e, _ := errors.AsType[*Error](err); kindOf(err) != Unavailable || e.RetryAfter != 30*time.Second {
		t.Errorf("one more: %v, want to be told at once to come back", err)
	}
	close(release)
	for range maxWaiting {
		wantKind(t, <-results, "")
	}
	if held.Load() != 0 {
		t.Errorf("%d places were not taken again", -held.Load())
	}
	wantFetches(t, i, 1)
}

func TestCallerThatStopsWaitingEndsNoFetch(t *testing.T) {
	i := jwkstest.New(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	i.Serve(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		w.Write(i.JWKS())
	})
	set := discovered(t, i, &clock{})
	good := i.Sign(i.Claims("alice", "app"))
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 2)
	go func() { _, err := parseAndVerify(ctx, set, good, time.Now()); results <- err }()
	<-arrived
	go func() { _, err := parseAndVerify(t.Context(), set, good, time.Now()); results <- err }()
	cancel()
	first := <-results
	wantKind(t, first, Unavailable)
	if !errors.Is(first, context.Canceled) {
		t.Errorf("%v, want it to say that the caller stopped waiting", first)
	}
	close(release)
	wantKind(t, <-results, "")
	wantFetches(t, i, 1)
}

func TestSlowIssuerDelaysNoOther(t *testing.T) {
	slow, quick := jwkstest.New(t), jwkstest.New(t)
	slow.Serve(sleeps)
	waiting, serving := discovered(t, slow, &clock{}), discovered(t, quick, &clock{})
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := parseAndVerify(ctx, waiting, slow.Sign(slow.Claims("a", "b")), time.Now())
		done <- err
	}()
	wantKind(t, verify(t, serving, quick.Sign(quick.Claims("a", "b"))), "")
	cancel()
	wantKind(t, <-done, Unavailable)
}

// Held keys stay in use, and nothing more is fetched.
func TestCloseCancelsTheFetch(t *testing.T) {
	i := jwkstest.New(t)
	arrived := make(chan struct{})
	i.Serve(func(w http.ResponseWriter, r *http.Request) { close(arrived); sleeps(w, r) })
	set := discovered(t, i, &clock{})
	good := i.Sign(i.Claims("alice", "app"))
	done := make(chan error)
	go func() { _, err := parseAndVerify(t.Context(), set, good, time.Now()); done <- err }()
	<-arrived
	set.Close()
	err := <-done
	wantKind(t, err, Unavailable)
	if !errors.Is(err, errClosed) {
		t.Errorf("%v, want it to say that the set is closed", err)
	}
	i.Recover()
	c := &clock{}
	held := discovered(t, i, c)
	wantKind(t, verify(t, held, good), "")
	held.Close()
	held.Close()
	wantKind(t, verify(t, held, good), "")
	c.advance(8 * time.Minute)
	wantKind(t, verify(t, held, good), "")
	c.advance(8 * time.Minute)
	wantKind(t, verify(t, held, i.Sign(map[string]any{}, jwkstest.WithKID("x"))), Unavailable)
	wantFetches(t, i, 2)
}

// unusableSets are what issuers in trouble serve with status 200.
func unusableSets(t *testing.T) map[string]string {
	return map[string]string{
		"empty":       `{"keys":[]}`,
		"no keys":     `{}`,
		"null":        `null`,
		"an error":    `{"error":"overloaded"}`,
		"only enc":    string(jwkSet(t, with(goodJWK(t, "ES256"), "use", "enc"))),
		"only secret": `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"HTML":        "<html>",
		"only ES512":  string(jwkSet(t, goodJWK(t, "ES512"))),
	}
}

// Such a set is a failed fetch: the last good keys serve until maxStale.
func TestUnusableSetReplacesNoGoodKeys(t *testing.T) {
	for name, body := range unusableSets(t) {
		t.Run(name, func(t *testing.T) {
			i, c := jwkstest.New(t), &clock{}
			told := make(chan error, 10)
			set := discovered(t, i, c, func(o *Options) { o.Report = func(_ string, err error) { told <- err } })
			good := i.Sign(i.Claims("alice", "app"))
			wantKind(t, verify(t, set, good), "")
			i.Serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
			for c.now().Before(testTime.Add(time.Hour)) {
				wantKind(t, verify(t, set, good), "")
				waitForFetch(set)
				c.advance(time.Minute)
			}
			err := verify(t, set, good)
			wantKind(t, err, Unavailable)
			if e, _ := errors.AsType[*Error](err); e.RetryAfter <= 0 || e.RetryAfter > 30*time.Second {
				t.Errorf("retry after %s, want the rest of the cool-down", e.RetryAfter)
			}
			i.Recover()
			c.advance(30 * time.Second)
			wantKind(t, verify(t, set, good), "")
			set.Close()
			if len(told) != 2 || <-told == nil || <-told != nil {
				t.Error("want one failure and one recovery reported")
			}
		})
	}
}

// The operator still sees the keys, and why each is refused.
func TestUnusableSetIsUnavailableAndShown(t *testing.T) {
	for name, body := range unusableSets(t) {
		i := jwkstest.New(t)
		i.Serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		set := discovered(t, i, &clock{})
		err := verify(t, set, i.Sign(i.Claims("alice", "app")))
		if e, _ := errors.AsType[*Error](err); kindOf(err) != Unavailable || e.RetryAfter != 30*time.Second {
			t.Errorf("%s: %v", name, err)
		}
		infos, err := set.Keys(t.Context())
		if strings.HasPrefix(name, "only") && (err != nil || len(infos) != 1 || infos[0].Refused == "") {
			t.Errorf("%s: Keys = %+v, %v; want the refused key", name, infos, err)
		}
	}
}

func TestKeysOfAClosedSet(t *testing.T) {
	set := discovered(t, jwkstest.New(t), &clock{})
	set.Close()
	if infos, err := set.Keys(t.Context()); kindOf(err) != Unavailable {
		t.Errorf("Keys = %v, %v", infos, err)
	}
}

// No goroutine, no connection, no fetch.
func TestIdleSetsCostNothing(t *testing.T) {
	i := jwkstest.New(t)
	before := runtime.NumGoroutine()
	for range 10_000 {
		discovered(t, i, &clock{})
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more", after-before)
	}
	if i.Discoveries() != 0 {
		t.Error("an unused set was fetched")
	}
}
