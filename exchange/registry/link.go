package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// MostLinks is how many links a user may have: what happens to all of them at
// once, such as a merge, is one commit.
const MostLinks = 1000

// Refusal is why a change of users or links is not made although all that it
// names is there. Nothing was changed. The text is for the operator.
type Refusal struct{ text string }

func (e *Refusal) Error() string { return e.text }

func refusef(format string, args ...any) error {
	return &Refusal{fmt.Sprintf(format, args...)}
}

// Link is the link of an issuer's subject, or storage.ErrNotFound.
func (r *Registry) Link(ctx context.Context, issuerID, subject string) (exchange.Link, error) {
	key := exchange.LinkKey(issuerID, subject)
	link, err := r.tables.links.Get(ctx, key)
	if err != nil {
		return exchange.Link{}, linkFailed(issuerID, subject, err)
	}
	row, err := r.tables.userLinks.Get(ctx, userLinkKey(link.Value.User, key))
	if err != nil {
		return exchange.Link{}, linkFailed(issuerID, subject, err)
	}
	return row.Value, nil
}

func linkFailed(issuerID, subject string, err error) error {
	return fmt.Errorf("link of %s at issuer %q: %w", exchange.Quote(subject), issuerID, err)
}

// AddLink makes an issuer's subject, whom nobody is yet, a user, and says whether
// that is new. Issuer may be a namespace of ours. storage.ErrNotFound if there is
// no such user; a [Refusal] if the subject is another user, or the user has as
// many links as it may; storage.ErrConflict if somebody else changes the user or
// the subject at the same time. A disabled user stays so.
func (r *Registry) AddLink(ctx context.Context, userID, issuerID, subject string, now time.Time) (l exchange.Link, added bool, err error) {
	user, err := r.tables.users.Get(ctx, userID)
	if err != nil {
		return l, false, fmt.Errorf("user %q: %w", userID, err)
	}
	l, err = r.Link(ctx, issuerID, subject)
	switch {
	case err == nil && l.User == userID:
		return l, false, nil
	case err == nil:
		return exchange.Link{}, false, refusef("subject %s of issuer %s is linked to user %s", exchange.Quote(subject), issuerID, l.User)
	case !errors.Is(err, storage.ErrNotFound):
		return l, false, err
	}
	if err := r.roomFor(ctx, userID, 1); err != nil {
		return l, false, err
	}
	l = exchange.Link{Issuer: issuerID, Subject: subject, User: userID, Created: now.UTC()}
	key := exchange.LinkKey(issuerID, subject)
	change, err := r.tables.users.Replace(user, user.Value.changed())
	link, linkErr := r.tables.links.Insert(key, linkRecord{User: userID, Disabled: user.Value.Disabled})
	shown, shownErr := r.tables.userLinks.Insert(userLinkKey(userID, key), l)
	if err = errors.Join(err, linkErr, shownErr); err == nil {
		err = r.engine.Commit(ctx, change, link, shown)
	}
	if err != nil {
		return exchange.Link{}, false, fmt.Errorf("making the %w", linkFailed(issuerID, subject, err))
	}
	return l, true, nil
}

// roomFor refuses more links for a user than it may have.
func (r *Registry) roomFor(ctx context.Context, userID string, more int) error {
	links, err := r.LinksOf(ctx, userID)
	if err == nil && len(links)+more > MostLinks {
		err = refusef("user %s has %d links and would have %d: at most %d are changed in one step; unlink some first",
			userID, len(links), len(links)+more, MostLinks)
	}
	return err
}

// Unlink makes an issuer's subject unknown again, in one commit with writes;
// storage.ErrNotFound if it is. The user stays. Where a client creates users
// the subject becomes another one at its next exchange: to keep somebody out,
// disable the user.
func (r *Registry) Unlink(ctx context.Context, issuerID, subject string, writes ...storage.Write) error {
	row, err := r.tables.links.Get(ctx, exchange.LinkKey(issuerID, subject))
	if err != nil {
		return linkFailed(issuerID, subject, err)
	}
	mine := []storage.Write{
		r.tables.links.Delete(row),
		r.tables.userLinks.Remove(userLinkKey(row.Value.User, row.Key)),
	}
	if err := r.engine.Commit(ctx, slices.Concat(writes, mine)...); err != nil {
		return fmt.Errorf("removing the %w", linkFailed(issuerID, subject, err))
	}
	return nil
}
