package exchange

import (
	"encoding/json"
	"time"
)

// Session is what a grant gives birth to, and what each refresh is decided by.
// It does not change; how often its refresh token turned is kept beside it.
type Session struct {
	ID       string   `json:"id"` // UUIDv7; sid in tokens
	User     string   `json:"user"`
	Client   string   `json:"client"`
	Issuer   string   `json:"issuer"` // Issuer.ID
	Subject  string   `json:"subject"`
	Proof    string   `json:"proof,omitempty"` // token type of the proof, if it is one of ours
	Key      string   `json:"key"`             // the issuer's key that proved it
	Rules    []string `json:"rules,omitempty"` // conditions and scope rules that let it in
	Scopes   []string `json:"scopes,omitempty"`
	Audience []string `json:"audience"`
	// Claims are the verified claims of the proof: refresh judges them by the
	// rules of that day.
	Claims   map[string]any  `json:"claims,omitempty"`
	AuthTime int64           `json:"authTime,omitempty"`
	ACR      string          `json:"acr,omitempty"`
	AMR      []string        `json:"amr,omitempty"`
	Actor    *Actor          `json:"actor,omitempty"`
	Details  json.RawMessage `json:"authorizationDetails,omitempty"` // RFC 9396
	JKT      string          `json:"jkt,omitempty"`                  // RFC 9449 §6
	Created  time.Time       `json:"created"`
	NotAfter time.Time       `json:"notAfter"`
}

// AccessToken is the content of one of our access tokens (RFC 9068 §2.2).
type AccessToken struct {
	Issuer   string
	User     string // sub
	Audience []string
	Client   string // client_id
	Scopes   []string
	Session  string // sid, empty when no session is stored
	ID       string // jti
	IssuedAt time.Time
	Expires  time.Time
	AuthTime int64
	ACR      string
	AMR      []string
	Actor    *Actor
	JKT      string // cnf.jkt
	Details  json.RawMessage
	// Purchase is what a checkout token is for, nil in any other.
	Purchase *Purchase
	// Origin is what the token was born from. Only tokens without a session
	// carry it, so that what an operator removes counts for them too.
	Origin Origin
	Extra  map[string]any // mapped claims
}

// Origin is what an access token or a session was born from.
type Origin struct {
	Issuer string // Issuer.ID
	Key    string // of the issuer
	Link   string // LinkKey
}

// Tokens is what a session hands out.
type Tokens struct {
	AccessToken  string
	RefreshToken string // empty when nothing is stored
	Expires      time.Time
}

// Revocation ends everything of a kind that was born at or before a time: the
// sessions of a user, a client, an issuer, an issuer's key or a link.
type Revocation struct {
	Kind RevocationKind `json:"kind"`
	ID   string         `json:"id"`
	Time time.Time      `json:"time"`
}

// RevocationKind is what a Revocation is about.
type RevocationKind string

// The kinds of marks.
const (
	RevocationSession RevocationKind = "session"
	RevocationUser    RevocationKind = "user"
	RevocationClient  RevocationKind = "client"
	RevocationIssuer  RevocationKind = "issuer"
	RevocationKey     RevocationKind = "key" // ID is <issuer ID>/<key>
	RevocationLink    RevocationKind = "link"
)
