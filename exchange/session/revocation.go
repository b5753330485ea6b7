package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// attempts is how often a commit that conflicted is decided again.
const attempts = 16

// revocation is an exchange.Revocation as it is stored, at kind/ID.
type revocation struct {
	Time time.Time `json:"time"`
	// Order numbers the commits of revocations. What was created when fewer had been
	// committed is revoked. It is 0 in a session's own revocation, and in those of
	// earlier versions, which went by time.
	Order uint64 `json:"order,omitempty"`
}

// order counts the commits of revocations other than sessions' own, at orderKey.
type order struct {
	Commits uint64 `json:"commits"`
}

const (
	orderKey   = "commits"
	firstOrder = 1 // before the first revocation; 0 means that none was noted
)

// Order returns the current order of revocations. A caller that decides what a
// session or a token may do reads it before anything that it decides by, and notes
// it in exchange.AccessToken.Order: then a revocation that is committed meanwhile,
// whatever it changes, revokes the outcome.
func (s *Store) Order(ctx context.Context) (uint64, error) {
	row, err := s.orders.Get(ctx, orderKey)
	if errors.Is(err, storage.ErrNotFound) {
		return firstOrder, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the order of revocations: %w", err)
	}
	return row.Value.Commits, nil
}

// nextOrder returns the order of a commit of revocations and the write that makes
// it so: of two such commits at once, one conflicts.
func (s *Store) nextOrder(ctx context.Context) (uint64, storage.Write, error) {
	row, err := s.orders.Get(ctx, orderKey)
	if errors.Is(err, storage.ErrNotFound) {
		w, err := s.orders.Insert(orderKey, order{firstOrder + 1})
		return firstOrder + 1, w, err
	}
	if err != nil {
		return 0, storage.Write{}, fmt.Errorf("reading the order of revocations: %w", err)
	}
	next := order{row.Value.Commits + 1}
	w, err := s.orders.Replace(row, next)
	return next.Commits, w, err
}

func revocationKey(kind exchange.RevocationKind, id string) string { return string(kind) + "/" + id }

// creation is the data of a session or a token that revocations are about.
type creation struct {
	session, user, client string
	origin                exchange.Origin
	at                    time.Time
	order                 uint64
}

func creationOf(r *record) creation {
	s := &r.Session
	return creation{session: s.ID, user: s.User, client: s.Client, origin: originOf(s), at: s.Created, order: r.Order}
}

// revocations returns the kinds and IDs of all that could revoke it.
func (c creation) revocations() []exchange.Revocation {
	key := c.origin.Key
	if key != "" {
		key = c.origin.Issuer + "/" + key
	}
	return slices.DeleteFunc([]exchange.Revocation{
		{Kind: exchange.RevocationSession, ID: c.session},
		{Kind: exchange.RevocationUser, ID: c.user},
		{Kind: exchange.RevocationClient, ID: c.client},
		{Kind: exchange.RevocationIssuer, ID: c.origin.Issuer},
		{Kind: exchange.RevocationLink, ID: c.origin.Link},
		{Kind: exchange.RevocationKey, ID: key},
	}, func(r exchange.Revocation) bool { return r.ID == "" })
}

// revokedBy reports whether r, which is about it, revokes it: it existed when r was
// committed, whatever the clock said then. A session is created once, so its own
// revocation needs no order.
func (c creation) revokedBy(kind exchange.RevocationKind, r revocation) bool {
	if kind == exchange.RevocationSession || c.order < r.Order {
		return true
	}
	return c.order == 0 && r.Order == 0 && !c.at.After(r.Time) // both by an earlier version
}

// checkRevocations refuses what a revocation is about.
func (s *Store) checkRevocations(ctx context.Context, c creation) error {
	for _, r := range c.revocations() {
		row, err := s.revocations.Get(ctx, revocationKey(r.Kind, r.ID))
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if c.revokedBy(r.Kind, row.Value) {
			return exchange.Refuse(exchange.ReasonSessionEnded, fmt.Errorf("%s %.128q was revoked", r.Kind, r.ID))
		}
	}
	return nil
}

// Revoke stores revocations in one commit: whatever of the ID of one exists by then
// is revoked from the next request on. A session's own revocation is never
// rewritten; otherwise a holder of one of its tokens could cause unlimited writes.
func (s *Store) Revoke(ctx context.Context, revocations ...exchange.Revocation) error {
	err := storage.Retry(ctx, attempts, func() error {
		writes, err := s.Revocations(ctx, revocations...)
		if err != nil || len(writes) == 0 {
			return err
		}
		return s.engine.Commit(ctx, writes...)
	})
	if err != nil {
		return fmt.Errorf("storing revocations: %w", err)
	}
	return nil
}

// Revocations returns revocations as writes for one commit with others, so that a
// removal and the revocations that follow from it are one change. The commit
// conflicts if another commit of revocations is faster; the caller then calls
// Revocations again. A corrupt revocation is replaced.
func (s *Store) Revocations(ctx context.Context, revocations ...exchange.Revocation) ([]storage.Write, error) {
	var writes []storage.Write
	var order uint64
	for _, r := range revocations {
		if r.Kind != exchange.RevocationSession && order == 0 {
			next, w, err := s.nextOrder(ctx)
			if err != nil {
				return nil, err
			}
			order, writes = next, append(writes, w)
		}
		w, err := s.revocationWrite(ctx, r, order)
		if err != nil {
			return nil, fmt.Errorf("reading a revocation: %w", err)
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

// revocationWrite returns the write of one revocation, or none if a session is
// revoked already. The time of a stored revocation never moves back.
func (s *Store) revocationWrite(ctx context.Context, r exchange.Revocation, order uint64) ([]storage.Write, error) {
	key, next := revocationKey(r.Kind, r.ID), revocation{r.Time, order}
	if r.Kind == exchange.RevocationSession {
		next.Order = 0
	}
	row, err := s.revocations.Get(ctx, key)
	var w storage.Write
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if w, err = s.revocations.Insert(key, next); err == nil && r.Kind == exchange.RevocationSession {
			return s.withoutEntry(ctx, r.ID, w)
		}
	case errors.Is(err, storage.ErrCorrupt):
		w, err = s.revocations.Put(key, next)
	case err != nil:
	case r.Kind == exchange.RevocationSession:
		return nil, nil
	default:
		if row.Value.Time.After(next.Time) {
			next.Time = row.Value.Time
		}
		w, err = s.revocations.Replace(row, next)
	}
	return []storage.Write{w}, err
}

// withoutEntry returns a session's own revocation with the deletion of its entry in
// the index, if there is such a session.
func (s *Store) withoutEntry(ctx context.Context, id string, w storage.Write) ([]storage.Write, error) {
	row, err := s.sessions.Get(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrCorrupt):
		return []storage.Write{w}, nil
	case err != nil:
		return nil, err
	}
	return []storage.Write{w, s.userSessions.Remove(userKey(&row.Value.Session))}, nil
}

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
	w, err := s.revokedTokens.Put(revokedTokenKey(t.AsParent()), struct{}{})
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
func revokedTokenKey(t exchange.ParentToken) string {
	return sweepKey(time.Unix(t.Expires, 0)) + "/" + t.ID
}

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
