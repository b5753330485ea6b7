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

// Find returns the user of an ID, or storage.ErrNotFound.
func (s *Store) Find(ctx context.Context, id string) (exchange.User, error) {
	row, err := s.users.Get(ctx, id)
	if err != nil {
		return exchange.User{}, fmt.Errorf("user %q: %w", id, err)
	}
	return row.Value.User, nil
}

// List returns at most limit users in the order of their first exchange,
// beginning at from, and the from of the next page, empty after the last. An
// empty from is the first page.
func (s *Store) List(ctx context.Context, from string, limit int) (users []exchange.User, next string, err error) {
	for row, err := range s.users.Scan(ctx, from, "", limit+1) {
		if err != nil {
			return nil, "", fmt.Errorf("reading users: %w", err)
		}
		if len(users) == limit {
			return users, row.Key, nil
		}
		users = append(users, row.Value.User)
	}
	return users, "", nil
}

// maxLinksRead bounds the links that one call of ListByIssuer reads. Operators
// call it rarely; an index by issuer would cost every first exchange a write.
const maxLinksRead = 20_000

// ListByIssuer is List for the users that have a link of an issuer. A page can be
// empty although others follow.
func (s *Store) ListByIssuer(ctx context.Context, issuerID, from string, limit int) (users []exchange.User, next string, err error) {
	read, last, found := 0, "", ""
	for row, err := range s.userLinks.Scan(ctx, from, "", 0) {
		if err != nil {
			return nil, "", fmt.Errorf("reading links: %w", err)
		}
		l := row.Value
		if l.User != last && (len(users) == limit || read >= maxLinksRead) {
			return users, l.User, nil
		}
		read, last = read+1, l.User
		if l.Issuer != issuerID || l.User == found {
			continue
		}
		found = l.User
		u, err := s.Find(ctx, l.User)
		if err == nil {
			users = append(users, u)
		} else if !errors.Is(err, storage.ErrNotFound) { // deleted in between
			return nil, "", err
		}
	}
	return users, "", nil
}

// SetDisabled refuses or allows every exchange of a user, in one commit with
// writes. It returns storage.ErrNotFound if there is no such user and
// storage.ErrConflict if the user keeps being changed concurrently.
func (s *Store) SetDisabled(ctx context.Context, userID string, disabled bool, writes ...storage.Write) error {
	return s.change(ctx, userID, writes, func(user storage.Row[userRecord], links []storage.Row[linkRecord]) ([]storage.Write, error) {
		next := user.Value.changed()
		next.Disabled = disabled
		change, err := s.users.Replace(user, next)
		decided, errs := []storage.Write{change}, []error{err}
		for _, link := range links {
			change, err := s.links.Replace(link, linkRecord{User: userID, Disabled: disabled})
			decided, errs = append(decided, change), append(errs, err)
		}
		return decided, errors.Join(errs...)
	})
}

// Delete deletes a user, its links and the records of merges that led to it, in
// one commit with writes. A subject that was linked to it is unknown again: where
// a client creates users, it becomes a new user at its next exchange. Delete
// returns storage.ErrNotFound if there is no such user.
func (s *Store) Delete(ctx context.Context, userID string, writes ...storage.Write) error {
	return s.change(ctx, userID, writes, func(user storage.Row[userRecord], links []storage.Row[linkRecord]) ([]storage.Write, error) {
		decided := []storage.Write{s.users.Delete(user)}
		for _, link := range links {
			decided = append(decided, s.links.Delete(link), s.userLinks.Remove(userLinkKey(userID, link.Key)))
		}
		merges, err := s.mergeRows(ctx, userID)
		for _, m := range merges {
			decided = append(decided, s.merges.Delete(m))
		}
		return decided, err
	})
}

