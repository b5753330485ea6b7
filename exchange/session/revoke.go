package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
)

// RevokedToken is whose tokens were revoked. It is empty where there was nothing to
// revoke.
type RevokedToken struct {
	User    string
	Session string
}

// RevokeToken ends what a client wants to end (RFC 7009 §2.1). A refresh token,
// of whatever generation, ends its session, and so does an access token of a
// session of the client's own: nothing less takes back what its holder can do.
// Any other access token (without a session, or narrowed from somebody else's)
// is noted by its jti until it expires. What is no token of ours, or not any
// more, needs no revoking and is no error. A token of another client is refused.
func (s *Store) RevokeToken(ctx context.Context, token, clientID string, now time.Time) (RevokedToken, error) {
	if id, _, ok := s.readRefresh(token); ok {
		row, err := s.load(ctx, id)
		if err != nil {
			return RevokedToken{}, unlessInvalid(err)
		}
		if owner := row.Value.Session.Client; owner != clientID {
			return RevokedToken{}, foreign(owner)
		}
		return s.endSession(ctx, &row.Value.Session, now)
	}
	t, err := s.Parse(ctx, token, now)
	if err != nil {
		return RevokedToken{}, unlessInvalid(err)
	}
	if t.Client != clientID {
		return RevokedToken{}, foreign(t.Client)
	}
	return s.revokeAccess(ctx, t, now)
}

func (s *Store) revokeAccess(ctx context.Context, t *exchange.AccessToken, now time.Time) (RevokedToken, error) {
	if t.Session != "" {
		row, err := s.load(ctx, t.Session)
		if err != nil {
			return RevokedToken{}, unlessInvalid(err)
		}
		if row.Value.Session.Client == t.Client {
			return s.endSession(ctx, &row.Value.Session, now)
		}
	}
	return RevokedToken{t.User, t.Session}, s.note(ctx, t)
}

func (s *Store) endSession(ctx context.Context, sess *exchange.Session, now time.Time) (RevokedToken, error) {
	err := s.Revoke(ctx, exchange.Revocation{Kind: exchange.RevocationSession, ID: sess.ID, Time: now})
	return RevokedToken{sess.User, sess.ID}, err
}

// note keeps a token's jti until the token expires.
func (s *Store) note(ctx context.Context, t *exchange.AccessToken) error {
	w, err := s.revoked.Put(revokedKey(t), struct{}{})
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("revoking token: %w", err)
	}
	return nil
}

// revokedKey begins with the expiry, so that what has expired is swept from the
// start of the table.
func revokedKey(t *exchange.AccessToken) string {
	return sweepKey(t.Expires) + "/" + t.ID
}

// sweepKey orders times as text.
func sweepKey(t time.Time) string { return fmt.Sprintf("%012d", t.Unix()) }

// unlessInvalid keeps what is wrong with the store and drops what is wrong with
// the token.
func unlessInvalid(err error) error {
	if _, refused := errors.AsType[*exchange.Error](err); refused {
		return nil
	}
	return err
}

func foreign(owner string) error {
	return exchange.Refuse(exchange.ReasonClientNotAllowed, fmt.Errorf("it is a token of client %.128q", owner))
}
