package users

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// MostLinks is how many links a user may have: a change of all of them, such as
// a merge, is one commit.
const MostLinks = 1000

// FindLink returns the link of an issuer's subject, or storage.ErrNotFound.
func (s *Store) FindLink(ctx context.Context, issuerID, subject string) (exchange.Link, error) {
	key := exchange.LinkKey(issuerID, subject)
	link, err := s.links.Get(ctx, key)
	var shown storage.Row[exchange.Link]
	if err == nil {
		shown, err = s.userLinks.Get(ctx, userLinkKey(link.Value.User, key))
	}
	if err != nil {
		return exchange.Link{}, linkFailed(issuerID, subject, err)
	}
	return shown.Value, nil
}

// Linked reports whether an issuer's subject is linked to a user.
func (s *Store) Linked(ctx context.Context, issuerID, subject string) (bool, error) {
	_, err := s.links.Get(ctx, exchange.LinkKey(issuerID, subject))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, linkFailed(issuerID, subject, err)
	}
	return true, nil
}

func linkFailed(issuerID, subject string, err error) error {
	return fmt.Errorf("link of %s at issuer %q: %w", exchange.Quote(subject), issuerID, err)
}

// LinksOf returns the links of a user.
func (s *Store) LinksOf(ctx context.Context, userID string) ([]exchange.Link, error) {
	var out []exchange.Link
	after := userID + "0" // the byte after '/'
	for row, err := range s.userLinks.Scan(ctx, userLinkKey(userID, ""), after, 0) {
		if err != nil {
			return nil, fmt.Errorf("links of user %q: %w", userID, err)
		}
		out = append(out, row.Value)
	}
	return out, nil
}

// linkRows returns the links of a user with the records that exchanges read.
func (s *Store) linkRows(ctx context.Context, userID string) ([]exchange.Link, []storage.Row[linkRecord], error) {
	links, err := s.LinksOf(ctx, userID)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]storage.Row[linkRecord], len(links))
	for i, l := range links {
		rows[i], err = s.links.Get(ctx, exchange.LinkKey(l.Issuer, l.Subject))
		if err == nil && rows[i].Value.User != userID {
			err = storage.ErrConflict // it was moved in between
		}
		if err != nil {
			return nil, nil, vanished(err)
		}
	}
	return links, rows, nil
}

// Link links an issuer's unlinked subject to a user and reports whether the link
// is new. Issuer may be a first-party namespace. It returns storage.ErrNotFound
// if there is no such user; a [Refusal] if the subject is linked to another user,
// or the user has [MostLinks]; storage.ErrConflict if the user or the subject is
// changed concurrently. A disabled user stays disabled.
func (s *Store) Link(ctx context.Context, userID, issuerID, subject string, now time.Time) (l exchange.Link, added bool, err error) {
	user, err := s.users.Get(ctx, userID)
	if err != nil {
		return l, false, fmt.Errorf("user %q: %w", userID, err)
	}
	l, err = s.FindLink(ctx, issuerID, subject)
	switch {
	case err == nil && l.User == userID:
		return l, false, nil
	case err == nil:
		return exchange.Link{}, false, refusef("subject %s of issuer %s is linked to user %s", exchange.Quote(subject), issuerID, l.User)
	case !errors.Is(err, storage.ErrNotFound):
		return l, false, err
	}
	if err := s.roomFor(ctx, userID, 1); err != nil {
		return l, false, err
	}
	l = exchange.Link{Issuer: issuerID, Subject: subject, User: userID, Created: now.UTC()}
	change, err := s.users.Replace(user, user.Value.changed())
	writes, linkErr := s.insertLink(l, user.Value.Disabled)
	if err = errors.Join(err, linkErr); err == nil {
		err = s.engine.Commit(ctx, append(writes, change)...)
	}
	if err != nil {
		return exchange.Link{}, false, fmt.Errorf("adding the %w", linkFailed(issuerID, subject, err))
	}
	return l, true, nil
}

// roomFor refuses more links than a user may have.
func (s *Store) roomFor(ctx context.Context, userID string, more int) error {
	links, err := s.LinksOf(ctx, userID)
	if err == nil && len(links)+more > MostLinks {
		err = refusef("user %s has %d links and would have %d: at most %d can be changed in one commit; unlink some first",
			userID, len(links), len(links)+more, MostLinks)
	}
	return err
}

// Unlink removes the link of an issuer's subject, in one commit with writes;
// storage.ErrNotFound if there is none. The user stays, and cannot log in once
// it has no link: its only one is removed with last alone, and otherwise refused with
// a [LastLogin]. Where a client creates users the subject becomes a new user at
// its next exchange: to refuse a user, disable it.
func (s *Store) Unlink(ctx context.Context, issuerID, subject string, last bool, writes ...storage.Write) error {
	row, err := s.links.Get(ctx, exchange.LinkKey(issuerID, subject))
	if err != nil {
		return linkFailed(issuerID, subject, err)
	}
	removal := []storage.Write{s.links.Delete(row), s.userLinks.Remove(userLinkKey(row.Value.User, row.Key))}
	change, err := s.unlinking(ctx, row.Value.User, last)
	if err != nil {
		return err
	}
	if err := s.engine.Commit(ctx, slices.Concat(writes, removal, change)...); err != nil {
		return fmt.Errorf("removing the %w", linkFailed(issuerID, subject, err))
	}
	return nil
}

// unlinking returns the write that lets one of two concurrent removals of a user's
// links conflict, so that they do not remove the last two together. With last, a link
// without a readable user can be removed too.
func (s *Store) unlinking(ctx context.Context, userID string, last bool) ([]storage.Write, error) {
	user, err := s.users.Get(ctx, userID)
	if last && (errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrCorrupt)) {
		return nil, nil
	}
	if err != nil {
		return nil, vanished(err)
	}
	if !last {
		links, err := s.LinksOf(ctx, userID)
		if err != nil {
			return nil, err
		}
		if len(links) <= 1 {
			return nil, &LastLogin{userID}
		}
	}
	change, err := s.users.Replace(user, user.Value.changed())
	return []storage.Write{change}, err
}

// LastLogin refuses to remove the only link of a user.
type LastLogin struct{ User string }

// Error says whose it is.
func (e *LastLogin) Error() string { return "it is the only login of user " + e.User }
