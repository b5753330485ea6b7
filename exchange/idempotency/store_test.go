package idempotency

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

// fixture is a Store that can be reopened.
type fixture struct {
	*testing.T
	path   string
	engine *bolt.Engine
	*Store
}

func newFixture(t *testing.T) *fixture {
	d := &fixture{T: t, path: filepath.Join(t.TempDir(), "db")}
	d.open()
	return d
}

func (d *fixture) open() {
	d.Helper()
	d.engine = open(d.T, d.path)
	ring, err := keys.Open(ctx, d.engine, keys.Config{KEK: make([]byte, 32), Now: func() time.Time { return now }})
	if err != nil {
		d.Fatal(err)
	}
	d.Store = New(d.engine, Config{
		RecordKey: ring.Derive("records"), NameKey: ring.Derive("responses"), Seal: ring.Seal, Unseal: ring.Unseal,
	})
}

func (d *fixture) reopen() {
	d.Helper()
	if err := d.engine.Close(); err != nil {
		d.Fatal(err)
	}
	d.open()
}

// request is one of client shop with key k, whose lease is in the store.
func request(id string, edit ...func(*Request)) Request {
	k := Request{ID: id, Client: "shop", Key: "k", Fingerprint: [][]byte{[]byte("/pay"), []byte("one")}, Durable: true}
	for _, e := range edit {
		e(&k)
	}
	return k
}

func inMemory(k *Request) { k.Durable = false }

// acquired looks up a request that gets a lease.
func (d *fixture) acquired(k Request, at time.Time) *Lease {
	d.Helper()
	response, r, err := d.Lookup(ctx, k, at)
	if err != nil || response != nil || r == nil {
		d.Fatalf("got %v, %v, %v", response, r, err)
	}
	return r
}

// stored executes k and stores its response.
func (d *fixture) stored(k Request, at time.Time, body string) {
	d.Helper()
	if err := d.acquired(k, at).Store(ctx, Response{Status: 200, User: "u", Session: "s", Body: body}); err != nil {
		d.Fatal(err)
	}
}

// refused looks up a request that is refused.
func (d *fixture) refused(k Request, at time.Time, reason exchange.Reason) {
	d.Helper()
	response, r, err := d.Lookup(ctx, k, at)
	if response != nil || r != nil || err == nil || exchange.AsError(err).Reason != reason {
		d.Errorf("got %v, %v, %v; want %s", response, r, err, reason)
	}
	if reason == exchange.ReasonIdempotencyKeyInProgress && err != nil && exchange.AsError(err).RetryAfter <= 0 {
		d.Error("the refusal has no Retry-After")
	}
}

// replayed looks up a request that gets a stored response.
func (d *fixture) replayed(k Request, at time.Time, by, body string) {
	d.Helper()
	response, r, err := d.Lookup(ctx, k, at)
	want := Response{Request: by, Status: 200, User: "u", Session: "s", Body: body}
	if err != nil || r != nil || response == nil || *response != want {
		d.Errorf("got %v, %v, %v; want %v", response, r, err, want)
	}
}

func TestStoredResponsesAreReplayed(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Request)
	}{
		{"lease in the store", func(*Request) {}},
		{"lease in memory", inMemory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newFixture(t)
			d.stored(request("1", tc.edit), now, `{"token":"t"}`)
			d.replayed(request("2", tc.edit), now, "1", `{"token":"t"}`)
			d.reopen()
			d.replayed(request("3", tc.edit), now.Add(Lifetime-time.Second), "1", `{"token":"t"}`)
			d.stored(request("4", tc.edit), now.Add(Lifetime), "new")
			d.replayed(request("5", tc.edit), now.Add(Lifetime), "4", "new")
		})
	}
}

