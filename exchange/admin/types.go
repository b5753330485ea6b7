package admin

import (
	"errors"
	"time"

	"cambio/exchange"
	"cambio/exchange/session"
)

// Plan is what applying a manifest changes, or has changed.
type Plan struct {
	Changes []Change `json:"changes" nullable:"false" doc:"What differs, issuers first, then clients and detail types, in the order of their IDs; unchanged registrations too"`
}

// Actions of a Change.
const (
	ActionAdd       = "add"
	ActionChange    = "change"
	ActionRemove    = "remove"
	ActionUnchanged = "unchanged"
)

// Change is what happens to one registration.
type Change struct {
	Action string   `json:"action" enum:"add,change,remove,unchanged"`
	Kind   string   `json:"kind" enum:"issuer,client,detail-type"`
	ID     string   `json:"id"`
	Diff   []string `json:"diff,omitempty" doc:"For a change: one line for each field that differs, without secrets"`
}

// Preview is an issuer with the keys it publishes at the moment.
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
}

// NewSecret is a client secret just made. Secret is not kept and not shown
// again.
type NewSecret struct {
	ID     string `json:"id"`
	Secret string `json:"secret" doc:"Shown this once"`
}

// Secret is a client secret without itself.
type Secret struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero" doc:"Set when a newer one replaced it"`
	// LastUsed is zero if it never was.
	LastUsed time.Time `json:"lastUsed,omitzero" doc:"When the client last authenticated by it; absent if never"`
}

// Revocation names what ends: exactly one of session, user, client and issuer.
// WithClient issuer, key or subject narrows it to what one of the issuer's keys
// proved, or to one of its subjects.
type Revocation struct {
	Session string `json:"session,omitempty"`
	User    string `json:"user,omitempty"`
	Client  string `json:"client,omitempty"`
	Issuer  string `json:"issuer,omitempty" doc:"ID of an issuer, or a namespace of a client's own users"`
	Key     string `json:"key,omitempty" doc:"RFC 7638 thumbprint of the issuer's key, the ID of its shared secret, or that of the client's secret that vouched for the user"`
	Subject string `json:"subject,omitempty" doc:"What the issuer calls the user"`
}

// Session is a session with what became of it.
type Session struct{ session.Info }

// Sessions is a page of sessions, oldest first.
type Sessions struct {
	Sessions []Session `json:"sessions" nullable:"false"`
	Next     string    `json:"next,omitempty" doc:"from of the next page; absent at the end"`
}

// SessionFilter chooses sessions. What is empty does not count.
type SessionFilter struct {
	User, Client, Issuer string
	From                 string // Next of the page before
	Limit                int    // 0 means 100
}

// SigningKey is one of our keys, without its private part.
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

// Revocation is what r says to the session store, without a time.
func (r Revocation) Parse() (exchange.Revocation, error) {
	var marks []exchange.Revocation
	for kind, id := range map[exchange.RevocationKind]string{
		exchange.RevocationSession: r.Session, exchange.RevocationUser: r.User,
		exchange.RevocationClient: r.Client, exchange.RevocationIssuer: r.Issuer,
	} {
		if id != "" {
			marks = append(marks, exchange.Revocation{Kind: kind, ID: id})
		}
	}
	narrow := r.Key != "" || r.Subject != ""
	if len(marks) != 1 || narrow && r.Issuer == "" || r.Key != "" && r.Subject != "" {
		return exchange.Revocation{}, errRevocation
	}
	switch {
	case r.Key != "":
		return exchange.Revocation{Kind: exchange.RevocationKey, ID: r.Issuer + "/" + r.Key}, nil
	case r.Subject != "":
		return exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(r.Issuer, r.Subject)}, nil
	}
	return marks[0], nil
}

var errRevocation = errors.New("want exactly one of session, user, client and issuer, and key or subject only with issuer")
