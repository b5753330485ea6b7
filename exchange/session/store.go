package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
	"cambio/keys"
	"cambio/storage"
)

// Config configures a Store.
type Config struct {
	// Issuer is the URL of this server: iss of the tokens (RFC 8414 §2).
	Issuer string
	// Grace returns how long a spent refresh token of a client yields its unused
	// successor again; [exchange.Client.Grace]. Default: exchange.DefaultGrace.
	Grace func(client string) time.Duration
	// MaxPerUser returns how many active sessions a user may have at a client;
	// [exchange.Client.MaxSessions]. Default: exchange.DefaultMaxSessions.
	MaxPerUser func(client string) int
	// Ahead returns how far the clock may be ahead of the right time. What has
	// expired by no more is refused for now. Default 0.
	Ahead func() time.Duration
}

// Store holds the sessions of a storage engine. It is safe for concurrent use.
type Store struct {
	issuer string
	grace  func(client string) time.Duration
	ahead  func() time.Duration
	most   func(client string) int // sessions of a user
	ring   *keys.Ring
	mac    []byte // key of refresh tokens

	engine        storage.Engine
	sessions      storage.Table[record]
	revocations   storage.Table[revocation]
	orders        storage.Table[order]
	userSessions  storage.Table[struct{}]
	revokedTokens storage.Table[struct{}]
	cursors       cursors

	ids    sync.Mutex
	lastID string // the last session's, guarded by ids
}

const userSessionsTable = "user_sessions"

// New returns the sessions in e, with tokens signed by r. The MAC keys of the
// records and of the refresh tokens are derived from r's root secret.
func New(e storage.Engine, r *keys.Ring, cfg Config) *Store {
	records := r.Derive("records")
	s := &Store{
		issuer: cfg.Issuer, grace: cfg.Grace, ahead: cfg.Ahead, most: cfg.MaxPerUser, ring: r, mac: r.Derive("refresh tokens"), engine: e,
		sessions:      storage.NewTable[record](e, "sessions", records),
		revocations:   storage.NewTable[revocation](e, "marks", records),
		orders:        storage.NewTable[order](e, "revocation_order", records),
		userSessions:  storage.NewTable[struct{}](e, userSessionsTable, records),
		revokedTokens: storage.NewTable[struct{}](e, "revoked", records),
	}
	if s.ahead == nil {
		s.ahead = func() time.Duration { return 0 }
	}
	if s.most == nil {
		s.most = func(string) int { return exchange.DefaultMaxSessions }
	}
	if s.grace == nil {
		s.grace = func(string) time.Duration { return exchange.DefaultGrace }
	}
	return s
}

// Create issues tokens. It fills t's Issuer, ID and IssuedAt, and signs it.
//
// With stored it gives sess an ID and a time of creation, stores it in one
// commit with writes, and adds a refresh token that is valid until idle has
// passed; sess.NotAfter limits both tokens. The user's oldest sessions at the client
// end in that commit if there would be too many. Without, it stores no session and
// commits writes if there are any; then t gets its Origin from sess, which may be
// nil, unless t has an origin or a session already. Without
// an Order, t gets the current one.
//
// The error is an *exchange.Error if t would expire at once, and
// storage.ErrConflict if a condition of writes did not hold.
func (s *Store) Create(ctx context.Context, sess *exchange.Session, t *exchange.AccessToken, idle time.Duration, stored bool, now time.Time, writes ...storage.Write) (exchange.Tokens, error) {
	if t.Order == 0 {
		var err error
		if t.Order, err = s.Order(ctx); err != nil {
			return exchange.Tokens{}, err
		}
	}
	var tokens exchange.Tokens
	if stored {
		w, ended, err := s.newSession(ctx, sess, t, idle, now)
		if err != nil {
			return exchange.Tokens{}, fmt.Errorf("creating session: %w", err)
		}
		writes = append(writes[:len(writes):len(writes)], w...)
		tokens.RefreshToken, tokens.Ended = s.refreshToken(sess.ID, 1), strings.Join(ended, " ")
	} else if sess != nil && sess.Issuer != "" && t.Session == "" && t.Origin == (exchange.Origin{}) {
		t.Origin = originOf(sess)
	}
	t.ID, t.IssuedAt = "", now
	if expired(t) {
		return exchange.Tokens{}, exchange.Refuse(exchange.ReasonSubjectTokenExpired, errors.New("the access token would expire now"))
	}
	access, err := s.Sign(t)
	if err != nil {
		return exchange.Tokens{}, err
	}
	tokens.AccessToken, tokens.Expires = access, t.Expires
	if len(writes) > 0 {
		if err := s.engine.Commit(ctx, writes...); err != nil {
			return exchange.Tokens{}, fmt.Errorf("storing session: %w", err)
		}
	}
	return tokens, nil
}