func TestKeyIsBoundToClientAndFingerprint(t *testing.T) {
	d := newFixture(t)
	d.stored(request("1"), now, "a")
	for _, tc := range []struct {
		name string
		edit func(*Request)
		want exchange.Reason // empty: the request gets a lease
	}{
		{"another body", func(k *Request) { k.Fingerprint[1] = []byte("two") }, exchange.ReasonIdempotencyKeyReused},
		{"another path", func(k *Request) { k.Fingerprint[0] = []byte("/pay2") }, exchange.ReasonIdempotencyKeyReused},
		{"the border elsewhere", func(k *Request) { k.Fingerprint = [][]byte{[]byte("/payo"), []byte("ne")} }, exchange.ReasonIdempotencyKeyReused},
		{"nothing", func(k *Request) { k.Fingerprint = nil }, exchange.ReasonIdempotencyKeyReused},
		{"another key", func(k *Request) { k.Key = "K" }, ""},
		{"another client", func(k *Request) { k.Client = "shop2" }, ""},
		{"the border of client and key elsewhere", func(k *Request) { k.Client, k.Key = "sho", "pk" }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &fixture{T: t, Store: d.Store}
			if k := request("2", tc.edit); tc.want != "" {
				d.refused(k, now, tc.want)
			} else {
				d.acquired(k, now)
			}
		})
	}
	d.replayed(request("3"), now, "1", "a")
}

func TestLeaseHasOneWinner(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Request)
		at   func(i int) time.Time
	}{
		{"in the store", func(*Request) {}, func(int) time.Time { return now }},
		{"in memory", inMemory, func(int) time.Time { return now }},
		{"before and after midnight", func(*Request) {}, func(i int) time.Time {
			return day(now).Add(24*time.Hour + time.Duration(i%2-1)*time.Second)
		}},
		{"in place of an expired lease", func(*Request) {}, func(int) time.Time { return now.Add(LeaseTime) }},
		{"in place of an expired response", func(*Request) {}, func(int) time.Time { return now.Add(Lifetime) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newFixture(t)
			switch tc.name {
			case "in place of an expired lease":
				d.acquired(request("0"), now)
			case "in place of an expired response":
				d.stored(request("0"), now, "old")
			}
			var won, lost atomic.Int64
			var group sync.WaitGroup
			for i := range 64 {
				group.Go(func() {
					response, r, err := d.Lookup(ctx, request(string(rune('A'+i)), tc.edit), tc.at(i))
					switch {
					case r != nil:
						won.Add(1)
					case err != nil && exchange.AsError(err).Reason == exchange.ReasonIdempotencyKeyInProgress:
						lost.Add(1)
					default:
						t.Errorf("got %v, %v", response, err)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 || lost.Load() != 63 {
				t.Errorf("%d won and %d lost", won.Load(), lost.Load())
			}
		})
	}
}

// Two requests on two sides of midnight looked up before either had the lease.
func TestOneLeaseAroundMidnight(t *testing.T) {
	before, after := day(now).Add(24*time.Hour-time.Second), day(now).Add(24*time.Hour)
	for name, times := range map[string][2]time.Time{"forwards": {before, after}, "backwards": {after, before}} {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t)
			first, second := d.lease(request("1"), times[0]), d.lease(request("2"), times[1])
			if err := first.acquire(ctx, true); err != nil {
				t.Fatal(err)
			}
			if err := second.acquire(ctx, true); err == nil || exchange.AsError(err).Reason != exchange.ReasonIdempotencyKeyInProgress {
				t.Errorf("the second one was acquired too: %v", err)
			}
		})
	}
}

