package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Resolve returns the user of a proven subject.
//
// A known subject costs one read and returns no writes. For an unknown one,
// Resolve creates a user if create is true: the returned writes insert the user
// and its link, on the condition that no other exchange has done so. The caller
// commits them together with its own; on storage.ErrConflict it calls Resolve
// again and gets the user that the other exchange created. Without create an
// unknown subject is refused with exchange.ReasonUserNotRegistered; a disabled
// user always with exchange.ReasonUserDisabled.
//
// The further identities of the subject's proof are linked to the same user by
// the same writes. An identity with FindsUser can find the user of an unknown
// subject. An identity that is linked to another user is refused with
// exchange.ReasonLinkedElsewhere unless it may be relinked; so is an unlinked
// identity with FindsUser beside a known user: an unlinked identity never
// resolves to an existing user.
//
// E-mail and name of the returned user are those of the proof, and Created is
// set only for a new user. The stored ones, which operators see, are those of
// the first exchange: an exchange never rewrites a user, so it cannot conflict
// with an operator's change or undo it.
func (s *Store) Resolve(ctx context.Context, subject *exchange.Subject, create bool, now time.Time) (u exchange.User, isNew bool, writes []storage.Write, err error) {
	all, err := s.identities(ctx, subject)
	if err != nil {
		return exchange.User{}, false, nil, err
	}
	u = exchange.User{Email: subject.Email, Name: subject.Name}
	switch found := finder(all); {
	case found == nil && !create:
		err = exchange.Refuse(exchange.ReasonUserNotRegistered, fmt.Errorf("no link %s", all[0].key))
	case found == nil:
		isNew, u.ID, u.Created = true, storage.NewID(now), now.UTC()
		writes, err = s.newUser(u, all)
	case found.link.Value.Disabled:
		err = exchange.Refuse(exchange.ReasonUserDisabled, fmt.Errorf("user %s is disabled", found.link.Value.User))
	default:
		u.ID = found.link.Value.User
		writes, err = s.linkFurther(ctx, u.ID, all, now)
	}
	if err != nil {
		return exchange.User{}, false, nil, err
	}
	return u, isNew, writes, nil
}

// newUser returns the writes that create a user with all identities.
func (s *Store) newUser(u exchange.User, all []identity) ([]storage.Write, error) {
	links, err := s.linkAll(u.ID, all, u.Created)
	if err != nil {
		return nil, err
	}
	user, err := s.users.Insert(u.ID, userRecord{User: u})
	return append(links, user), err
}

// linkFurther returns the writes that link the identities that are not yet the
// known user's; none if all are.
func (s *Store) linkFurther(ctx context.Context, user string, all []identity, now time.Time) ([]storage.Write, error) {
	if err := refuseUnlinkedName(all[1:], user); err != nil {
		return nil, err
	}
	links, err := s.linkAll(user, all, now)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	touch, err := s.touchUser(ctx, user)
	if err == nil {
		err = s.roomForProof(ctx, user)
	}
	return append(links, touch), err
}

// touchUser returns a write that bumps the user's change counter, so that it
// conflicts with any concurrent change, disabling or deletion of that user.
func (s *Store) touchUser(ctx context.Context, userID string) (storage.Write, error) {
	user, err := s.users.Get(ctx, userID)
	if err != nil {
		return storage.Write{}, fmt.Errorf("user %s: %w", userID, vanished(err))
	}
	return s.users.Replace(user, user.Value.changed())
}

// roomForProof refuses a further link for a user that has as many as it may: an
// exchange that keeps proving new wallets must not make the user too large to be
// disabled in one commit.
func (s *Store) roomForProof(ctx context.Context, userID string) error {
	err := s.roomFor(ctx, userID, 1)
	if full, ok := errors.AsType[Refusal](err); ok {
		return &exchange.Error{
			Reason: exchange.ReasonLinkedElsewhere, Err: full,
			Description: "the user has the maximum number of logins; have the operator unlink some",
		}
	}
	return err
}
