package main

import (
	"context"
	"time"
)

// sweepEvery is how often expired records are deleted, and clockEvery how often the
// clocks are compared.
const (
	sweepEvery = time.Minute
	clockEvery = 10 * time.Second
	sweepBatch = 256
	clockJump  = 30 * time.Second
)

// warm fetches the keys of every issuer ahead of its first request, and logs the
// registrations that cannot be used: otherwise the first sign would be refused
// users.
func (a *app) warm(ctx context.Context) {
	a.registry.Warm(ctx)
	for _, f := range a.registry.Snapshot().Faults() {
		for _, p := range f.Problems {
			a.log.Error("registration cannot be used", "kind", f.Kind, "id", f.ID, "at", p.Path, "problem", p.Message)
		}
	}
}

// sweep deletes expired records until ctx ends.
func (a *app) sweep(ctx context.Context) {
	every(ctx, sweepEvery, func(now time.Time) {
		a.limiter.Sweep(now)
		if err := a.registry.FlushUses(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("storing the last uses of secrets", "error", err)
		}
		if _, err := a.sessions.Sweep(ctx, now); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping sessions", "error", err)
		}
		if _, err := a.users.SweepMerges(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping merges", "error", err)
		}
		if _, err := a.replays.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping replays", "error", err)
		}
		if _, err := a.requests.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping key requests", "error", err)
		}
		if _, err := a.wallets.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping client sessions", "error", err)
		}
		if _, err := a.answers.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping stored responses", "error", err)
		}
	})
}

// watchClock logs jumps of the wall clock: they change the remaining lifetimes of
// issued tokens.
func (a *app) watchClock(ctx context.Context) {
	start := time.Now()
	last := clocks{wall: start.Round(0)}
	every(ctx, clockEvery, func(now time.Time) {
		read := clocks{wall: now.Round(0), up: now.Sub(start)}
		if by := jump(last, read); by.Abs() > clockJump {
			a.log.Error("the wall clock jumped", "by", by)
		}
		last = read
	})
}

// clocks is one reading of the wall clock and of the monotonic clock.
type clocks struct {
	wall time.Time
	up   time.Duration
}

// jump returns how far the wall clock moved beyond the time that passed.
func jump(last, now clocks) time.Duration {
	return now.wall.Sub(last.wall) - (now.up - last.up)
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
