package registry

import (
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// tables are the records of the registry.
type tables struct {
	revisions storage.Table[revision]
	issuers   storage.Table[issuerRecord] // ID → issuer
	clients   storage.Table[clientRecord] // ID → client
	types     storage.Table[detailRecord] // DetailType.Type → type
	uses      storage.Table[useRecord]    // <client ID>/<secret ID> → last use
}

func newTables(e storage.Engine, macKey []byte) tables {
	return tables{
		revisions: storage.NewTable[revision](e, "registry", macKey),
		issuers:   storage.NewTable[issuerRecord](e, "issuers", macKey),
		clients:   storage.NewTable[clientRecord](e, "clients", macKey),
		types:     storage.NewTable[detailRecord](e, "detail_types", macKey),
		uses:      storage.NewTable[useRecord](e, "secret_uses", macKey),
	}
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
