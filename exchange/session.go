package exchange

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"cambio/jwks/strictjson"
)

// Session is the immutable creation data of a session, which each refresh
// evaluates. The state of its refresh token is stored beside it.
type Session struct {
	ID       string   `json:"id"` // UUIDv7; sid in tokens
	User     string   `json:"user"`
	Client   string   `json:"client"`
	Issuer   string   `json:"issuer"` // Issuer.ID
	Subject  string   `json:"subject"`
	Proof    string   `json:"proof,omitempty"` // token type of a first-party proof
	Key      string   `json:"key"`             // issuer key that signed the proof
	Rules    []string `json:"rules,omitempty"` // conditions and scope rules that passed
	Scopes   []string `json:"scopes,omitempty"`
	Audience []string `json:"audience"`
	// Claims are the verified claims of the proof. A refresh evaluates them under
	// the rules of that day.
	Claims   map[string]any `json:"claims,omitempty"`
	AuthTime int64          `json:"authTime,omitempty"`
	ACR      string         `json:"acr,omitempty"`
	AMR      []string       `json:"amr,omitempty"`
	Actor    *Actor         `json:"actor,omitempty"`
	// ActorProof holds what an issuer's token said about the actor, by which a refresh
	// decides about it again. It is nil for users and clients of this server.
	ActorProof *ActorProof     `json:"actorProof,omitempty"`
	Details    json.RawMessage `json:"authorizationDetails,omitempty"` // RFC 9396
	JKT        string          `json:"jkt,omitempty"`                  // RFC 9449 §6
	Created    time.Time       `json:"created"`
	NotAfter   time.Time       `json:"notAfter"`
}

// AccessToken is the content of an access token of this server (RFC 9068 §2.2).
type AccessToken struct {
	Issuer   string
	User     string // sub
	Audience []string
	Client   string // client_id
	Scopes   []string
	Session  string // sid, empty if no session is stored
	ID       string // jti
	IssuedAt time.Time
	Expires  time.Time
	AuthTime int64
	ACR      string
	AMR      []string
	Actor    *Actor
	JKT      string // cnf.jkt
	Details  json.RawMessage
	// Purchase identifies the invoice of a checkout token, nil in other tokens.
	Purchase *Purchase
	// Origin is set only in tokens without a session, so that revocations of an
	// issuer, a key or a link apply to them too.
	Origin Origin
	// Order is how many revocations had been committed before the decision that it
	// comes from began, 0 if its session has that.
	Order uint64
	// Parents are the access tokens of this server that it was exchanged from, the
	// first of them first. It is revoked with each of them.
	Parents []ParentToken
	Extra   map[string]any // mapped claims
}

// ParentToken names an access token that another one was exchanged for, as that one
// carries it.
type ParentToken struct {
	ID      string `json:"jti"`
	Expires int64  `json:"exp"`
	Client  string `json:"client_id"`
	Order   uint64 `json:"seq,omitempty"`
}

// AsParent returns what tokens that t is exchanged for remember of it.
func (t *AccessToken) AsParent() ParentToken {
	return ParentToken{ID: t.ID, Expires: t.Expires.Unix(), Client: t.Client, Order: t.Order}
}

// Origin identifies the login that led to an access token or a session.
type Origin struct {
	Issuer string // Issuer.ID
	Key    string // of the issuer
	Link   string // LinkKey
}

// Tokens holds the tokens that a session issues.
type Tokens struct {
	AccessToken  string
	RefreshToken string // empty if no session is stored
	Expires      time.Time
	Repeated     bool   // a refresh issued RefreshToken before, and it is unused
	Ended        string // IDs of the sessions that ended to make room, with spaces between
}

// Revocation revokes everything of a kind that exists when it is committed: the
// sessions of a user, a client, an issuer, an issuer's key or a link.
type Revocation struct {
	Kind RevocationKind `json:"kind"`
	ID   string         `json:"id"`
	// Time is for operators. What is revoked does not follow from it: clocks are set
	// back.
	Time time.Time `json:"time"`
}

// RevocationKind is the kind of thing that a Revocation is about.
type RevocationKind string

// The kinds of revocations.
const (
	RevocationSession RevocationKind = "session"
	RevocationUser    RevocationKind = "user"
	RevocationClient  RevocationKind = "client"
	RevocationIssuer  RevocationKind = "issuer"
	RevocationKey     RevocationKind = "key" // ID is <issuer ID>/<key>
	RevocationLink    RevocationKind = "link"
)

// ActorProof is the login of an actor at an issuer.
type ActorProof struct {
	Issuer  string         `json:"issuer"` // Issuer.ID
	Subject string         `json:"subject"`
	Key     string         `json:"key"` // issuer key that signed the proof
	Claims  map[string]any `json:"claims,omitempty"`
}

// UnmarshalJSON reads a session whose claims are as they were verified: whole
// numbers are int64 and keep all their digits, and what cannot be held exactly is a
// json.Number. With the float64 of encoding/json, a rule could evaluate a refresh
// differently than the exchange.
func (s *Session) UnmarshalJSON(data []byte) error {
	type fields Session // without methods
	return json.Unmarshal(data, &struct {
		*fields
		Claims *storedClaims `json:"claims"`
	}{(*fields)(s), (*storedClaims)(&s.Claims)})
}

// UnmarshalJSON reads the claims as those of a session.
func (p *ActorProof) UnmarshalJSON(data []byte) error {
	type fields ActorProof // without methods
	return json.Unmarshal(data, &struct {
		*fields
		Claims *storedClaims `json:"claims"`
	}{(*fields)(p), (*storedClaims)(&p.Claims)})
}

type storedClaims map[string]any

func (c *storedClaims) UnmarshalJSON(text []byte) error {
	r := strictjson.New(string(text), strictjson.Options{AllowNUL: true, KeepNumbers: true})
	*c = r.Map()
	return r.End()
}

// reservedClaims are the claims of access tokens that only the server writes: the
// protocol's (RFC 7519, 7800, 8693, 9068, 9396; OpenID Connect Core) and Cambio's.
// A mapped claim of the same name would let an issuer make claims for the server.
var reservedClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ",
	"client_id", "scope", "scp", "sid", "act", "may_act", "cnf", "authorization_details",
	"auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "s_hash",
	"idp", "origin", "active", "token_type", "username", "events", "crit",
	"partner_id", "customer_id", "invoice_id",
}

// ReservedClaim reports whether name is a claim that only the server writes, in
// any case: decoders that ignore case, as encoding/json does, take one for the
// other.
func ReservedClaim(name string) bool {
	return slices.ContainsFunc(reservedClaims, func(r string) bool { return strings.EqualFold(r, name) })
}
