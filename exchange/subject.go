package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Subject is the subject of a verified proof. Policy sees nothing else of a token.
type Subject struct {
	Issuer string // Issuer.ID
	ID     string // as mapped from the claims
	Email  string // verified by the issuer, never used to identify
	Name   string
	Claims map[string]any // as verified
	Extra  map[string]any // mapped claims for access tokens
	Proof  Proof
	Actor  *Actor // from act, if the proof is an access token of this server
	// Parent is set if the proof is an access token of this server.
	Parent *AccessToken
	// Identities are linked to the same user, in the commit that accepts the login.
	Identities []Identity
	// MustExist refuses a subject without a user, even if the client creates users.
	MustExist bool

	link string // LinkKey, once computed
}

// LinkKey returns the key under which the subject's link is stored. Issuer and ID
// must not change after the first call, in a copy neither. It is not safe for
// concurrent use.
func (s *Subject) LinkKey() string {
	if s.link == "" {
		s.link = LinkKey(s.Issuer, s.ID)
	}
	return s.link
}

// Identity is a subject in the namespace of an issuer or of a client.
type Identity struct {
	Issuer string // Issuer.ID, or [Namespace]
	ID     string
	// FindsUser resolves the login to the user that the identity is linked to. An
	// identity without a link is linked only to a new user: it never resolves to an
	// existing one.
	FindsUser bool
	// Relink moves the identity from the user that it is linked to, or, if
	// RelinkFrom is set, only from that user.
	Relink     bool
	RelinkFrom string // User.ID
	// LinkedElsewhere is the description for the client if the identity stays linked
	// to another user; empty means that of the reason.
	LinkedElsewhere string
}

// Proof describes how a subject was authenticated.
type Proof struct {
	TokenType string    // RFC 8693 §3
	Key       string    // thumbprint of the issuer's key, or ID of its secret
	Expires   time.Time // of the subject token
	AuthTime  int64     // auth_time in seconds; 0 if the proof has none
	ACR       string
	AMR       []string
	Audience  []string
	// Replay identifies a single-use token of its issuer, whatever its spelling or
	// signature: its jti, or a hash of header.payload if it has none. The commit
	// that creates the session spends it.
	Replay string
	// ReplayEnd is when Replay may be forgotten. A jti outlives the token: no other
	// token with it, whatever its exp, is accepted until then.
	ReplayEnd time.Time
	// Challenge is the ID of the challenge that the proof responds to, if any. The
	// commit that accepts the login spends it.
	Challenge string
}

// Actor is the party that acts for the subject (RFC 8693 §4.1).
type Actor struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub"`
	Actor   *Actor `json:"act,omitempty"`
}

// User is a local account. E-mail and name are for display: those of the last
// login, never an identity.
type User struct {
	ID       string    `json:"id"`
	Email    string    `json:"email,omitempty"`
	Name     string    `json:"name,omitempty"`
	Created  time.Time `json:"created"`
	Disabled bool      `json:"disabled,omitempty"`
}

// Link links a subject of an issuer to a user. It is created at the first login,
// in one commit with the user, and never by e-mail.
type Link struct {
	Issuer  string    `json:"issuer"` // Issuer.ID
	Subject string    `json:"subject"`
	User    string    `json:"user"` // User.ID
	Created time.Time `json:"created"`
}

// LinkKey returns the key under which the link of an issuer's subject is stored.
func LinkKey(issuer, subject string) string {
	sum := sha256.Sum256(LengthPrefixed(issuer, subject))
	return hex.EncodeToString(sum[:])
}

// SubjectToken is a proof as it was presented (RFC 8693 §2.1).
type SubjectToken struct {
	Text string
	Type string // subject_token_type
	// Proof is a first-party token that was decoded already; Text is empty then.
	Proof FirstPartyProof
	// IssuerID is the ID of the issuer of a token without iss.
	IssuerID string
	// Nonce, if set, must be the token's nonce (OpenID Connect Core §2).
	Nonce string
	// Client presents the token; it is nil if the token must name it. Credential is
	// the ID of the secret or key that authenticated the client, empty if none did.
	Client     *Client
	Credential string
	// RequestID and CodeVerifier (RFC 7636 §4.5) belong to a one-time token.
	RequestID    string
	CodeVerifier string
	// Explain fills in Want and Got of every check. Otherwise checks that passed may
	// leave out what takes time to format.
	Explain bool
}
