package main

import (
	"context"
	"time"
)

// sweepEvery is how often what has expired is deleted, and clockEvery how
// often the clocks are compared.
const (
	sweepEvery = time.Minute
	clockEvery = 10 * time.Second
	sweepBatch = 256
	clockJump  = 30 * time.Second
)

// sweep deletes what has expired until ctx ends.
func (a *app) sweep(ctx context.Context) {
	every(ctx, sweepEvery, func(now time.Time) {
		a.limiter.Sweep(now)
		if _, err := a.sessions.Sweep(ctx, now); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping sessions", "error", err)
		}
		if _, err := a.replays.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping what was spent", "error", err)
		}
	})
}

// watchClock tells when the wall clock was set: lifetimes of tokens that are
// out already are then not what they were meant to be.
func (a *app) watchClock(ctx context.Context) {
	last := time.Now()
	every(ctx, clockEvery, func(now time.Time) {
		if by := jump(last, now); by.Abs() > clockJump {
			a.log.Error("the wall clock jumped", "by", by)
		}
		last = now
	})
}

// jump is by how much the wall clock moved beyond the time that passed between
// two readings.
func jump(last, now time.Time) time.Duration {
	return now.Round(0).Sub(last.Round(0)) - now.Sub(last)
}

// every calls do at intervals until ctx ends.
func every(ctx context.Context, interval time.Duration, do func(now time.Time)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(time.Now())
		}
	}
}
