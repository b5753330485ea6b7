package assembly

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cambio/storage"

	"github.com/prometheus/client_golang/prometheus"
)

// The wall clock is compared with the monotonic one every clockEvery, and before
// each sweep. A difference over clockJump is a jump; after one the clock is
// trusted again when it has been steady for clockSteady.
const (
	clockEvery  = 10 * time.Second
	clockJump   = 30 * time.Second
	clockSteady = time.Hour
)

// restartGap is how long after the last sweep a start trusts the clock at once:
// what is for one use is kept for this long after it has expired.
const restartGap = 10 * time.Minute

// clock reports whether the wall clock is steady. Otherwise nothing is deleted and
// no key is rotated: a clock that is ahead for a minute would make what was spent
// acceptable again, and end sessions for good.
//
// A clock that is wrong from the start does not jump until it is set right, so the
// time of the last sweep is stored.
type clock struct {
	now    func() time.Time // the wall clock
	start  time.Time        // has the monotonic clock
	table  storage.Table[lastSweep]
	report func(event string, by time.Duration)

	mu    sync.Mutex
	last  clocks
	wrong bool
	since time.Duration // when it was found wrong, by the monotonic clock
	ahead time.Duration // how far the wall clock may be ahead
	jumps prometheus.Counter
}

// lastSweep is the record of the last sweep.
type lastSweep struct {
	Time time.Time `json:"time"`
}

const lastSweepKey = "sweep"

// clockIsSteady is the event of a clock that is trusted again.
const clockIsSteady = "clock.steady"

var errUnsteady = errors.New("the wall clock jumped, or was not compared for long")

// clocks is one reading of the wall clock and of the monotonic clock.
type clocks struct {
	wall time.Time
	up   time.Duration
}

// jump returns how far the wall clock moved beyond the time that passed.
func jump(last, now clocks) time.Duration {
	return now.wall.Sub(last.wall) - (now.up - last.up)
}

// newClock returns a clock that is steady, unless the last sweep is longer ago than
// a restart takes. Without a sweep there is nothing that could be deleted too early.
func newClock(ctx context.Context, table storage.Table[lastSweep], now func() time.Time, metrics prometheus.Registerer, report func(string, time.Duration)) (*clock, error) {
	c := &clock{now: now, start: time.Now(), table: table, report: report, jumps: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "cambio_clock_jumps_total", Help: "Jumps of the wall clock by more than 30 s.",
	})}
	steady := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cambio_clock_steady", Help: "1 while the wall clock is trusted with deletions and key rotation.",
	}, func() float64 {
		if c.Steady() {
			return 1
		}
		return 0
	})
	if err := errors.Join(metrics.Register(c.jumps), metrics.Register(steady)); err != nil {
		return nil, err
	}
	c.last = c.read()
	row, err := table.Get(ctx, lastSweepKey)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return c, nil
	case err != nil && !errors.Is(err, storage.ErrCorrupt):
		return nil, fmt.Errorf("reading the time of the last sweep: %w", err)
	}
	if by := c.last.wall.Sub(row.Value.Time); by > restartGap || err != nil {
		c.wrong, c.ahead = true, by
		report("clock.gap", by)
	}
	return c, nil
}

func (c *clock) read() clocks { return clocks{wall: c.now().Round(0), up: time.Since(c.start)} }

// Check compares the clocks and returns whether the wall clock is steady.
func (c *clock) Check() bool {
	c.mu.Lock()
	read := c.read()
	by := jump(c.last, read)
	jumped := by.Abs() > clockJump
	if jumped {
		c.wrong, c.since, c.ahead = true, read.up, max(c.ahead+by, 0)
	}
	c.last = read
	waited := c.wrong && read.up-c.since >= clockSteady
	c.mu.Unlock()
	if jumped {
		c.jumps.Inc()
		c.report("clock.jump", by)
	}
	return waited && c.Confirm() || c.Steady()
}

// Steady returns the result of the last Check.
func (c *clock) Steady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.wrong
}

// Ahead returns how far the wall clock may be ahead of the right time.
func (c *clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

// Confirm trusts the clock from now on. It reports whether that changes anything.
func (c *clock) Confirm() bool {
	c.mu.Lock()
	changed := c.wrong
	c.wrong, c.ahead = false, 0
	c.mu.Unlock()
	if changed {
		c.report(clockIsSteady, 0)
	}
	return changed
}

// swept stores the time of a sweep.
func (c *clock) swept(ctx context.Context, engine storage.Engine) error {
	w, err := c.table.Put(lastSweepKey, lastSweep{c.now()})
	if err == nil {
		err = engine.Commit(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("storing the time of a sweep: %w", err)
	}
	return nil
}