// A request that crashed blocks its key until the lease expires. If it goes on
// after that, it changes nothing.
func TestExpiredLeaseIsReplaced(t *testing.T) {
	d := newFixture(t)
	expired := d.acquired(request("1"), now)
	d.reopen()
	d.refused(request("2"), now.Add(LeaseTime-time.Second), exchange.ReasonIdempotencyKeyInProgress)
	d.refused(request("2", func(k *Request) { k.Fingerprint = nil }), now, exchange.ReasonIdempotencyKeyReused)
	next := d.acquired(request("3"), now.Add(LeaseTime))
	expired.store = d.Store
	if err := expired.Store(ctx, Response{Status: 200, Body: "late"}); err != nil {
		t.Error(err)
	}
	d.refused(request("4"), now.Add(LeaseTime), exchange.ReasonIdempotencyKeyInProgress)
	if err := expired.Release(ctx); err != nil {
		t.Error(err)
	}
	d.refused(request("5"), now.Add(LeaseTime), exchange.ReasonIdempotencyKeyInProgress)
	if err := next.Store(ctx, Response{Status: 200, User: "u", Session: "s", Body: "b"}); err != nil {
		t.Error(err)
	}
	d.replayed(request("6"), now.Add(LeaseTime), "3", "b")
}

// A lease in memory does not outlive its process, and writes nothing before there
// is a response.
func TestLeaseInMemoryWritesNothing(t *testing.T) {
	d := newFixture(t)
	r := d.acquired(request("1", inMemory), now)
	d.refused(request("2", inMemory), now, exchange.ReasonIdempotencyKeyInProgress)
	if n := d.records(); n != 0 {
		t.Errorf("%d records", n)
	}
	if err := r.Release(ctx); err != nil {
		t.Error(err)
	}
	d.acquired(request("3", inMemory), now)
	if d.leases() != 1 {
		t.Errorf("%d leases in memory", d.leases())
	}
	d.reopen()
	d.stored(request("4", inMemory), now, "a")
	if d.leases() != 0 || d.records() != 1 {
		t.Errorf("%d leases in memory, %d records", d.leases(), d.records())
	}
}

func (d *fixture) leases() (n int) {
	d.leased.Range(func(any, any) bool { n++; return true })
	return n
}

func (d *fixture) records() (n int) {
	d.Helper()
	for _, err := range d.engine.Scan(ctx, tableName, "", "", 0) {
		if err != nil {
			d.Fatal(err)
		}
		n++
	}
	return n
}

func TestReleasedKeyIsFree(t *testing.T) {
	d := newFixture(t)
	if err := d.acquired(request("1"), now).Release(ctx); err != nil {
		t.Fatal(err)
	}
	if n := d.records(); n != 0 {
		t.Errorf("%d records", n)
	}
	// The key may even be used for another request.
	d.acquired(request("2", func(k *Request) { k.Fingerprint = nil }), now)
}

func TestTooLongResponseReleasesTheKey(t *testing.T) {
	d := newFixture(t)
	longest := strings.Repeat("<", MaxBody)
	d.stored(request("1"), now, longest)
	d.replayed(request("2"), now, "1", longest)
	other := func(k *Request) { k.Key = "other" }
	if err := d.acquired(request("3", other), now).Store(ctx, Response{Body: longest + "<"}); err == nil {
		t.Error("a longer one was stored")
	}
	d.acquired(request("4", other), now)
}

func TestSweepKeepsResponsesForTheirLifetime(t *testing.T) {
	d := newFixture(t)
	midnight := day(now)
	for id, at := range map[string]time.Time{"first": midnight, "last": midnight.Add(24*time.Hour - time.Second), "later": midnight.Add(24 * time.Hour)} {
		d.stored(request(id, func(k *Request) { k.Key = id }), at, id)
	}
	for _, tc := range []struct {
		name  string
		at    time.Time
		swept int
	}{
		{"while the day's last response is valid", midnight.Add(48*time.Hour - time.Second), 0},
		{"when it has expired", midnight.Add(48 * time.Hour), 2},
		{"swept already", midnight.Add(48 * time.Hour), 0},
		{"the next day's", midnight.Add(72 * time.Hour), 1},
	} {
		n, err := d.Sweep(ctx, tc.at, 1)
		if err != nil || n != tc.swept {
			t.Errorf("%s: swept %d, %v, want %d", tc.name, n, err, tc.swept)
		}
	}
}

