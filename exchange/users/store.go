package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Store is the users and links of a storage engine. Its methods are safe for
// concurrent use.
//
// An exchange by a known login reads one small record, its link: with a million
// users each further read is likely to miss the processor's caches. What only
// operators read is kept in users and userLinks.
type Store struct {
	engine    storage.Engine
	links     storage.Table[linkRecord]    // exchange.LinkKey → link
	users     storage.Table[userRecord]    // ID → user
	userLinks storage.Table[exchange.Link] // <user ID>/<exchange.LinkKey> → link
	merges    storage.Table[mergeRecord]   // UUIDv7 of the time of the merge → merge
}

// New returns the users of an engine. RecordKey makes the MAC of each record and
// has at least 32 bytes.
func New(e storage.Engine, recordKey []byte) *Store {
	return &Store{
		engine:    e,
		links:     storage.NewTable[linkRecord](e, "links", recordKey),
		users:     storage.NewTable[userRecord](e, "users", recordKey),
		userLinks: storage.NewTable[exchange.Link](e, "user_links", recordKey),
		merges:    storage.NewTable[mergeRecord](e, "merges", recordKey),
	}
}

// linkRecord is the user of a login. Disabled is a copy of the user's state:
// every change writes both in one commit, on the condition that the user's
// record is unchanged.
type linkRecord struct {
	User     string `json:"user"`
	Disabled bool   `json:"disabled,omitempty"`
}

// userRecord is a user. A commit that adds a link, or changes what holds for all
// of the user's links, replaces the record that it read and increments Changes:
// of two such concurrent commits one conflicts. So no link escapes a concurrent
// deletion, merge or disabling.
type userRecord struct {
	exchange.User
	Changes uint64 `json:"changes,omitempty"`
}

func (u userRecord) changed() userRecord {
	u.Changes++
	return u
}

// mergeRecord holds what undoing a merge needs: the former user and which links it
// had. The links themselves are with the user that has them now.
type mergeRecord struct {
	From  userRecord `json:"from"`
	Into  string     `json:"into"`            // user ID
	Links []string   `json:"links,omitempty"` // exchange.LinkKey
	Time  time.Time  `json:"time"`
	By    string     `json:"by,omitempty"`
}

// Refusal is why a change of users or links is not made although everything that
// it names exists, as a text for the operator. Nothing was changed.
type Refusal string

// Error returns the text.
func (e Refusal) Error() string { return string(e) }

func refusef(format string, args ...any) error { return Refusal(fmt.Sprintf(format, args...)) }

func userLinkKey(user, link string) string { return user + "/" + link }

// insertLink returns the writes that create a link.
func (s *Store) insertLink(l exchange.Link, disabled bool) ([]storage.Write, error) {
	key := exchange.LinkKey(l.Issuer, l.Subject)
	link, err := s.links.Insert(key, linkRecord{User: l.User, Disabled: disabled})
	shown, shownErr := s.userLinks.Insert(userLinkKey(l.User, key), l)
	return []storage.Write{link, shown}, errors.Join(err, shownErr)
}

// moveLink returns the writes that give the link of row to the enabled user l.User.
func (s *Store) moveLink(row storage.Row[linkRecord], l exchange.Link) ([]storage.Write, error) {
	link, err := s.links.Replace(row, linkRecord{User: l.User})
	shown, shownErr := s.userLinks.Insert(userLinkKey(l.User, row.Key), l)
	return []storage.Write{link, shown, s.userLinks.Remove(userLinkKey(row.Value.User, row.Key))}, errors.Join(err, shownErr)
}

// vanished turns ErrNotFound into ErrConflict: another record, read before,
// referred to the missing one, so it was removed in between.
func vanished(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return storage.ErrConflict
	}
	return err
}

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
