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

// A refresh token is <session ID>.<generation>.<MAC of both>.

// refreshToken returns the refresh token of a session's generation.
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

// readRefresh validates a refresh token by comparing it with the token of the
// session and the generation that it names, so there is no second spelling. Only
// an ID whose MAC is right becomes a key of the store.
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

// use classifies a presented generation.
type use int

const (
	current  use = iota // rotates the token
	repeated            // the predecessor of an unused token: yields that one again
	reused              // revokes the session
	ahead               // of the store, which was restored from a backup
)

// use compares a presented generation with the valid one. The predecessor of the
// valid token may come again, since the valid one is unused: its response may have
// been lost.
func (s *Store) use(r *record, generation uint64, now time.Time) use {
	switch at := r.Rotation.Generation; {
	case generation == at:
		return current
	case generation > at:
		return ahead
	case generation+1 == at && s.forgives(r, now):
		return repeated
	}
	return reused
}

// forgives reports whether the predecessor of a session's token may still be
// repeated. That of a session bound to a key may as long as the session lasts: a
// thief would need the key. Otherwise a thief of the predecessor gets a token that
// works until its client refreshes, so the time is bounded (RFC 9700 §4.14.2). The
// clocks of two requests, or of two nodes, can differ by less than the grace
// either way.
func (s *Store) forgives(r *record, now time.Time) bool {
	return r.Session.JKT != "" || now.Sub(r.Rotation.Rotated).Abs() <= s.grace(r.Session.Client)
}

// Evaluate returns what today's rules grant a session: the content of its access
// token, of which IssuedAt, ID, Issuer and Session are filled in later, and how
// long the session may be idle. Expires at or before now means that the session
// may last no longer. ReasonRefreshTokenInvalid means that the session is
// another client's: then nothing changes, even if the token was spent. It has no
// effects, since it is called again after a conflict.
type Evaluate = func(*exchange.Session) (*exchange.AccessToken, time.Duration, error)

// Refresh exchanges a refresh token for the next one and a new access token
// (RFC 6749 §6).
//
// The error is evaluate's, an *exchange.Error or the store's. The token stays
// valid after it, except after ReasonRefreshTokenReused: then the session was
// revoked, durably.
func (s *Store) Refresh(ctx context.Context, presented string, now time.Time, evaluate Evaluate) (exchange.Tokens, error) {
	id, generation, ok := s.readRefresh(presented)
	if !ok {
		return exchange.Tokens{}, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, errors.New("it is not a refresh token of this server"))
	}
	var t *exchange.AccessToken
	var rotated bool
	// After a conflict the generation is larger: the token is repeated or reused.
	err := storage.Retry(ctx, attempts, func() (err error) {
		t, rotated, err = s.rotate(ctx, id, generation, now, evaluate)
		return err
	})
	if err != nil {
		return exchange.Tokens{}, err
	}
	access, err := s.Sign(t)
	if err != nil {
		return exchange.Tokens{}, err
	}
	return exchange.Tokens{
		AccessToken: access, RefreshToken: s.refreshToken(id, generation+1), Expires: t.Expires, Repeated: !rotated,
	}, nil
}

// rotate makes generation's successor the valid one. It is so already if the
// generation is repeated; then rotated is false.
func (s *Store) rotate(ctx context.Context, id string, generation uint64, now time.Time, evaluate Evaluate) (t *exchange.AccessToken, rotated bool, err error) {
	row, err := s.loadActive(ctx, id, now)
	if err != nil {
		return nil, false, err
	}
	r := &row.Value
	use := s.use(r, generation, now)
	if use == ahead {
		return nil, false, exchange.Refuse(exchange.ReasonRefreshTokenInvalid,
			fmt.Errorf("generation %d of session %s, which is at %d", generation, id, r.Rotation.Generation))
	}
	t, idle, err := evaluate(&r.Session)
	if use == reused && !ofAnotherClient(err) {
		return nil, false, s.revokeReused(ctx, r, generation, now)
	}
	if err == nil {
		err = s.fit(t, r, idle, now)
	}
	if err != nil || use == repeated {
		return t, false, err
	}
	next := rotation{Generation: generation + 1, Rotated: now, IdleUntil: exchange.Earlier(now.Add(idle), r.Session.NotAfter)}
	w, err := s.sessions.Replace(row, record{r.Session, next, r.Order})
	if err == nil {
		err = s.engine.Commit(ctx, w)
	}
	if err != nil {
		return nil, false, fmt.Errorf("rotating refresh token: %w", err)
	}
	return t, true, nil
}

