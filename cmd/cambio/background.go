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

// warm makes every issuer ready before it is asked for, and tells of those that
// cannot be: their users would be refused without a word to the operator.
func (a *app) warm(ctx context.Context) {
	a.registry.Warm(ctx)
	for _, f := range a.registry.Snapshot().Faults() {
		for _, p := range f.Problems {
			a.log.Error("registration cannot be used", "kind", f.Kind, "id", f.ID, "at", p.Path, "problem", p.Message)
		}
	}
}

// sweep deletes what has expired until ctx ends.
func (a *app) sweep(ctx context.Context) {
	every(ctx, sweepEvery, func(now time.Time) {
		a.limiter.Sweep(now)
		if err := a.registry.FlushUses(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("noting which secrets are used", "error", err)
		}
		if _, err := a.sessions.Sweep(ctx, now); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping sessions", "error", err)
		}
		if _, err := a.users.SweepMerges(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping merges", "error", err)
		}
		if _, err := a.replays.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping what was spent", "error", err)
		}
		if _, err := a.requests.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping requests for logins by key", "error", err)
		}
		if _, err := a.wallets.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping client sessions", "error", err)
		}
		if _, err := a.answers.Sweep(ctx, now, sweepBatch); err != nil && ctx.Err() == nil {
			a.log.Error("sweeping answers", "error", err)
		}
	})
}

// watchClock tells when the wall clock was set: lifetimes of tokens that are
// out already are then not what they were meant to be.
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

// clocks is one reading of the wall clock and of the monotonic one.
type clocks struct {
	wall time.Time
	up   time.Duration
}

// jump is by how much the wall clock moved beyond the time that passed.
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
