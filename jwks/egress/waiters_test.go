package egress

import (
	"context"
	"testing"
)

// As many callers wait for one party as may, whatever others wait for.
func TestWaitersAreBoundedForEachParty(t *testing.T) {
	w := NewWaiters(2)
	var ends []func()
	for range 2 {
		end, ok := w.Begin(t.Context(), "a")
		if !ok {
			t.Fatal("refused within the bound")
		}
		ends = append(ends, end)
	}
	if _, ok := w.Begin(t.Context(), "a"); ok {
		t.Error("a third caller waits for a party of two")
	}
	if end, ok := w.Begin(t.Context(), "b"); !ok {
		t.Error("a caller of another party was refused")
	} else {
		end()
	}
	ends[0]()
	if end, ok := w.Begin(t.Context(), "a"); !ok {
		t.Error("refused after a wait has ended")
	} else {
		end()
	}
	ends[1]()
	if len(w.waiting) > 0 {
		t.Errorf("%v are remembered and do not wait", w.waiting)
	}
}

// A caller gives up its place for the time of the wait, and not if it is refused.
func TestWaitingHoldsNoPlace(t *testing.T) {
	w, held := NewWaiters(1), 1
	ctx := WithPlace(t.Context(), func(waiting int) func() {
		if waiting != 1 {
			t.Errorf("%d wait", waiting)
		}
		held--
		return func() { held++ }
	})
	end, ok := w.Begin(ctx, "a")
	if !ok || held != 0 {
		t.Fatalf("waiting: %v, with %d places", ok, held)
	}
	if _, ok := w.Begin(ctx, "a"); ok || held != 0 {
		t.Errorf("refused: %v, with %d places", ok, held)
	}
	if end(); held != 1 {
		t.Errorf("afterwards %d places are held", held)
	}
	if end, ok := w.Begin(context.Background(), "a"); !ok {
		t.Error("work without a place was refused")
	} else {
		end()
	}
}

// A caller that may not give up its place does not wait, and is not counted.
func TestNoWaitWithoutGivingUpThePlace(t *testing.T) {
	w := NewWaiters(1)
	ctx := WithPlace(t.Context(), func(int) func() { return nil })
	if _, ok := w.Begin(ctx, "a"); ok || len(w.waiting) > 0 {
		t.Errorf("it waits: %v; %v are counted", ok, w.waiting)
	}
}
