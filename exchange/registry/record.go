package registry

import (
	"time"

	"cambio/exchange"
)

// record is a registration as it is stored.
type record interface {
	written() uint64 // the revision that wrote it
	active() bool    // it is registered, not removed
}

// stamp is the part that all records have.
type stamp struct {
	Revision uint64 `json:"revision"` // that wrote it
}

func (s stamp) written() uint64 { return s.Revision }
func (s stamp) active() bool    { return true }

// issuerRecord is an issuer with sealed shared secrets. The record of a removed
// issuer keeps its ID and URL, so that the ID, which is part of users' identity,
// is never bound to another URL.
type issuerRecord struct {
	stamp
	Issuer  exchange.Issuer `json:"issuer"`
	Removed time.Time       `json:"removed,omitzero"`
}

func (r issuerRecord) active() bool { return r.Removed.IsZero() }

// clientRecord is a client with the MACs of its secrets and the sealed secret of
// its webhook.
type clientRecord struct {
	stamp
	Client exchange.Client `json:"client"`
}

// detailRecord is a type of authorization_details.
type detailRecord struct {
	stamp
	Type exchange.DetailType `json:"type"`
}

// revision counts the changes of the registry. Every change replaces it, on the
// condition that it is still the one the change was decided on.
type revision struct {
	Number  uint64    `json:"number"`
	Changed time.Time `json:"changed"`
}

// revisionKey is the only key of the revisions table.
const revisionKey = "revision"
