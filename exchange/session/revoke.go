package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
)

// RevokedToken names the user and the session of a token that was revoked. It is
// empty if there was nothing to revoke.
type RevokedToken struct {
	User    string
	Session string
}

// RevokeToken revokes a client's token (RFC 7009 §2.1). A refresh token, of
// whatever generation, revokes its session, and so does an access token of the
// client's own session: nothing less takes back what its holder can do. The jti
// of any other access token (without a session, or narrowed from another
// client's) is stored until the token expires. A token that is not of this
// server, or not valid any more, needs no revoking and is no error. A token of
// another client is refused.
func (s *Store) RevokeToken(ctx context.Context, token, clientID string, now time.Time) (RevokedToken, error) {
	id, _, isRefresh := s.readRefresh(token)
	var access *exchange.AccessToken
	if !isRefresh {
		var err error
		if access, err = s.Parse(ctx, token, now); err != nil {
			return RevokedToken{}, storeError(err)
		}
		if access.Client != clientID {
			return RevokedToken{}, foreign(access.Client)
		}
		id = access.Session
	}
	if id == "" {
		return s.revokeAccess(ctx, access)
	}
	row, err := s.load(ctx, id)
	if err != nil {
		return RevokedToken{}, storeError(err)
	}
	switch sess := &row.Value.Session; {
	case sess.Client == clientID:
		err := s.Revoke(ctx, exchange.Revocation{Kind: exchange.RevocationSession, ID: id, Time: now})
		return RevokedToken{sess.User, id}, err
	case isRefresh:
		return RevokedToken{}, foreign(sess.Client)
	}
	return s.revokeAccess(ctx, access)
}

func (s *Store) revokeAccess(ctx context.Context, t *exchange.AccessToken) (RevokedToken, error) {
	w, err := s.revokedTokens.Put(revokedTokenKey(t), struct{}{})
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return RevokedToken{}, fmt.Errorf("revoking token: %w", err)
	}
	return RevokedToken{t.User, t.Session}, nil
}

// revokedTokenKey begins with the expiry, so that a sweep finds expired records
// at the start of the table.
func revokedTokenKey(t *exchange.AccessToken) string { return sweepKey(t.Expires) + "/" + t.ID }

// sweepKey returns a text that sorts as the time does.
func sweepKey(t time.Time) string { return fmt.Sprintf("%012d", t.Unix()) }

// storeError returns err unless it only says that the token is not valid.
func storeError(err error) error {
	if _, refused := errors.AsType[*exchange.Error](err); refused {
		return nil
	}
	return err
}

func foreign(owner string) error {
	return exchange.Refuse(exchange.ReasonClientNotAllowed, fmt.Errorf("it is a token of client %.128q", owner))
}