// Neither tokens nor keys and fingerprints can be read in the file.
func TestResponsesAreSealed(t *testing.T) {
	d := newFixture(t)
	k := request("1", func(k *Request) { k.Key, k.Fingerprint = "key-of-the-client", [][]byte{[]byte("code-123456")} })
	d.stored(k, now, `{"accessToken":"very-secret-token"}`)
	if err := d.engine.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"very-secret", "key-of-the-client", "123456", "dmVyeS1zZWNyZX"} {
		if bytes.Contains(file, []byte(word)) {
			t.Errorf("%s is in the file", word)
		}
	}
}

func TestCorruptRecordsAreErrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(d *fixture, r storage.Record) storage.Write
	}{
		{"a flipped bit", func(_ *fixture, r storage.Record) storage.Write {
			r.Value[len(r.Value)-3] ^= 1
			return storage.Write{Table: tableName, Key: r.Key, Value: r.Value}
		}},
		{"another request's record", func(d *fixture, r storage.Record) storage.Write {
			return storage.Write{Table: tableName, Key: d.lease(request("", func(k *Request) { k.Key = "moved" }), now).keys[0], Value: r.Value}
		}},
		{"a seal that was put elsewhere", func(d *fixture, r storage.Record) storage.Write {
			row, _ := d.table.Get(ctx, r.Key)
			row.Value.Response, _ = d.cfg.Seal(tableName+"/elsewhere", []byte("{}"))
			w, _ := d.table.Put(r.Key, row.Value)
			return w
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newFixture(t)
			d.stored(request("1"), now, "a")
			for r, err := range d.engine.Scan(ctx, tableName, "", "", 0) {
				if err == nil {
					err = d.engine.Commit(ctx, tc.damage(d, r))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			k := request("2")
			if tc.name == "another request's record" {
				k.Key = "moved"
			}
			if response, r, err := d.Lookup(ctx, k, now); !errors.Is(err, storage.ErrCorrupt) || response != nil || r != nil {
				t.Errorf("got %v, %v, %v", response, r, err)
			}
		})
	}
}

// Without its store, nothing is executed.
func TestUnavailableStoreRefuses(t *testing.T) {
	d := newFixture(t)
	r := d.acquired(request("1"), now)
	if err := d.engine.Close(); err != nil {
		t.Fatal(err)
	}
	d.refused(request("2"), now, exchange.ReasonStoreUnavailable)
	for _, err := range []error{r.Store(ctx, Response{}), r.Release(ctx)} {
		if exchange.AsError(err).Reason != exchange.ReasonStoreUnavailable {
			t.Errorf("got %v, want STORE_UNAVAILABLE", err)
		}
	}
}

// interrupted calls meanwhile once, after the first read.
type interrupted struct {
	storage.Engine
	meanwhile func()
}

func (i *interrupted) Get(ctx context.Context, table, key string) ([]byte, error) {
	value, err := i.Engine.Get(ctx, table, key)
	if do := i.meanwhile; do != nil {
		i.meanwhile = nil
		do()
	}
	return value, err
}

// A response that is stored during a lookup is replayed all the same.
func TestResponseStoredDuringLookupIsReplayed(t *testing.T) {
	for _, k := range []Request{request("2"), request("2", inMemory)} {
		d := newFixture(t)
		engine := &interrupted{Engine: d.engine}
		cfg := d.cfg
		d.Store = New(engine, cfg)
		first := k
		first.ID = "1"
		engine.meanwhile = func() { d.stored(first, now, "done") }
		response, r, err := d.Lookup(ctx, k, now)
		if k.Durable { // the client is told to try again
			if r != nil || response != nil || exchange.AsError(err).Reason != exchange.ReasonIdempotencyKeyInProgress {
				t.Errorf("got %v, %v, %v", response, r, err)
			}
		} else if err != nil || r != nil || response == nil || response.Body != "done" {
			t.Errorf("got %v, %v, %v", response, r, err)
		}
		d.replayed(k, now, "1", "done")
	}
}
