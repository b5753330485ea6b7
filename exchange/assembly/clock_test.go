package assembly_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cambio/exchange/admin"
	"cambio/exchange/assembly"
	"cambio/storage"
)

// clockWorld is a store with a record that expires in an hour, and servers over it
// whose wall clock is wrong by an offset.
type clockWorld struct {
	t      *testing.T
	config assembly.Config
	offset atomic.Int64
}

func newClockWorld(t *testing.T) *clockWorld {
	w := &clockWorld{t: t, config: config(t)}
	w.config.Now = func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }
	w.config.Admin = func(c *admin.Config) { c.Token = strings.Repeat("t", 43) }
	record := storage.Write{Table: "replays", Key: storage.TimePrefix(time.Now().Add(time.Hour)) + "x", Value: []byte("{}")}
	if err := w.config.Engine.Commit(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs a server while steps are done.
func (w *clockWorld) run(steps func(*assembly.Parts)) {
	p := newParts(w.t, w.config)
	ctx, stop := context.WithCancel(w.t.Context())
	var run sync.WaitGroup
	run.Go(func() { p.Run(ctx) })
	steps(p)
	stop()
	run.Wait()
	w.config.Metrics = nil
}

// pass lets time pass under a clock that is wrong by offset.
func (w *clockWorld) pass(d, offset time.Duration) {
	w.offset.Store(int64(offset))
	time.Sleep(d)
}

func (w *clockWorld) want(there bool, when string) {
	w.t.Helper()
	found := false
	for _, err := range w.config.Engine.Scan(w.t.Context(), "replays", "", "", 1) {
		if found = true; err != nil {
			w.t.Fatal(err)
		}
	}
	if found != there {
		w.t.Errorf("%s: the record is stored: %v, want %v", when, found, there)
	}
}

func TestClockAheadDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newClockWorld(t)
		w.run(func(*assembly.Parts) {
			w.pass(2*time.Minute, 0)
			w.pass(75*time.Second, 2*time.Hour)
			w.want(true, "2 hours ahead")
			w.pass(50*time.Minute, 0)
			w.want(true, "right again, not yet for an hour")
			w.pass(2*time.Hour, 0)
			w.want(false, "steady for an hour, and expired")
		})
	})
}

// A clock that is wrong from the start does not jump.
func TestClockAheadAtStartDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newClockWorld(t)
		w.run(func(*assembly.Parts) { w.pass(2*time.Minute, 0) })
		w.offset.Store(int64(2 * time.Hour))
		w.run(func(*assembly.Parts) {
			w.pass(75*time.Second, 2*time.Hour)
			w.want(true, "2 hours ahead")
		})
		w.offset.Store(0)
		w.run(func(*assembly.Parts) {
			w.pass(2*time.Hour, 0)
			w.want(false, "right from the start, and expired")
		})
	})
}

func TestOperatorConfirmsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newClockWorld(t)
		w.run(func(p *assembly.Parts) {
			w.pass(2*time.Minute, 0)
			w.pass(2*time.Minute, 2*time.Hour)
			w.want(true, "after the jump")
			if got := get(p.Server, "GET", "/readyz?verbose"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "[!] clock") {
				t.Errorf("readyz: %d %s", got.Code, got.Body)
			}
			if got := get(p.Admin, "POST", "/v1/clock:confirm"); got.Code != http.StatusNoContent {
				t.Errorf("confirm: %d %s", got.Code, got.Body)
			}
			if got := get(p.Server, "GET", "/readyz?verbose"); !strings.Contains(got.Body.String(), "[+] clock") {
				t.Errorf("readyz: %s", got.Body)
			}
			if got := get(p.Admin, "POST", "/v1/clock:confirm"); got.Code != http.StatusConflict {
				t.Errorf("confirming again: %d %s", got.Code, got.Body)
			}
			w.pass(2*time.Minute, 2*time.Hour)
			w.want(false, "confirmed")
		})
	})
}

func get(h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("t", 43))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}
