package registry

import (
	"bytes"
	"encoding/json"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// tables are the registry's records.
//
// An exchange reads one small record of a known subject, its link, because
// with a million users each further read is of a page that is nowhere near a
// processor. What only operators look at is kept in users and userLinks.
type tables struct {
	revisions storage.Table[revision]
	issuers   storage.Table[issuerRecord]  // ID → issuer
	clients   storage.Table[clientRecord]  // ID → client
	types     storage.Table[detailRecord]  // DetailType.Type → type
	links     storage.Table[linkRecord]    // exchange.LinkKey → link
	users     storage.Table[userRecord]    // ID → user
	userLinks storage.Table[exchange.Link] // <user ID>/<link key> → link
	merges    storage.Table[mergeRecord]   // UUIDv7 of when → merge
	uses      storage.Table[useRecord]     // <client ID>/<secret ID> → last use
}

func newTables(e storage.Engine, macKey []byte) tables {
	return tables{
		revisions: storage.NewTable[revision](e, "registry", macKey),
		issuers:   storage.NewTable[issuerRecord](e, "issuers", macKey),
		clients:   storage.NewTable[clientRecord](e, "clients", macKey),
		types:     storage.NewTable[detailRecord](e, "detail_types", macKey),
		links:     storage.NewTable[linkRecord](e, "links", macKey),
		users:     storage.NewTable[userRecord](e, "users", macKey),
		userLinks: storage.NewTable[exchange.Link](e, "user_links", macKey),
		merges:    storage.NewTable[mergeRecord](e, "merges", macKey),
		uses:      storage.NewTable[useRecord](e, "secret_uses", macKey),
	}
}

// linkRecord says who a subject is and whether it gets in. Disabled is that of
// the user: whoever writes one writes the other in the same commit, and demands
// that the user's record is still the one that was read.
type linkRecord struct {
	User     string `json:"user"`
	Disabled bool   `json:"disabled,omitempty"`
}

// ReadRecord implements [storage.RecordReader]. Of what encoding/json writes,
// the link of a user who gets in has one form; any other is left to it.
func (l *linkRecord) ReadRecord(data []byte) error {
	user, ok := bytes.CutPrefix(data, []byte(`{"user":"`))
	if ok {
		user, ok = bytes.CutSuffix(user, []byte(`"}`))
	}
	if ok && !bytes.ContainsAny(user, `"\`) {
		l.User = string(user)
		return nil
	}
	return json.Unmarshal(data, l)
}

// userRecord is a user. Whoever gives it another link, or changes what is true
// of all its links, demands the record that was read and counts: of two such
// changes at once one does not hold. Nobody can so be given a link that a
// deletion, a merge or a disabling does not know of.
type userRecord struct {
	exchange.User
	Changes uint64 `json:"changes,omitempty"`
}

func (u userRecord) changed() userRecord {
	u.Changes++
	return u
}

// mergeRecord is what it takes to undo a merge: the user that was, and which
// links were its own. What the links say is kept with the user who has them now.
type mergeRecord struct {
	From  userRecord `json:"from"`
	Into  string     `json:"into"`            // user ID
	Links []string   `json:"links,omitempty"` // exchange.LinkKey
	Time  time.Time  `json:"time"`
	By    string     `json:"by,omitempty"`
}

// revision counts the changes of issuers and clients. Every change replaces
// it, on the condition that it is still the one the change was decided on.
type revision struct {
	Number  uint64    `json:"number"`
	Changed time.Time `json:"changed"`
}

// revisionKey is the only key of the revisions table.
const revisionKey = "revision"

// issuerRecord is an issuer as it is kept: its shared secrets are sealed. A
// removed one leaves its ID and URL, so that the ID, which is part of users'
// identity, is never bound to another URL.
type issuerRecord struct {
	Revision uint64          `json:"revision"` // that wrote it
	Issuer   exchange.Issuer `json:"issuer"`
	Removed  time.Time       `json:"removed,omitzero"`
}

// clientRecord is a client as it is kept: its secrets are MACs, and that of its
// webhook is sealed.
type clientRecord struct {
	Revision uint64          `json:"revision"` // that wrote it
	Client   exchange.Client `json:"client"`
}

// detailRecord is a type of authorization_details as it is kept.
type detailRecord struct {
	Revision uint64              `json:"revision"` // that wrote it
	Type     exchange.DetailType `json:"type"`
}
