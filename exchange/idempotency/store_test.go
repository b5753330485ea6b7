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

// desk is a store of answers that can be reopened.
type desk struct {
	*testing.T
	path   string
	engine *bolt.Engine
	*Store
}

func newDesk(t *testing.T) *desk {
	d := &desk{T: t, path: filepath.Join(t.TempDir(), "db")}
	d.open()
	return d
}

func (d *desk) open() {
	d.Helper()
	d.engine = open(d.T, d.path)
	ring, err := keys.Open(ctx, d.engine, keys.Config{KEK: make([]byte, 32), Now: func() time.Time { return now }})
	if err != nil {
		d.Fatal(err)
	}
	d.Store = New(d.engine, Config{
		RecordKey: ring.Derive("records"), NameKey: ring.Derive("answers"), Seal: ring.Seal, Unseal: ring.Unseal,
	})
}

func (d *desk) reopen() {
	d.Helper()
	if err := d.engine.Close(); err != nil {
		d.Fatal(err)
	}
	d.open()
}

// order is a request of client shop with key k that reserves in the store.
func order(id string, edit ...func(*Request)) Request {
	k := Request{ID: id, Client: "shop", Key: "k", Fingerprint: [][]byte{[]byte("/pay"), []byte("one")}, Durable: true}
	for _, e := range edit {
		e(&k)
	}
	return k
}

func inMemory(k *Request) { k.Durable = false }

// first begins what nobody began before.
func (d *desk) first(k Request, at time.Time) *Lease {
	d.Helper()
	answer, r, err := d.Lookup(ctx, k, at)
	if err != nil || answer != nil || r == nil {
		d.Fatalf("began with %v, %v, %v", answer, r, err)
	}
	return r
}

// answered answers k.
func (d *desk) answered(k Request, at time.Time, body string) {
	d.Helper()
	if err := d.first(k, at).Store(ctx, Response{Status: 200, User: "u", Session: "s", Body: body}); err != nil {
		d.Fatal(err)
	}
}

// refused begins what is refused for a reason.
func (d *desk) refused(k Request, at time.Time, reason exchange.Reason) {
	d.Helper()
	answer, r, err := d.Lookup(ctx, k, at)
	if answer != nil || r != nil || err == nil || exchange.AsError(err).Reason != reason {
		d.Errorf("began with %v, %v, %v; want %s", answer, r, err, reason)
	}
	if reason == exchange.ReasonIdempotencyKeyInProgress && err != nil && exchange.AsError(err).RetryAfter <= 0 {
		d.Error("it does not say when to try again")
	}
}

// repeated begins what was answered with a body.
func (d *desk) repeated(k Request, at time.Time, by, body string) {
	d.Helper()
	answer, r, err := d.Lookup(ctx, k, at)
	want := Response{Request: by, Status: 200, User: "u", Session: "s", Body: body}
	if err != nil || r != nil || answer == nil || *answer != want {
		d.Errorf("began with %v, %v, %v; want %v", answer, r, err, want)
	}
}

func TestAnswersAreGivenAgain(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Request)
	}{
		{"reserved in the store", func(*Request) {}},
		{"reserved in memory", inMemory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			d.answered(order("1", tc.edit), now, `{"token":"t"}`)
			d.repeated(order("2", tc.edit), now, "1", `{"token":"t"}`)
			d.reopen()
			d.repeated(order("3", tc.edit), now.Add(Lifetime-time.Second), "1", `{"token":"t"}`)
			d.answered(order("4", tc.edit), now.Add(Lifetime), "anew")
			d.repeated(order("5", tc.edit), now.Add(Lifetime), "4", "anew")
		})
	}
}

