package admin

import (
	"time"

	"cambio/exchange"
)

// Users is a page of users, in the order in which they were first seen.
type Users struct {
	Users []exchange.User `json:"users" nullable:"false"`
	Next  string          `json:"next,omitempty" doc:"from of the next page; absent at the end"`
}

// UserFilter chooses users. What is empty does not count.
type UserFilter struct {
	Issuer string // only those linked to a subject of it
	From   string // Next of the page before
	Limit  int    // 0 means 100
}

// UserDetails is a user, by which logins it is known, and who was merged into
// it.
type UserDetails struct {
	User   exchange.User   `json:"user"`
	Links  []exchange.Link `json:"links" nullable:"false"`
	Merges []Merge         `json:"merges" nullable:"false" doc:"Merges that led here and can still be undone"`
}

// UserExport is everything that the store holds of a user.
type UserExport struct {
	Exported time.Time `json:"exported"`
	UserDetails
	Sessions []Session `json:"sessions" nullable:"false" doc:"With the verified claims of the proofs; those that ended until they are swept"`
}

// LinkRequest says that a subject of an issuer is a user.
type LinkRequest struct {
	User    string `json:"user"`
	Issuer  string `json:"issuer" doc:"ID of an issuer, or a namespace of a client's own users: client:ID, key:ID, mail:ID, wallet:ID"`
	Subject string `json:"subject" minLength:"1" maxLength:"255"`
}

// LinkAnswer is a link, and whether it was made just now.
type LinkAnswer struct {
	Link  exchange.Link `json:"link"`
	Added bool          `json:"added"`
}

// SubjectName names a subject of an issuer, or of a namespace of ours.
type SubjectName struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// MergeRequest says that one user is another.
type MergeRequest struct {
	From    string `json:"from" doc:"The user that goes away"`
	Into    string `json:"into" doc:"The user that gets its links"`
	Version string `json:"version,omitempty" doc:"Of the plan that was agreed to: nothing is done if anything else would happen now"`
}

// MergePlan is what a merge would do.
type MergePlan struct {
	From    exchange.User   `json:"from"`
	Into    exchange.User   `json:"into"`
	Links   []exchange.Link `json:"links" nullable:"false" doc:"Of the one, which would be the other's"`
	Version string          `json:"version"`
}

// Merge is a merge that was made and can be undone.
type Merge struct {
	ID    string        `json:"id"`
	From  exchange.User `json:"from" doc:"As it was"`
	Into  string        `json:"into"`
	Links int           `json:"links" doc:"How many links were moved"`
	Time  time.Time     `json:"time"`
	Until time.Time     `json:"until" doc:"When it cannot be undone any more, and what is kept of it goes"`
	By    string        `json:"by,omitempty"`
}

// Unmerged is what undoing a merge did.
type Unmerged struct {
	Merge    Merge           `json:"merge"`
	Restored []exchange.Link `json:"restored" nullable:"false" doc:"Links that were moved back"`
	Kept     int             `json:"kept" doc:"How many links were not the other user's any more and stayed where they are"`
	Since    []exchange.Link `json:"since" nullable:"false" doc:"Links that the other user was given after the merge: whoever comes back may have proven them, and comes in as the other user by them until they are removed"`
}

type mergeList struct {
	Merges []Merge `json:"merges" nullable:"false"`
}
