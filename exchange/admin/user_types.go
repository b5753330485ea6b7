package admin

import (
	"time"

	"cambio/exchange"
	"cambio/exchange/users"
)

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