// What makes a request another one, and what another client's.
func TestWhatARequestIs(t *testing.T) {
	d := newDesk(t)
	d.answered(order("1"), now, "a")
	for _, tc := range []struct {
		name string
		edit func(*Request)
		want exchange.Reason // empty: it is a request that nobody made
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
			d := &desk{T: t, Store: d.Store}
			if k := order("2", tc.edit); tc.want != "" {
				d.refused(k, now, tc.want)
			} else {
				d.first(k, now)
			}
		})
	}
	d.repeated(order("3"), now, "1", "a")
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
		{"in place of one who is gone", func(*Request) {}, func(int) time.Time { return now.Add(LeaseTime) }},
		{"in place of an old one", func(*Request) {}, func(int) time.Time { return now.Add(Lifetime) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			switch tc.name {
			case "in place of one who is gone":
				d.first(order("0"), now)
			case "in place of an old one":
				d.answered(order("0"), now, "old")
			}
			var won, lost atomic.Int64
			var group sync.WaitGroup
			for i := range 64 {
				group.Go(func() {
					answer, r, err := d.Lookup(ctx, order(string(rune('A'+i)), tc.edit), tc.at(i))
					switch {
					case r != nil:
						won.Add(1)
					case err != nil && exchange.AsError(err).Reason == exchange.ReasonIdempotencyKeyInProgress:
						lost.Add(1)
					default:
						t.Errorf("began with %v, %v", answer, err)
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

// Two who looked before either had reserved, on two sides of midnight.
func TestOneReservesAroundMidnight(t *testing.T) {
	before, after := day(now).Add(24*time.Hour-time.Second), day(now).Add(24*time.Hour)
	for name, times := range map[string][2]time.Time{"forwards": {before, after}, "backwards": {after, before}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			first, second := d.lease(order("1"), times[0]), d.lease(order("2"), times[1])
			if err := first.acquire(ctx, true); err != nil {
				t.Fatal(err)
			}
			if err := second.acquire(ctx, true); err == nil || exchange.AsError(err).Reason != exchange.ReasonIdempotencyKeyInProgress {
				t.Errorf("the second began too: %v", err)
			}
		})
	}
}

// Who crashed between reserving and answering holds up nobody for longer than
// the lease, and changes nothing when it comes back late.
func TestLease(t *testing.T) {
	d := newDesk(t)
	gone := d.first(order("1"), now)
	d.reopen()
	d.refused(order("2"), now.Add(LeaseTime-time.Second), exchange.ReasonIdempotencyKeyInProgress)
	d.refused(order("2", func(k *Request) { k.Fingerprint = nil }), now, exchange.ReasonIdempotencyKeyReused)
	next := d.first(order("3"), now.Add(LeaseTime))
	gone.store = d.Store
	if err := gone.Store(ctx, Response{Status: 200, Body: "late"}); err != nil {
		t.Error(err)
	}
	d.refused(order("4"), now.Add(LeaseTime), exchange.ReasonIdempotencyKeyInProgress)
	if err := gone.Release(ctx); err != nil {
		t.Error(err)
	}
	d.refused(order("5"), now.Add(LeaseTime), exchange.ReasonIdempotencyKeyInProgress)
	if err := next.Store(ctx, Response{Status: 200, User: "u", Session: "s", Body: "b"}); err != nil {
		t.Error(err)
	}
	d.repeated(order("6"), now.Add(LeaseTime), "3", "b")
}

// A reservation in memory does not outlive its process, and stores nothing
// before there is an answer.
func TestReservationsInMemory(t *testing.T) {
	d := newDesk(t)
	r := d.first(order("1", inMemory), now)
	d.refused(order("2", inMemory), now, exchange.ReasonIdempotencyKeyInProgress)
	if n := d.records(); n != 0 {
		t.Errorf("%d records", n)
	}
	if err := r.Release(ctx); err != nil {
		t.Error(err)
	}
	d.first(order("3", inMemory), now)
	if len(d.leased) != 1 {
		t.Errorf("%d reservations in memory", len(d.leased))
	}
	d.reopen()
	d.answered(order("4", inMemory), now, "a")
	if len(d.leased) != 0 || d.records() != 1 {
		t.Errorf("%d reservations in memory, %d records", len(d.leased), d.records())
	}
}

func (d *desk) records() (n int) {
	d.Helper()
	for _, err := range d.engine.Scan(ctx, tableName, "", "", 0) {
		if err != nil {
			d.Fatal(err)
		}
		n++
	}
	return n
}

func TestReleasedRequestsAreTriedAgain(t *testing.T) {
	d := newDesk(t)
	if err := d.first(order("1"), now).Release(ctx); err != nil {
		t.Fatal(err)
	}
	if n := d.records(); n != 0 {
		t.Errorf("%d records", n)
	}
	// Released, the key may even come with another request.
	d.first(order("2", func(k *Request) { k.Fingerprint = nil }), now)
}

// The most that is kept, and no more.
func TestLongAnswers(t *testing.T) {
	d := newDesk(t)
	longest := strings.Repeat("<", MaxBody)
	d.answered(order("1"), now, longest)
	d.repeated(order("2"), now, "1", longest)
	other := func(k *Request) { k.Key = "other" }
	if err := d.first(order("3", other), now).Store(ctx, Response{Body: longest + "<"}); err == nil {
		t.Error("a longer one is kept")
	}
	d.first(order("4", other), now)
}

func TestSweepAnswers(t *testing.T) {
	d := newDesk(t)
	midnight := day(now)
	for id, at := range map[string]time.Time{"first": midnight, "last": midnight.Add(24*time.Hour - time.Second), "later": midnight.Add(24 * time.Hour)} {
		d.answered(order(id, func(k *Request) { k.Key = id }), at, id)
	}
	for _, tc := range []struct {
		name  string
		at    time.Time
		swept int
	}{
		{"while the day's last answer counts", midnight.Add(48*time.Hour - time.Second), 0},
		{"when it does not", midnight.Add(48 * time.Hour), 2},
		{"swept already", midnight.Add(48 * time.Hour), 0},
		{"the next day's", midnight.Add(72 * time.Hour), 1},
	} {
		n, err := d.Sweep(ctx, tc.at, 1)
		if err != nil || n != tc.swept {
			t.Errorf("%s: swept %d, %v, want %d", tc.name, n, err, tc.swept)
		}
	}
}

// Neither tokens nor what the client chose or asked can be read in the file.
func TestResponsesAreSealed(t *testing.T) {
	d := newDesk(t)
	k := order("1", func(k *Request) { k.Key, k.Fingerprint = "key-of-the-client", [][]byte{[]byte("code-123456")} })
	d.answered(k, now, `{"accessToken":"very-secret-token"}`)
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

func TestCorruptAnswers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(d *desk, r storage.Record) storage.Write
	}{
		{"a flipped bit", func(_ *desk, r storage.Record) storage.Write {
			r.Value[len(r.Value)-3] ^= 1
			return storage.Write{Table: tableName, Key: r.Key, Value: r.Value}
		}},
		{"another request's record", func(d *desk, r storage.Record) storage.Write {
			return storage.Write{Table: tableName, Key: d.lease(order("", func(k *Request) { k.Key = "moved" }), now).keys[0], Value: r.Value}
		}},
		{"a seal that was put elsewhere", func(d *desk, r storage.Record) storage.Write {
			row, _ := d.table.Get(ctx, r.Key)
			row.Value.Response, _ = d.cfg.Seal(tableName+"/elsewhere", []byte("{}"))
			w, _ := d.table.Put(r.Key, row.Value)
			return w
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			d.answered(order("1"), now, "a")
			for r, err := range d.engine.Scan(ctx, tableName, "", "", 0) {
				if err == nil {
					err = d.engine.Commit(ctx, tc.damage(d, r))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			k := order("2")
			if tc.name == "another request's record" {
				k.Key = "moved"
			}
			if answer, r, err := d.Lookup(ctx, k, now); !errors.Is(err, storage.ErrCorrupt) || answer != nil || r != nil {
				t.Errorf("began with %v, %v, %v", answer, r, err)
			}
		})
	}
}

// A store that is down says so, and lets nobody begin.
func TestAnswersWithoutStore(t *testing.T) {
	d := newDesk(t)
	r := d.first(order("1"), now)
	if err := d.engine.Close(); err != nil {
		t.Fatal(err)
	}
	d.refused(order("2"), now, exchange.ReasonStoreUnavailable)
	for _, err := range []error{r.Store(ctx, Response{}), r.Release(ctx)} {
		if exchange.AsError(err).Reason != exchange.ReasonStoreUnavailable {
			t.Errorf("it says %v", err)
		}
	}
}

// interrupted lets something happen after the first read, once.
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

// An answer that is kept while another looks for it is found all the same.
func TestKeptMeanwhile(t *testing.T) {
	for _, k := range []Request{order("2"), order("2", inMemory)} {
		d := newDesk(t)
		engine := &interrupted{Engine: d.engine}
		cfg := d.cfg
		d.Store = New(engine, cfg)
		first := k
		first.ID = "1"
		engine.meanwhile = func() { d.answered(first, now, "done") }
		answer, r, err := d.Lookup(ctx, k, now)
		if k.Durable { // which is told to try again
			if r != nil || answer != nil || exchange.AsError(err).Reason != exchange.ReasonIdempotencyKeyInProgress {
				t.Errorf("began with %v, %v, %v", answer, r, err)
			}
		} else if err != nil || r != nil || answer == nil || answer.Body != "done" {
			t.Errorf("began with %v, %v, %v", answer, r, err)
		}
		d.repeated(k, now, "1", "done")
	}
}