// change commits what decide returns for a user and its links, together with
// writes. It decides again if an exchange of the user was faster: continuous logins
// must not keep an operator from disabling a user.
func (s *Store) change(ctx context.Context, userID string, writes []storage.Write, decide func(storage.Row[userRecord], []storage.Row[linkRecord]) ([]storage.Write, error)) error {
	const attempts = 16
	err := storage.Retry(ctx, attempts, func() error {
		user, err := s.users.Get(ctx, userID)
		if err != nil {
			return err
		}
		_, links, err := s.linkRows(ctx, userID)
		if err != nil {
			return err
		}
		decided, err := decide(user, links)
		if err != nil {
			return err
		}
		return s.engine.Commit(ctx, slices.Concat(writes, decided)...)
	})
	if err != nil {
		return fmt.Errorf("changing user %q: %w", userID, err)
	}
	return nil
}

// identity is one of the identities of a proof with its link.
type identity struct {
	exchange.Identity
	key  string
	link storage.Row[linkRecord] // Key is empty if there is no link
}

func (i *identity) linked() bool { return i.link.Key != "" }

// identities reads the links of the subject itself, which comes first, and of
// its further identities.
func (s *Store) identities(ctx context.Context, subject *exchange.Subject) ([]identity, error) {
	all := make([]identity, 1, 1+len(subject.Identities))
	all[0].Identity = exchange.Identity{Issuer: subject.Issuer, ID: subject.ID, FindsUser: true}
	all[0].key = subject.LinkKey()
	for _, further := range subject.Identities {
		all = append(all, identity{Identity: further, key: exchange.LinkKey(further.Issuer, further.ID)})
	}
	for i := range all {
		id := &all[i]
		link, err := s.links.Get(ctx, id.key)
		if err == nil {
			id.link = link
		} else if !errors.Is(err, storage.ErrNotFound) {
			return nil, fmt.Errorf("link %s: %w", id.key, err)
		}
	}
	return all, nil
}

// finder returns the first identity that finds a user, nil if none does.
func finder(all []identity) *identity {
	for i := range all {
		if all[i].FindsUser && all[i].linked() {
			return &all[i]
		}
	}
	return nil
}

// refuseUnlinkedName refuses to link an unlinked identity that can find a user to
// an existing user: its owner may be another person, and would come in as that user
// from then on.
func refuseUnlinkedName(further []identity, user string) error {
	for i := range further {
		if id := &further[i]; id.FindsUser && !id.linked() {
			return exchange.Refuse(exchange.ReasonLinkedElsewhere,
				fmt.Errorf("identity %s of %s is not linked; refusing to link it to existing user %s", exchange.Quote(id.ID), id.Issuer, user))
		}
	}
	return nil
}

// linkAll returns the writes that link all identities to a user.
func (s *Store) linkAll(user string, all []identity, now time.Time) (writes []storage.Write, err error) {
	for i := range all {
		id := &all[i]
		if id.linked() && id.link.Value.User == user {
			continue
		}
		w, err := s.linkOne(user, id, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

func (s *Store) linkOne(user string, id *identity, now time.Time) ([]storage.Write, error) {
	l := exchange.Link{Issuer: id.Issuer, Subject: id.ID, User: user, Created: now.UTC()}
	if !id.linked() {
		return s.insertLink(l, false)
	}
	had := id.link.Value.User
	if !id.Relink || id.RelinkFrom != "" && id.RelinkFrom != had {
		return nil, &exchange.Error{
			Reason: exchange.ReasonLinkedElsewhere, Description: id.LinkedElsewhere,
			Err: fmt.Errorf("%s of %s is linked to user %s, not %s", exchange.Quote(id.ID), id.Issuer, had, user),
		}
	}
	if id.link.Value.Disabled { // otherwise a disabled user would come in as another one
		return nil, exchange.Refuse(exchange.ReasonUserDisabled,
			fmt.Errorf("%s of %s is linked to the disabled user %s", exchange.Quote(id.ID), id.Issuer, had))
	}
	return s.moveLink(id.link, l)
}
