package assembly

import (
	"time"

	"cambio/exchange"
	"cambio/exchange/limit"
)

// grace returns how long a client's used refresh tokens may be repeated, as it is
// registered today.
func (p *Parts) grace(client string) time.Duration {
	if c := p.Registry.Snapshot().Client(client); c != nil {
		return c.Client.Grace()
	}
	return exchange.DefaultGrace
}

// maxPerUser returns how many sessions a user may have at a client.
func (p *Parts) maxPerUser(client string) int {
	if c := p.Registry.Snapshot().Client(client); c != nil {
		return c.Client.MaxSessions()
	}
	return exchange.DefaultMaxSessions
}

// A user may get sessionBurst sessions at a client at once, and then one each
// interval.
const (
	sessionBurst    = 1000
	sessionInterval = time.Second
)

func newSessionRate() *limit.Limiter {
	return limit.New(limit.Config{Burst: sessionBurst, Interval: sessionInterval})
}

// newSession counts a session of a user at a client. It returns how long to wait if
// there were too many in a short time.
func (p *Parts) newSession(client, user string, now time.Time) (wait time.Duration, over bool) {
	verdict := p.sessionRate.Fail(limit.Credential(string(exchange.LengthPrefixed(client, user))), now)
	return verdict.RetryAfter, verdict.Over
}
