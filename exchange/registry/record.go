package registry

import (
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// tables are the registry's records.
//
// An exchange reads two small ones of a known subject, links and standings,
// because decoding more would cost it more than finding it does. What only
// operators look at is kept beside them, in users and userLinks.
type tables struct {
	revisions storage.Table[revision]
	issuers   storage.Table[issuerRecord]  // ID → issuer
	clients   storage.Table[clientRecord]  // ID → client
	links     storage.Table[string]        // exchange.LinkKey → user ID
	standings storage.Table[standing]      // user ID → standing
	users     storage.Table[exchange.User] // ID → user, but for Disabled
	userLinks storage.Table[exchange.Link] // <user ID>/<link key> → link
}

func newTables(e storage.Engine, macKey []byte) tables {
	return tables{
		revisions: storage.NewTable[revision](e, "registry", macKey),
		issuers:   storage.NewTable[issuerRecord](e, "issuers", macKey),
		clients:   storage.NewTable[clientRecord](e, "clients", macKey),
		links:     storage.NewTable[string](e, "links", macKey),
		standings: storage.NewTable[standing](e, "standings", macKey),
		users:     storage.NewTable[exchange.User](e, "users", macKey),
		userLinks: storage.NewTable[exchange.Link](e, "user_links", macKey),
	}
}

// standing says whether a user gets in. A user without one does not.
type standing struct {
	Disabled bool `json:"disabled,omitempty"`
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

// clientRecord is a client as it is kept: its secrets are MACs.
type clientRecord struct {
	Revision uint64          `json:"revision"` // that wrote it
	Client   exchange.Client `json:"client"`
}
