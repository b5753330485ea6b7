package admin

import (
	"errors"
	"time"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/exchange/users"
)

// Plan lists what applying a manifest changes or has changed.
type Plan struct {
	Changes registry.Plan `json:"changes" nullable:"false" doc:"Issuers, then clients and detail types, in the order of the manifest, including unchanged ones; then removals"`
	Warning string        `json:"warning,omitempty" doc:"Why the changes will not last"`
}

// Preview is an issuer with the keys it publishes now.
type Preview struct {
	Issuer exchange.Issuer `json:"issuer"`
	Keys   []IssuerKey     `json:"keys" nullable:"false"`
}

// IssuerKey is a key that an issuer publishes.
type IssuerKey struct {
	KeyID      string    `json:"kid,omitempty"`
	Thumbprint string    `json:"thumbprint,omitempty" doc:"RFC 7638, SHA-256; what keys.revokedKeys takes"`
	Type       string    `json:"kty,omitempty"`
	Algorithm  string    `json:"alg,omitempty"`
	Use        string    `json:"use,omitempty"`
	NotAfter   time.Time `json:"notAfter,omitzero" doc:"Of its certificate"`
	Refused    string    `json:"refused,omitempty" doc:"Why no token is accepted by it"`
	Notes      []string  `json:"notes,omitempty" doc:"What is wrong with it and does not matter"`
}

// NewSecret is a client secret that was just generated. Its value is not stored and
// cannot be shown again.
type NewSecret struct {
	ID     string `json:"id"`
	Secret string `json:"secret" doc:"Shown only now"`
}

// Secret is a client secret without its value.
type Secret struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero" doc:"Set when a newer one was generated"`
	LastUsed time.Time `json:"lastUsed,omitzero" doc:"When the client last authenticated by it; absent if it never did"`
}

// Revocation names the sessions to revoke by exactly one of session, user, client and
// issuer. With issuer, key or subject narrows it to what one of the issuer's keys
// proved, or to one of its subjects.
type Revocation struct {
	Session string `json:"session,omitempty"`
	User    string `json:"user,omitempty"`
	Client  string `json:"client,omitempty"`
	Issuer  string `json:"issuer,omitempty" doc:"ID of an issuer, or namespace of a client's first-party users"`
	Key     string `json:"key,omitempty" doc:"RFC 7638 thumbprint of the issuer's key, ID of its shared secret, or ID of the client secret that authenticated the assertion about the user"`
	Subject string `json:"subject,omitempty" doc:"The issuer's name for the user"`
}

// Session is a session with its state.
type Session struct{ session.Info }

// Sessions is a page of sessions, oldest first.
type Sessions struct {
	Sessions []Session `json:"sessions" nullable:"false"`
	Next     string    `json:"next,omitempty" doc:"from of the next page; absent on the last"`
}

// SessionFilter selects sessions. Empty fields select all.
type SessionFilter struct {
	User   string `query:"user"`
	Client string `query:"client"`
	Issuer string `query:"issuer"`
	From   string `query:"from" doc:"next of the previous page"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"` // 0 means 100
}

// SigningKey is a signing key of the server, without its private part.
type SigningKey struct {
	ID        string    `json:"id" doc:"kid"`
	Algorithm string    `json:"algorithm"`
	State     string    `json:"state" enum:"next,active,retired"`
	Created   time.Time `json:"created"`
	Activated time.Time `json:"activated,omitzero"`
	Retires   time.Time `json:"retires,omitzero" doc:"When the last token it signed has expired and it is no longer published"`
}

// The lists are objects so that members can be added to them.
type (
	issuerList struct {
		Issuers []exchange.Issuer `json:"issuers" nullable:"false"`
	}
	clientList struct {
		Clients []exchange.Client `json:"clients" nullable:"false"`
	}
	detailTypeList struct {
		DetailTypes []exchange.DetailType `json:"detailTypes" nullable:"false"`
	}
	secretList struct {
		Secrets []Secret `json:"secrets" nullable:"false"`
	}
	keyList struct {
		Keys []SigningKey `json:"keys" nullable:"false"`
	}
)

// Parse returns r for the session store, without a time.
func (r Revocation) Parse() (exchange.Revocation, error) {
	var found []exchange.Revocation
	for kind, id := range map[exchange.RevocationKind]string{
		exchange.RevocationSession: r.Session, exchange.RevocationUser: r.User,
		exchange.RevocationClient: r.Client, exchange.RevocationIssuer: r.Issuer,
	} {
		if id != "" {
			found = append(found, exchange.Revocation{Kind: kind, ID: id})
		}
	}
	narrow := r.Key != "" || r.Subject != ""
	if len(found) != 1 || narrow && r.Issuer == "" || r.Key != "" && r.Subject != "" {
		return exchange.Revocation{}, errors.New("give exactly one of session, user, client and issuer, and key or subject only with issuer")
	}
	switch {
	case r.Key != "":
		return exchange.Revocation{Kind: exchange.RevocationKey, ID: r.Issuer + "/" + r.Key}, nil
	case r.Subject != "":
		return exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(r.Issuer, r.Subject)}, nil
	}
	return found[0], nil
}

// Users is a page of users, in the order of their first exchange.
type Users struct {
	Users []exchange.User `json:"users" nullable:"false"`
	Next  string          `json:"next,omitempty" doc:"from of the next page; absent on the last"`
}

// UserFilter selects users. Empty fields select all.
type UserFilter struct {
	Issuer string `query:"issuer" doc:"Only users linked to a subject of this issuer or first-party namespace"`
	From   string `query:"from" doc:"next of the previous page"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"` // 0 means 100
}

// UserDetails is a user with its links and the merges that led to it.
type UserDetails struct {
	User   exchange.User   `json:"user"`
	Links  []exchange.Link `json:"links" nullable:"false"`
	Merges []Merge         `json:"merges" nullable:"false" doc:"Merges that led to the user and can still be undone"`
}

// UserExport is all stored data of a user.
type UserExport struct {
	Exported time.Time `json:"exported"`
	UserDetails
	Sessions []Session `json:"sessions" nullable:"false" doc:"With the verified claims of the proofs; ended ones until they are swept"`
}

// LinkRequest links a subject of an issuer to a user.
type LinkRequest struct {
	User    string `json:"user"`
	Issuer  string `json:"issuer" doc:"ID of an issuer, or namespace of a client's first-party users: client:ID, key:ID, mail:ID, wallet:ID"`
	Subject string `json:"subject" minLength:"1" maxLength:"255"`
}

// LinkResult is a link, and whether the request added it.
type LinkResult struct {
	Link  exchange.Link `json:"link"`
	Added bool          `json:"added"`
}

// SubjectName names a subject of an issuer or first-party namespace.
type SubjectName struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// UnlinkRequest names the link to remove.
type UnlinkRequest struct {
	Issuer  string `json:"issuer" doc:"As in a LinkRequest; it may have been removed"`
	Subject string `json:"subject"`
	Force   bool   `json:"force,omitempty" doc:"Remove it even if it is the only login of its user"`
}

// MergeRequest merges one user into another.
type MergeRequest struct {
	From    string `json:"from" doc:"The user that is deleted"`
	Into    string `json:"into" doc:"The user that gets its links"`
	Version string `json:"version,omitempty" doc:"Of the plan that was confirmed: the merge is refused if it would now do anything else"`
}

// Merges are described by package users.
type (
	MergePlan = users.MergePlan
	Merge     = users.Merge
	Unmerged  = users.Unmerged
)

type mergeList struct {
	Merges []Merge `json:"merges" nullable:"false"`
}
