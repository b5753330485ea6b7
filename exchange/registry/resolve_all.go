package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// identity is one of the identities of a proof, and whom it is linked to.
type identity struct {
	exchange.Identity
	key  string
	link storage.Row[linkRecord] // without a key where there is none
}

func (i *identity) linked() bool { return i.link.Key != "" }

// resolveAll is Resolve for a proof of more than one identity.
func (r *Registry) resolveAll(ctx context.Context, s *exchange.Subject, create bool, now time.Time) (u exchange.User, isNew bool, writes []storage.Write, err error) {
	all, err := r.identities(ctx, s)
	if err != nil {
		return u, false, nil, err
	}
	found := finder(all)
	switch {
	case found != nil && found.link.Value.Disabled:
		return u, false, nil, exchange.Refuse(exchange.ReasonUserDisabled, fmt.Errorf("user %s is disabled", found.link.Value.User))
	case found != nil:
		u = exchange.User{ID: found.link.Value.User, Email: s.Email, Name: s.Name}
		if err = namedElsewhere(all[1:], u.ID); err == nil {
			writes, err = r.stays(ctx, u.ID)
		}
	case create:
		u, isNew, writes, err = r.newUser(all[0].key, s, now)
		all = all[1:]
	default:
		err = exchange.Refuse(exchange.ReasonUserNotRegistered, fmt.Errorf("no link %s", all[0].key))
	}
	if err != nil {
		return exchange.User{}, false, nil, err
	}
	linked, err := r.linkAll(u.ID, all, now)
	if !isNew && len(linked) == 0 {
		writes = nil // who is known costs no write
	} else if err == nil && !isNew {
		err = r.another(ctx, u.ID)
	}
	if err != nil {
		return exchange.User{}, false, nil, err
	}
	return u, isNew, append(writes, linked...), nil
}

// another refuses a user who has as many links as a user may have one more: who
// keeps proving new wallets must not become too large to be disabled.
func (r *Registry) another(ctx context.Context, userID string) error {
	err := r.roomFor(ctx, userID, 1)
	if full, ok := errors.AsType[*Refusal](err); ok {
		return &exchange.Error{
			Reason: exchange.ReasonLinkedElsewhere, Err: full,
			Description: "the user has as many logins as a user may have; have the operator unlink some",
		}
	}
	return err
}

// identities are the subject's own, first, and what it is also.
func (r *Registry) identities(ctx context.Context, s *exchange.Subject) ([]identity, error) {
	all := []identity{{Identity: exchange.Identity{Issuer: s.Issuer, ID: s.ID, FindsUser: true}}}
	for _, also := range s.Identities {
		all = append(all, identity{Identity: also})
	}
	for i := range all {
		id := &all[i]
		id.key = exchange.LinkKey(id.Issuer, id.ID)
		link, err := r.tables.links.Get(ctx, id.key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return nil, fmt.Errorf("link %s: %w", id.key, err)
		}
		if err == nil {
			id.link = link
		}
	}
	return all, nil
}

// finder is the first identity that finds a user, nil if none does.
func finder(all []identity) *identity {
	for i := range all {
		if all[i].FindsUser && all[i].linked() {
			return &all[i]
		}
	}
	return nil
}

// namedElsewhere refuses to give a user who is known a name that nobody has yet:
// whoever bears it is somebody else, and would be let in as that user from then
// on.
func namedElsewhere(also []identity, user string) error {
	for i := range also {
		if id := &also[i]; id.FindsUser && !id.linked() {
			return exchange.Refuse(exchange.ReasonLinkedElsewhere, fmt.Errorf("%s of %s is nobody, not user %s", exchange.Quote(id.ID), id.Issuer, user))
		}
	}
	return nil
}

// stays is a write that changes nothing of a user but that somebody linked to it,
// and does not hold if somebody changes, disables or deletes it meanwhile, nor do
// they: nothing is linked to such a one.
func (r *Registry) stays(ctx context.Context, userID string) ([]storage.Write, error) {
	user, err := r.tables.users.Get(ctx, userID)
	if errors.Is(err, storage.ErrNotFound) {
		err = storage.ErrConflict // the link was there a moment ago
	}
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", userID, err)
	}
	same, err := r.tables.users.Replace(user, user.Value.changed())
	return []storage.Write{same}, err
}

// linkAll are the writes that make all identities those of a user.
func (r *Registry) linkAll(user string, all []identity, now time.Time) (writes []storage.Write, err error) {
	for i := range all {
		id := &all[i]
		if id.linked() && id.link.Value.User == user {
			continue
		}
		w, err := r.linkOne(user, id, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}

func (r *Registry) linkOne(user string, id *identity, now time.Time) ([]storage.Write, error) {
	link := exchange.Link{Issuer: id.Issuer, Subject: id.ID, User: user, Created: now.UTC()}
	if !id.linked() {
		return r.newLink(id.key, link)
	}
	had := id.link.Value.User
	if !id.Relink || id.RelinkFrom != "" && id.RelinkFrom != had {
		return nil, &exchange.Error{
			Reason: exchange.ReasonLinkedElsewhere, Description: id.LinkedElsewhere,
			Err: fmt.Errorf("%s of %s is user %s, not %s", exchange.Quote(id.ID), id.Issuer, had, user),
		}
	}
	if id.link.Value.Disabled { // or who is kept out would come in as another
		return nil, exchange.Refuse(exchange.ReasonUserDisabled, fmt.Errorf("%s of %s is user %s, who is disabled", exchange.Quote(id.ID), id.Issuer, had))
	}
	moved, moveErr := r.tables.links.Replace(id.link, linkRecord{User: user})
	shown, shownErr := r.tables.userLinks.Insert(userLinkKey(user, id.key), link)
	return []storage.Write{moved, shown, r.tables.userLinks.Remove(userLinkKey(had, id.key))}, errors.Join(moveErr, shownErr)
}
