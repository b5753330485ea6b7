package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/keys"
	"cambio/storage"
)

// defaultGrace is how long the predecessor of a refresh token still yields it.
const defaultGrace = 30 * time.Second

// Config says who issues.
type Config struct {
	// Issuer is our own URL: iss of the tokens (RFC 8414 §2).
	Issuer string
	// Grace is how long a refresh token that was exchanged yields its successor
	// again. Default 30s.
	Grace time.Duration
}

// Store is the sessions of a storage engine. It is safe for concurrent use.
type Store struct {
	issuer string
	grace  time.Duration
	ring   *keys.Ring
	mac    []byte // of refresh tokens
	// objects are those that tokens' claims were written to, for later tokens.
	objects sync.Pool

	engine   storage.Engine
	sessions storage.Table[record]
	marks    storage.Table[mark]
	revoked  storage.Table[struct{}]
	cursors  cursors
}

// New is the sessions in e, with tokens signed by r. The MAC keys of the
// records and of the refresh tokens are derived from r's root secret.
func New(e storage.Engine, r *keys.Ring, cfg Config) *Store {
	records := r.Derive("records")
	s := &Store{
		issuer: cfg.Issuer, grace: cfg.Grace, ring: r, mac: r.Derive("refresh tokens"), engine: e,
		sessions: storage.NewTable[record](e, "sessions", records),
		marks:    storage.NewTable[mark](e, "marks", records),
		revoked:  storage.NewTable[struct{}](e, "revoked", records),
	}
	s.objects.New = func() any { return &object{b: make([]byte, 0, 1<<10)} }
	if s.grace == 0 {
		s.grace = defaultGrace
	}
	return s
}

// Create makes tokens. It fills t's Issuer, ID and IssuedAt, and signs it.
//
// WithClient keep it gives sess an ID and a time of birth, stores it in one commit
// with writes, and adds a refresh token that is good until idle has passed;
// sess.NotAfter caps both tokens. Without, it stores nothing of the session and
// commits writes if there are any; then sess is where t.Origin comes from if
// that is empty and t has no session of its own, and may be nil.
//
// An error is an *exchange.Error where t would expire at once, and
// storage.ErrConflict where a condition of writes did not hold.
func (s *Store) Create(ctx context.Context, sess *exchange.Session, t *exchange.AccessToken, idle time.Duration, keep bool, now time.Time, writes ...storage.Write) (exchange.Tokens, error) {
	var refresh string
	if keep {
		born, err := s.bear(sess, t, idle, now)
		if err != nil {
			return exchange.Tokens{}, fmt.Errorf("starting session: %w", err)
		}
		writes = append(writes[:len(writes):len(writes)], born)
		refresh = s.refreshToken(sess.ID, 1)
	} else if sess != nil && sess.Issuer != "" && t.Session == "" && t.Origin == (exchange.Origin{}) {
		t.Origin = originOf(sess)
	}
	t.ID, t.IssuedAt = "", now
	if expired(t) {
		return exchange.Tokens{}, exchange.Refuse(exchange.ReasonSubjectTokenExpired, errors.New("what is granted ends now"))
	}
	access, err := s.Sign(t)
	if err != nil {
		return exchange.Tokens{}, err
	}
	if len(writes) > 0 {
		if err := s.engine.Commit(ctx, writes...); err != nil {
			return exchange.Tokens{}, fmt.Errorf("storing session: %w", err)
		}
	}
	return exchange.Tokens{AccessToken: access, RefreshToken: refresh, Expires: t.Expires}, nil
}

// bear makes the record of a session.
func (s *Store) bear(sess *exchange.Session, t *exchange.AccessToken, idle time.Duration, now time.Time) (storage.Write, error) {
	if sess.NotAfter.IsZero() {
		return storage.Write{}, errors.New("it has no end")
	}
	sess.ID, sess.Created = storage.NewID(now), now
	t.Session, t.Origin = sess.ID, exchange.Origin{}
	t.Expires = earlier(t.Expires, sess.NotAfter)
	first := turn{Generation: 1, Turned: now, IdleUntil: earlier(now.Add(idle), sess.NotAfter)}
	return s.sessions.Insert(sess.ID, record{*sess, first})
}

// originOf is what a session was born from.
func originOf(s *exchange.Session) exchange.Origin {
	return exchange.Origin{Issuer: s.Issuer, Key: s.Key, Link: exchange.LinkKey(s.Issuer, s.Subject)}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
