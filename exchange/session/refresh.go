package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// A refresh token is <session ID>.<generation>.<MAC of what is before>.

// refreshToken is the one refresh token of a session's generation.
func (s *Store) refreshToken(id string, generation uint64) string {
	b := make([]byte, 0, 128)
	b = append(b, id...)
	b = append(b, '.')
	b = strconv.AppendUint(b, generation, 10)
	mac := hmac.New(sha256.New, s.mac)
	mac.Write(b)
	b = append(b, '.')
	return string(base64.RawURLEncoding.AppendEncode(b, mac.Sum(nil)))
}

// readRefresh reads a refresh token by writing the one of the session and the
// generation it names: there is no second spelling. The ID becomes a key of the
// store only after the MAC held.
func (s *Store) readRefresh(presented string) (id string, generation uint64, ok bool) {
	parts := strings.Split(presented[:min(len(presented), 128)], ".")
	if len(parts) != 3 || len(parts[0]) != storage.IDSize {
		return "", 0, false
	}
	generation, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return "", 0, false
	}
	want := s.refreshToken(parts[0], generation)
	if !hmac.Equal([]byte(want), []byte(presented)) {
		return "", 0, false
	}
	return parts[0], generation, true
}

// use is how a presented generation stands to the one that is good.
type use int

const (
	current  use = iota // turns the session
	repeated            // the predecessor, within the grace: its successor again
	reused              // ends the session
	ahead               // of the store, which was restored from a backup
)

// use tells them apart. The clocks of two requests, or of two nodes, can
// disagree by less than the grace either way.
func (t turn) use(generation uint64, grace time.Duration, now time.Time) use {
	switch {
	case generation == t.Generation:
		return current
	case generation > t.Generation:
		return ahead
	case generation+1 == t.Generation && now.Sub(t.Turned).Abs() <= grace:
		return repeated
	}
	return reused
}

// errTurned says that another refresh turned the session meanwhile.
var errTurned = errors.New("session turned meanwhile")

// Refresh exchanges a refresh token for the next one and a new access token
// (RFC 6749 §6). judge says what today's rules give the session: an access
// token's content, of which IssuedAt, ID, Issuer and Session are filled in, and
// how long the session may idle; it has no effects, since it is asked again
// after a conflict. Expires at or before now says that the session may last no
// longer. ReasonRefreshTokenInvalid says that the session is another client's:
// then nothing changes, even if the token was spent.
//
// An error is what judge returned, an *exchange.Error or the store's, and the token that
// came is as good as before, except after ReasonRefreshTokenReused: then the
// session has ended, durably.
func (s *Store) Refresh(ctx context.Context, presented string, now time.Time, judge func(*exchange.Session) (*exchange.AccessToken, time.Duration, error)) (exchange.Tokens, error) {
	id, generation, ok := s.readRefresh(presented)
	if !ok {
		return exchange.Tokens{}, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, errors.New("it is none of ours"))
	}
	for {
		t, err := s.advance(ctx, id, generation, now, judge)
		if errors.Is(err, errTurned) {
			continue // the generation only grows: now it is repeated or reused
		}
		if err != nil {
			return exchange.Tokens{}, err
		}
		access, err := s.Sign(t)
		if err != nil {
			return exchange.Tokens{}, err
		}
		return exchange.Tokens{AccessToken: access, RefreshToken: s.refreshToken(id, generation+1), Expires: t.Expires}, nil
	}
}

// advance makes generation's successor the one that is good, unless it is.
func (s *Store) advance(ctx context.Context, id string, generation uint64, now time.Time, judge func(*exchange.Session) (*exchange.AccessToken, time.Duration, error)) (*exchange.AccessToken, error) {
	at, err := s.load(ctx, id)
	if err != nil {
		return nil, err
	}
	sess, last := &at.Value.Session, at.Value.Turn
	if err := s.fresh(ctx, sess, last, now); err != nil {
		return nil, err
	}
	use := last.use(generation, s.grace, now)
	switch use {
	case ahead:
		return nil, exchange.Refuse(exchange.ReasonRefreshTokenInvalid,
			fmt.Errorf("generation %d of session %s, which is at %d", generation, id, last.Generation))
	case reused:
		if _, _, err := judge(sess); notTheirs(err) {
			return nil, err
		}
		return nil, s.endReused(ctx, id, generation, last, now)
	}
	t, idle, err := judge(sess)
	if err != nil {
		return nil, err
	}
	if err := s.grant(t, sess, last, idle, now); err != nil {
		return nil, err
	}
	if use == repeated {
		return t, nil
	}
	return t, s.turn(ctx, at, earlier(now.Add(idle), sess.NotAfter), now)
}

// notTheirs says that judge does not let the caller have the session at all.
func notTheirs(err error) bool {
	refused, ok := errors.AsType[*exchange.Error](err)
	return ok && refused.Reason == exchange.ReasonRefreshTokenInvalid
}

// load reads the session that a refresh token names.
func (s *Store) load(ctx context.Context, id string) (storage.Row[record], error) {
	row, err := s.sessions.Get(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return row, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, fmt.Errorf("session %s is gone", id))
	}
	if err != nil {
		return row, err
	}
	return row, nil
}

// fresh refuses a session that was ended or whose time is over.
func (s *Store) fresh(ctx context.Context, sess *exchange.Session, at turn, now time.Time) error {
	if err := s.lives(ctx, birthOf(sess)); err != nil {
		return err
	}
	if !now.Before(earlier(at.IdleUntil, sess.NotAfter)) {
		return lapsed("session %s: last refresh %s, end %s", sess.ID, at.Turned, sess.NotAfter)
	}
	return nil
}

func lapsed(format string, args ...any) error {
	return exchange.Refuse(exchange.ReasonRefreshTokenExpired, fmt.Errorf(format, args...))
}

// grant fits what judge gave to the session. idle is today's: a session that
// idled for longer than is allowed now is over, whatever was allowed then.
func (s *Store) grant(t *exchange.AccessToken, sess *exchange.Session, at turn, idle time.Duration, now time.Time) error {
	if !now.Before(at.Turned.Add(idle)) {
		return lapsed("session %s: idle since %s, allowed %s", sess.ID, at.Turned, idle)
	}
	t.Session, t.Origin, t.ID, t.IssuedAt = sess.ID, exchange.Origin{}, "", now
	t.Expires = earlier(t.Expires, sess.NotAfter)
	if expired(t) {
		return lapsed("session %s: what is granted ends at %s", sess.ID, t.Expires)
	}
	return nil
}

// turn is the one small commit of a refresh.
func (s *Store) turn(ctx context.Context, at storage.Row[record], idleUntil, now time.Time) error {
	next := turn{Generation: at.Value.Turn.Generation + 1, Turned: now, IdleUntil: idleUntil}
	w, err := s.sessions.Replace(at, record{at.Value.Session, next})
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if errors.Is(err, storage.ErrConflict) {
		return errTurned
	}
	if err != nil {
		return fmt.Errorf("rotating session: %w", err)
	}
	return nil
}

// endReused ends a session one of whose spent tokens came again: the caller or
// somebody before it stole one (RFC 9700 §4.14.2).
func (s *Store) endReused(ctx context.Context, id string, generation uint64, at turn, now time.Time) error {
	if err := s.Revoke(ctx, exchange.Revocation{Kind: exchange.RevocationSession, ID: id, Time: now}); err != nil {
		return err
	}
	return exchange.Refuse(exchange.ReasonRefreshTokenReused,
		fmt.Errorf("generation %d of session %s, which is at %d since %s", generation, id, at.Generation, at.Turned))
}
