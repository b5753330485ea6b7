package idempotency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// full is an engine on a disk that can be full.
type full struct {
	storage.Engine
	now atomic.Bool
}

func (f *full) Commit(ctx context.Context, writes ...storage.Write) error {
	if f.now.Load() {
		return storage.ErrFull
	}
	return f.Engine.Commit(ctx, writes...)
}

func newFull(t *testing.T) (*fixture, *full) {
	d := newFixture(t)
	f := &full{Engine: d.engine}
	d.Store = New(f, d.cfg)
	return d, f
}

// A response that could not be written is replayed to the next request, and stored
// once it can be.
func TestUnwrittenResponseIsReplayed(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Request)
	}{
		{"lease in the store", func(*Request) {}},
		{"lease in memory", inMemory},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, disk := newFull(t)
			l := d.acquired(request("1", tc.edit), now)
			disk.now.Store(true)
			if err := l.Store(ctx, Response{Status: 200, User: "u", Session: "s", Body: "a"}); !errors.Is(err, storage.ErrFull) {
				t.Fatalf("got %v", err)
			}
			d.replayed(request("2", tc.edit), now, "1", "a")
			d.replayed(request("3", tc.edit), now.Add(2*LeaseTime), "1", "a")
			d.refused(request("4", tc.edit, func(k *Request) { k.Fingerprint = nil }), now, exchange.ReasonIdempotencyKeyReused)
			if _, err := d.Sweep(ctx, now, 10); !errors.Is(err, storage.ErrFull) {
				t.Errorf("a sweep on a full disk: %v", err)
			}
			d.replayed(request("5", tc.edit), now, "1", "a")
			disk.now.Store(false)
			if _, err := d.Sweep(ctx, now, 10); err != nil {
				t.Fatal(err)
			}
			d.reopen()
			d.replayed(request("6", tc.edit), now.Add(time.Hour), "1", "a")
		})
	}
}

// After a release that could not be written the next request is executed at once.
func TestUnwrittenReleaseFreesTheKey(t *testing.T) {
	d, disk := newFull(t)
	l := d.acquired(request("1"), now)
	disk.now.Store(true)
	if err := l.Release(ctx); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("got %v", err)
	}
	disk.now.Store(false)
	d.stored(request("2"), now, "b")
	d.replayed(request("3"), now, "2", "b")
	if _, err := d.Sweep(ctx, now, 10); err != nil {
		t.Fatal(err)
	}
	d.replayed(request("4"), now, "2", "b")
	if d.unwritten.bytes != 0 || len(d.unwritten.ends) != 0 {
		t.Errorf("%d bytes of %d ends are left", d.unwritten.bytes, len(d.unwritten.ends))
	}
}

// What could not be written takes a bounded amount of memory.
func TestUnwrittenIsBounded(t *testing.T) {
	d, disk := newFull(t)
	const requests = maxUnwritten/MaxBody + 10
	var leases []*Lease
	for i := range requests {
		leases = append(leases, d.acquired(request("1", inMemory, func(k *Request) { k.Key = fmt.Sprint(i) }), now))
	}
	disk.now.Store(true)
	for _, l := range leases {
		if err := l.Store(ctx, Response{Status: 200, Body: strings.Repeat("x", MaxBody)}); err == nil {
			t.Fatal("stored on a full disk")
		}
	}
	if n := len(d.unwritten.ends); n >= requests || n < requests/2 || d.unwritten.bytes > maxUnwritten {
		t.Errorf("%d of %d are kept, %d bytes", n, requests, d.unwritten.bytes)
	}
	disk.now.Store(false)
	if _, err := d.Sweep(ctx, now, 10); err != nil {
		t.Fatal(err)
	}
	if d.unwritten.bytes != 0 {
		t.Errorf("%d bytes are left", d.unwritten.bytes)
	}
}
