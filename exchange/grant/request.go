package grant

import (
	"encoding/json"
	"time"

	"cambio/exchange"
)

// Request is a token request (RFC 6749 §3.2, RFC 8693 §2.1), parsed once.
type Request struct {
	GrantType string
	// CompiledClient is the authenticated client, or one that what the request brings
	// names: a public client, or that of a client session. It is nil when the
	// request names none; only token exchange can then find one, by the subject
	// token's audience.
	Client *exchange.CompiledClient
	// ID is the request's in answers and in the audit log.
	ID string
	// Credential says which of the client's secrets or keys authenticated it,
	// empty if none did.
	Credential string
	// Origin is the browser origin of the request, empty outside browsers. It
	// is needed here only when the client is found by audience.
	Origin string

	SubjectToken     string
	SubjectTokenType string
	// SubjectProof is a first-party subject token that was decoded already; then
	// SubjectToken is empty.
	SubjectProof       exchange.FirstPartyProof
	ActorToken         string
	ActorTokenType     string
	RequestedTokenType string
	Scopes             []string
	Audiences          []string        // audience
	Resources          []string        // resource (RFC 8707)
	Details            json.RawMessage // authorization_details (RFC 9396)
	IssuerID           string          // names the issuer when the token has no iss
	Nonce              string
	RequestID          string // of a one-time token
	CodeVerifier       string // of a one-time token (RFC 7636 §4.5)
	RefreshToken       string
	Assertion          string // RFC 7523 §2.1
	// MaxLifetime shortens the life of a checkout token; 0 means not.
	MaxLifetime time.Duration

	// Trail is what the grant learns on its way, for the audit event; it is
	// filled whether the request succeeds or not.
	Trail Trail
}

// Trail is what a decision was about and what led to it.
type Trail struct {
	Client  string // Client.ID
	Issuer  string // Issuer.ID
	Subject string
	User    string
	Session string
	Key     string   // the issuer's key
	Rules   []string // conditions that let it in
	// Purchase is what a checkout token is asked for, nil in any other request.
	Purchase *exchange.Purchase
	Scopes   []string
	Checks   []exchange.Check
}

// Response is a successful answer (RFC 6749 §5.1, RFC 8693 §2.2.1).
type Response struct {
	AccessToken     string
	IssuedTokenType string // empty except for token exchange
	TokenType       string // Bearer or N_A
	ExpiresIn       time.Duration
	Scopes          []string
	RefreshToken    string
	IDToken         string
	Details         json.RawMessage
	Session         string
	User            *User // nil when there is none
}

// User is who the tokens speak of.
type User struct {
	ID    string
	Email string
	IsNew bool // made by this request
}