// ofAnotherClient reports whether err of an Evaluate means that the session is
// not the caller's.
func ofAnotherClient(err error) bool {
	refused, ok := errors.AsType[*exchange.Error](err)
	return ok && refused.Reason == exchange.ReasonRefreshTokenInvalid
}

// load reads the session that a refresh token names.
func (s *Store) load(ctx context.Context, id string) (storage.Row[record], error) {
	row, err := s.sessions.Get(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		err = exchange.Refuse(exchange.ReasonRefreshTokenInvalid, // the token is genuine
			exchange.Refuse(exchange.ReasonSessionEnded, fmt.Errorf("session %s no longer exists", id)))
	}
	return row, err
}

// Session returns the session of an access token that Parse returned.
func (s *Store) Session(ctx context.Context, id string) (*exchange.Session, error) {
	row, err := s.sessions.Get(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenRevoked, fmt.Errorf("session %s no longer exists", id))
	}
	return &row.Value.Session, storeError(err)
}

// loadActive is load of a session that was not revoked and has not expired.
func (s *Store) loadActive(ctx context.Context, id string, now time.Time) (storage.Row[record], error) {
	row, err := s.load(ctx, id)
	if err == nil {
		err = s.checkActive(ctx, &row.Value, now)
	}
	return row, err
}

// checkActive refuses a session that was revoked or has expired.
func (s *Store) checkActive(ctx context.Context, r *record, now time.Time) error {
	if err := s.checkRevocations(ctx, creationOf(r)); err != nil {
		return err
	}
	if at := r.expires(); !now.Before(at) {
		return s.expiredError(at, now, "session %s: last refresh %s, end %s", r.Session.ID, r.Rotation.Rotated, r.Session.NotAfter)
	}
	return nil
}

// expiredError refuses a session that expired at a time. If it expired only by a
// clock that may be ahead, the refusal is temporary: the client keeps the session.
func (s *Store) expiredError(at, now time.Time, format string, args ...any) error {
	reason := exchange.ReasonRefreshTokenExpired
	if by := s.ahead(); by > 0 && now.Add(-by).Before(at) {
		reason = exchange.ReasonClockUnsteady
	}
	return exchange.Refuse(reason, fmt.Errorf(format, args...))
}

// fit limits t to the session. idle is today's: a session that was idle for
// longer than is allowed now has expired, whatever was allowed then.
func (s *Store) fit(t *exchange.AccessToken, r *record, idle time.Duration, now time.Time) error {
	if at := r.Rotation.Rotated.Add(idle); !now.Before(at) {
		return s.expiredError(at, now, "session %s: idle since %s, allowed %s", r.Session.ID, r.Rotation.Rotated, idle)
	}
	t.Session, t.Origin, t.Order, t.ID, t.IssuedAt = r.Session.ID, exchange.Origin{}, 0, "", now
	t.Expires = exchange.Earlier(t.Expires, r.Session.NotAfter)
	if expired(t) {
		return s.expiredError(t.Expires, now, "session %s: its access token would end at %s", r.Session.ID, t.Expires)
	}
	return nil
}

// revokeReused revokes a session of which a spent token was presented again: this
// caller or an earlier one stole it (RFC 9700 §4.14.2).
func (s *Store) revokeReused(ctx context.Context, r *record, generation uint64, now time.Time) error {
	id := r.Session.ID
	if err := s.Revoke(ctx, exchange.Revocation{Kind: exchange.RevocationSession, ID: id, Time: now}); err != nil {
		return err
	}
	return exchange.Refuse(exchange.ReasonRefreshTokenReused,
		fmt.Errorf("generation %d of session %s, which is at %d since %s", generation, id, r.Rotation.Generation, r.Rotation.Rotated))
}
