package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Resolve says which user a proven subject is.
//
// A known subject costs one read, and no write is returned. An unknown one
// is a new user if create is true: the returned writes make the user and its
// link, on the condition that nobody else did. The caller commits them along
// with its own; on storage.ErrConflict it resolves again and finds the user
// that somebody else made. Without create it is refused as
// exchange.ReasonUserNotRegistered, a disabled user as exchange.ReasonUserDisabled.
//
// What the subject's proof also identifies is linked to the same user by the
// same writes. It finds the user of an unknown subject if it may name one. An
// identity that is linked to somebody else is refused as
// exchange.ReasonLinkedElsewhere, unless it moves, and so is one that may name a
// user, but names nobody, beside one that is known.
//
// The e-mail and the name of the returned user are those of the subject's
// proof, and Created is only set for a new one. The stored ones, which
// operators see, are those of the first sight: an exchange never rewrites a
// user, so it can neither lose to nor undo what an operator does to it.
func (r *Registry) Resolve(ctx context.Context, s *exchange.Subject, create bool, now time.Time) (u exchange.User, isNew bool, writes []storage.Write, err error) {
	if len(s.Identities) > 0 {
		return r.resolveAll(ctx, s, create, now)
	}
	key := s.LinkKey()
	link, err := r.tables.links.Get(ctx, key)
	switch {
	case errors.Is(err, storage.ErrNotFound) && create:
		return r.newUser(key, s, now)
	case errors.Is(err, storage.ErrNotFound):
		return u, false, nil, exchange.Refuse(exchange.ReasonUserNotRegistered, fmt.Errorf("no link %s", key))
	case err != nil:
		return u, false, nil, fmt.Errorf("link %s: %w", key, err)
	}
	if link.Value.Disabled {
		return u, false, nil, exchange.Refuse(exchange.ReasonUserDisabled, fmt.Errorf("user %s is disabled", link.Value.User))
	}
	return exchange.User{ID: link.Value.User, Email: s.Email, Name: s.Name}, false, nil, nil
}

func (r *Registry) newUser(key string, s *exchange.Subject, now time.Time) (exchange.User, bool, []storage.Write, error) {
	u := exchange.User{ID: storage.NewID(now), Email: s.Email, Name: s.Name, Created: now.UTC()}
	user, userErr := r.tables.users.Insert(u.ID, userRecord{User: u})
	links, linkErr := r.newLink(key, exchange.Link{Issuer: s.Issuer, Subject: s.ID, User: u.ID, Created: u.Created})
	if err := errors.Join(linkErr, userErr); err != nil {
		return exchange.User{}, false, nil, fmt.Errorf("making a user: %w", err)
	}
	return u, true, append(links, user), nil
}

// newLink makes a link that is not there.
func (r *Registry) newLink(key string, l exchange.Link) ([]storage.Write, error) {
	link, linkErr := r.tables.links.Insert(key, linkRecord{User: l.User})
	shown, shownErr := r.tables.userLinks.Insert(userLinkKey(l.User, key), l)
	return []storage.Write{link, shown}, errors.Join(linkErr, shownErr)
}
