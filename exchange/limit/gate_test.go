package limit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newGate(running, queued int) *Gate {
	g := &Gate{}
	g.Open(running, queued, 1000)
	return g
}

// However many come, stay and give up, never more than the bound are inside,
// and in the end all places are free.
func TestGateUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3, 5)
		var inside, most, entered, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 500 {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			all.Go(func() {
				time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
				defer cancel()
				if err := g.Enter(ctx); err != nil {
					refused.Add(1)
					return
				}
				defer g.Leave()
				entered.Add(1)
				for n := inside.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
				inside.Add(-1)
			})
		}
		all.Wait()
		if most.Load() != 3 || refused.Load() == 0 || entered.Load() == 0 {
			t.Errorf("at most %d inside, %d entered, %d refused", most.Load(), entered.Load(), refused.Load())
		}
		if g.present.Load() != 0 || len(g.tokens) != 0 {
			t.Errorf("%d present, %d turns at the end", g.present.Load(), len(g.tokens))
		}
	})
}

func TestWaitingInTheQueueEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		if err := g.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := g.Enter(t.Context())
		if !errors.Is(err, errQueued) || time.Since(start) != maxQueueing {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		g.Leave()
		if err := g.Enter(t.Context()); err != nil {
			t.Errorf("the place that became free is not given: %v", err)
		}
	})
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 2)
		for range 3 {
			go g.Enter(t.Context())
		}
		synctest.Wait()
		start := time.Now()
		if err := g.Enter(t.Context()); err == nil || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		g.Leave()
		g.Leave()
		synctest.Wait()
		g.Leave()
	})
}

// More requests than there are places wait for an outside party, and another is
// worked on meanwhile.
func TestWaitingOutsideHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 1)
		answered := make(chan struct{})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				p, err := g.Take(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer p.Leave()
				defer p.GiveUp(1)()
				<-answered
			})
			synctest.Wait()
		}
		if g.Outside() != 20 || g.InFlight() != 0 {
			t.Errorf("%v wait outside, %v hold a place", g.Outside(), g.InFlight())
		}
		p, err := g.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Leave()
		close(answered)
		all.Wait()
		if g.present.Load() != 0 || len(g.tokens) != 0 || g.Outside() != 0 {
			t.Errorf("%d present, %d tokens, %v outside at the end", g.present.Load(), len(g.tokens), g.Outside())
		}
	})
}

func (p *Place) holds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// Beyond the bound of waits outside, a request keeps its place.
func TestWaitsOutsideAreBounded(t *testing.T) {
	g := &Gate{}
	g.Open(3, 1, 1)
	take := func() *Place {
		p, err := g.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := take(), take()
	back := first.GiveUp(1)
	if second.GiveUp(1) != nil || !second.holds() || g.Outside() != 1 {
		t.Errorf("a second request waits outside, of %v", g.Outside())
	}
	back()
	if second.GiveUp(2) != nil {
		t.Error("two wait for one party, of one that may")
	}
	if back := second.GiveUp(1); back == nil || second.holds() {
		t.Error("after the first has come back, the second may not wait")
	}
}

// However requests wait outside, several times and in several goroutines, no more
// than the bound are worked on, and none is refused its place afterwards.
func TestPlacesUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3, 500)
		var inside, most atomic.Int64
		work := func(random *rand.Rand) {
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
			inside.Add(-1)
		}
		var all sync.WaitGroup
		for i := range 300 {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			all.Go(func() {
				time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
				p, err := g.Take(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer p.Leave()
				for range random.IntN(4) {
					work(random)
					var waits sync.WaitGroup
					for _, wait := range []int{random.IntN(50), random.IntN(50)} {
						waits.Go(func() {
							defer p.GiveUp(1)()
							time.Sleep(time.Duration(wait) * time.Millisecond)
						})
					}
					waits.Wait()
					if !p.holds() {
						t.Error("no place was taken again")
					}
				}
				work(random)
			})
		}
		all.Wait()
		if most.Load() != 3 || g.present.Load() != 0 || len(g.tokens) != 0 {
			t.Errorf("at most %d were worked on; %d present, %d tokens at the end", most.Load(), g.present.Load(), len(g.tokens))
		}
	})
}

// A request whose place does not become free goes on without one, and leaves none
// behind.
func TestReturnToAFullGateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		p, err := g.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		back := p.GiveUp(1)
		if err := g.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		back()
		if took := time.Since(start); p.holds() || took != maxQueueing {
			t.Errorf("it has a place: %v, after %v", p.holds(), took)
		}
		p.Leave()
		p.GiveUp(1)() // a goroutine that outlives the request
		g.Leave()
		if g.present.Load() != 0 || len(g.tokens) != 0 {
			t.Errorf("%d present, %d tokens at the end", g.present.Load(), len(g.tokens))
		}
	})
}

func BenchmarkGate(b *testing.B) {
	g := newGate(256, 1024)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := g.Enter(b.Context()); err != nil {
				b.Fatal(err)
			}
			g.Leave()
		}
	})
}
