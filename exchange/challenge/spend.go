package challenge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Spender spends things of one kind, by what names them among these.
type Spender interface {
	// Spend answers writes that spend the thing on the condition that it is
	// still what it is now, or refuses as exchange.ReasonChallengeInvalid.
	Spend(ctx context.Context, name string, now time.Time) ([]storage.Write, error)
}

// Spenders is kind → who spends things of it. A challenge in a proof is called
// <kind>/<name>.
type Spenders map[string]Spender

// Spend asks the spender of the challenge's kind.
func (s Spenders) Spend(ctx context.Context, challenge string, now time.Time) ([]storage.Write, error) {
	kind, name, _ := strings.Cut(challenge, "/")
	spender := s[kind]
	if spender == nil {
		return nil, exchange.Refuse(exchange.ReasonChallengeInvalid, fmt.Errorf("nobody spends %s", exchange.Quote(kind)))
	}
	return spender.Spend(ctx, name, now)
}
