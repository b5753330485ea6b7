package main

import (
	"context"
	"log/slog"
	"time"
)

// clockEvery is how often the clocks are compared, and clockJump the least
// difference that is logged.
const (
	clockEvery = 10 * time.Second
	clockJump  = 30 * time.Second
)

// watchClock logs jumps of the wall clock until ctx ends: they change the remaining
// lifetimes of issued tokens.
func watchClock(ctx context.Context, log *slog.Logger) {
	start := time.Now()
	last := clocks{wall: start.Round(0)}
	ticker := time.NewTicker(clockEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			read := clocks{wall: now.Round(0), up: now.Sub(start)}
			if by := jump(last, read); by.Abs() > clockJump {
				log.Error("the wall clock jumped", "by", by)
			}
			last = read
		}
	}
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
