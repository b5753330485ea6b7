package grant

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// useTokens returns the writes that use up the request's tokens: those whose
// issuer allows each token once, and those that answer a challenge.
func (e *Endpoint) useTokens(ctx context.Context, v *verified, now time.Time) ([]storage.Write, error) {
	writes, err := e.useToken(ctx, v.subject, now)
	if err != nil || v.actorSubject == nil {
		return writes, err
	}
	s, a := v.subject, v.actorSubject
	if a.Proof.Replay != "" && a.Issuer == s.Issuer && a.Proof.Replay == s.Proof.Replay {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, errors.New("the actor token is the subject token"))
	}
	used, err := e.useToken(ctx, a, now)
	return append(writes, used...), err
}

func (e *Endpoint) useToken(ctx context.Context, s *exchange.Subject, now time.Time) (writes []storage.Write, err error) {
	if s.Proof.Replay != "" {
		id := string(exchange.LengthPrefixed(s.Issuer, s.Proof.Replay))
		w, err := e.cfg.Replays.Once(ctx, "subject token", id, s.Proof.Expires, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	if s.Proof.Challenge != "" {
		w, err := e.cfg.Challenges.Spend(ctx, s.Proof.Challenge, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}