// newSession completes sess and returns the writes of its record and its entry in the
// index, and those that end older sessions, with their IDs.
func (s *Store) newSession(ctx context.Context, sess *exchange.Session, t *exchange.AccessToken, idle time.Duration, now time.Time) ([]storage.Write, []string, error) {
	if sess.NotAfter.IsZero() || sess.NotAfter.Year() > 9999 { // the last year of RFC 3339
		return nil, nil, fmt.Errorf("its end is %s", sess.NotAfter)
	}
	room, ended, err := s.makeRoom(ctx, sess, now)
	if err != nil {
		return nil, nil, err
	}
	sess.ID, sess.Created = s.newID(now), now
	created := record{Session: *sess, Order: t.Order}
	t.Session, t.Origin, t.Order = sess.ID, exchange.Origin{}, 0
	t.Expires = exchange.Earlier(t.Expires, sess.NotAfter)
	created.Rotation = rotation{Generation: 1, Rotated: now, IdleUntil: exchange.Earlier(now.Add(idle), sess.NotAfter)}
	w, err := s.sessions.Insert(sess.ID, created)
	if err != nil {
		return nil, nil, err
	}
	entry, err := s.userSessions.Put(userKey(sess), struct{}{})
	return append(room, w, entry), ended, err
}

// originOf returns the login that led to a session.
func originOf(s *exchange.Session) exchange.Origin {
	return exchange.Origin{Issuer: s.Issuer, Key: s.Key, Link: exchange.LinkKey(s.Issuer, s.Subject)}
}

// record is a session as it is stored: the creation data, which never changes,
// and the rotation state, which each refresh replaces. They are one record, since
// a session that lost its rotation state would accept spent tokens again.
type record struct {
	Session  exchange.Session `json:"session"`
	Rotation rotation         `json:"turn"`
	// Order is that of revocations when the session was created: it decides which of
	// them revoke it. 0 in sessions of earlier versions.
	Order uint64 `json:"order,omitempty"`
}

// rotation is the state of the refresh token. Generation is that of the valid
// token; the first is 1.
type rotation struct {
	Generation uint64    `json:"generation"`
	Rotated    time.Time `json:"turned"` // created, for the first
	IdleUntil  time.Time `json:"idleUntil"`
}

// expires returns when the session expires unless it is refreshed before.
func (r *record) expires() time.Time {
	return exchange.Earlier(r.Rotation.IdleUntil, r.Session.NotAfter)
}

// AppendRecord implements [storage.RecordWriter]. It omits an empty list.
func (r *record) AppendRecord(to []byte) ([]byte, error) {
	b, err := appendSession(strictjson.Buffer(to).Begin().Key("session"), &r.Session)
	b = strconv.AppendUint(b.Key("turn").Begin().Key("generation"), r.Rotation.Generation, 10)
	b = b.Time("turned", r.Rotation.Rotated).Time("idleUntil", r.Rotation.IdleUntil).End()
	if r.Order != 0 {
		b = b.Int("order", int64(r.Order))
	}
	return b.End(), err
}

func appendSession(b strictjson.Buffer, s *exchange.Session) (_ strictjson.Buffer, err error) {
	b = b.Begin().OmitString("id", s.ID).OmitString("user", s.User).OmitString("client", s.Client)
	b = b.OmitString("issuer", s.Issuer).OmitString("subject", s.Subject).OmitString("proof", s.Proof)
	b = b.OmitString("key", s.Key).OmitStrings("rules", s.Rules).OmitStrings("scopes", s.Scopes)
	b = b.OmitStrings("audience", s.Audience).OmitString("acr", s.ACR).OmitStrings("amr", s.AMR).OmitString("jkt", s.JKT)
	if s.AuthTime != 0 {
		b = b.Int("authTime", s.AuthTime)
	}
	for _, m := range []struct {
		name  string
		value any
		empty bool
	}{
		{"claims", s.Claims, len(s.Claims) == 0},
		{"actor", s.Actor, s.Actor == nil},
		{"actorProof", s.ActorProof, s.ActorProof == nil},
		{"authorizationDetails", s.Details, len(s.Details) == 0},
	} {
		if m.empty {
			continue
		}
		if b, err = b.Value(m.name, m.value); err != nil {
			return b, err
		}
	}
	return b.Time("created", s.Created).Time("notAfter", s.NotAfter).End(), nil
}
