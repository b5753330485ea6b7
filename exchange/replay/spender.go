package replay

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Spender uses up challenges of one kind.
type Spender interface {
	// Spend returns writes that use up the challenge of a name, on the condition
	// that it is unchanged when they are committed. It refuses as
	// exchange.ReasonChallengeInvalid if the challenge cannot be used.
	Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error)
}

// Spenders maps a kind of challenge to its Spender. A proof names a challenge
// <kind>/<name>.
type Spenders map[string]Spender

// Spend calls the Spender of the challenge's kind.
func (s Spenders) Spend(ctx context.Context, challenge string, now time.Time) ([]storage.Write, error) {
	kind, name, _ := strings.Cut(challenge, "/")
	spender := s[kind]
	if spender == nil {
		return nil, exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf("unknown kind of challenge %s", exchange.Quote(kind)))
	}
	return spender.Spend(ctx, name, now)
}
