package assembly

import (
	"context"
	"sync"
	"time"
)

// sweepEvery is how often expired records are deleted, and sweepBatch how many of a
// table at a time.
const (
	sweepEvery = time.Minute
	sweepBatch = 256
)

// Run does the background work until ctx ends: it rotates keys, fetches issuers'
// keys ahead of their first use, and deletes expired records.
func (p *Parts) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { p.Keys.Run(ctx) })
	tasks.Go(func() { p.warm(ctx) })
	tasks.Go(func() {
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				p.sweep(ctx, time.Now())
			}
		}
	})
	tasks.Wait()
}

// Close stores the last uses of secrets and stops what New started. Losing the
// former is no failure of a stop.
func (p *Parts) Close() {
	if p.contracts != nil {
		p.contracts.Close()
	}
	if p.Registry == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p.report(context.Background(), "storing the last uses of secrets", p.Registry.FlushUses(ctx))
	p.Registry.Close()
}

// warm fetches the keys of every issuer ahead of its first request, and logs the
// registrations that cannot be used: otherwise the first sign would be refused
// users.
func (p *Parts) warm(ctx context.Context) {
	p.Registry.Warm(ctx)
	for _, f := range p.Registry.Snapshot().Faults() {
		for _, problem := range f.Problems {
			p.log.Error("registration cannot be used", "kind", f.Kind, "id", f.ID, "at", problem.Path, "problem", problem.Message)
		}
	}
}

// sweep deletes expired records, and stores the last uses of secrets.
func (p *Parts) sweep(ctx context.Context, now time.Time) {
	p.limits.Sweep(now)
	p.report(ctx, "storing the last uses of secrets", p.Registry.FlushUses(ctx))
	_, err := p.Sessions.Sweep(ctx, now)
	p.report(ctx, "sweeping sessions", err)
	for _, table := range []struct {
		name  string
		sweep func(ctx context.Context, now time.Time, batch int) (int, error)
	}{
		{"merges", p.Users.SweepMerges}, {"replays", p.Replays.Sweep}, {"key logins", p.KeyLogins.Sweep},
		{"wallet logins", p.WalletLogins.Sweep}, {"stored responses", p.Responses.Sweep},
	} {
		_, err := table.sweep(ctx, now, sweepBatch)
		p.report(ctx, "sweeping "+table.name, err)
	}
}

// report logs an error, except one of a stop.
func (p *Parts) report(ctx context.Context, doing string, err error) {
	if err != nil && ctx.Err() == nil {
		p.log.Error(doing, "error", err)
	}
}
