package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

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
