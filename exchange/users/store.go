package users

import (
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
