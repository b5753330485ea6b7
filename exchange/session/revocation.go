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
}

func revocationKey(kind exchange.RevocationKind, id string) string { return string(kind) + "/" + id }

// creation is the data of a session or a token that revocations are about.
type creation struct {
	session, user, client string
	origin                exchange.Origin
	at                    time.Time
}

func creationOf(s *exchange.Session) creation {
	return creation{session: s.ID, user: s.User, client: s.Client, origin: originOf(s), at: s.Created}
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

// revokedBy reports whether r, which is about it, revokes it. A session is
// created once, so the time of its own revocation does not matter.
func (c creation) revokedBy(kind exchange.RevocationKind, r revocation) bool {
	return kind == exchange.RevocationSession || !c.at.After(r.Time)
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

// Revoke stores revocations in one commit: whatever was created from the ID of
// one at or before its time is revoked from the next request on. The time of a
// stored revocation never moves back. A session's own revocation is never
// rewritten; otherwise a holder of one of its tokens could cause unlimited
// writes.
func (s *Store) Revoke(ctx context.Context, revocations ...exchange.Revocation) error {
	err := storage.Retry(ctx, attempts, func() error {
		var writes []storage.Write
		for _, r := range revocations {
			write, err := s.laterRevocation(ctx, r)
			if err != nil {
				return err
			}
			writes = append(writes, write...)
		}
		if len(writes) == 0 {
			return nil
		}
		return s.engine.Commit(ctx, writes...)
	})
	if err != nil {
		return fmt.Errorf("storing revocations: %w", err)
	}
	return nil
}

// laterRevocation returns the write of a revocation, or none if a stored one is
// as late.
func (s *Store) laterRevocation(ctx context.Context, r exchange.Revocation) ([]storage.Write, error) {
	row, err := s.revocations.Get(ctx, revocationKey(r.Kind, r.ID))
	var w storage.Write
	switch {
	case errors.Is(err, storage.ErrNotFound):
		w, err = s.revocations.Insert(revocationKey(r.Kind, r.ID), revocation{r.Time})
	case err != nil:
	case r.Kind == exchange.RevocationSession || !row.Value.Time.Before(r.Time):
		return nil, nil
	default:
		w, err = s.revocations.Replace(row, revocation{r.Time})
	}
	return []storage.Write{w}, err
}

// RevocationWrite returns a revocation as a write for a commit with others, so
// that a removal and the revocation that follows from it are one change. It keeps
// the time of a stored revocation that is later, and replaces a corrupt one. The
// write has no condition: two revocations at once must not make the change fail.
func (s *Store) RevocationWrite(ctx context.Context, r exchange.Revocation) (storage.Write, error) {
	key := revocationKey(r.Kind, r.ID)
	row, err := s.revocations.Get(ctx, key)
	switch {
	case err == nil && row.Value.Time.After(r.Time):
		r.Time = row.Value.Time
	case err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, storage.ErrCorrupt):
		return storage.Write{}, fmt.Errorf("reading a revocation: %w", err)
	}
	return s.revocations.Put(key, revocation{r.Time})
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
