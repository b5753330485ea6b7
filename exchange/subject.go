package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Subject is who a proof speaks of, and how that was proven. Policy sees
// nothing of a token but this.
type Subject struct {
	Issuer string // Issuer.ID
	ID     string // what the issuer's mapping made of its claims
	Email  string // verified by the issuer, never used to identify
	Name   string
	Claims map[string]any // as verified
	Extra  map[string]any // mapped claims for our tokens
	Proof  Proof
	Actor  *Actor // from our own token's act, when that is the proof
	// Parent is set when the proof is one of our own access tokens.
	Parent *AccessToken
	// Identities are identities that the proof links to the same user, in the commit
	// that lets the subject in.
	Identities []Identity
	// MustExist lets in only who has a user already, whatever the client creates.
	MustExist bool

	link string // LinkKey, once somebody asked
}

// LinkKey is where the subject's link is kept. Issuer and ID may not change once
// it was asked for, in a copy neither; it is not for concurrent use.
func (s *Subject) LinkKey() string {
	if s.link == "" {
		s.link = LinkKey(s.Issuer, s.ID)
	}
	return s.link
}

// Identity is who somebody is in a namespace: that of an issuer, or one of ours.
type Identity struct {
	Issuer string // Issuer.ID, or [Namespace]
	ID     string
	// FindsUser says that the identity may find the user, and not only be linked to
	// the one whom the subject is. It is linked to a new user alone: who bears a
	// name that nobody has yet is nobody who is known already.
	FindsUser bool
	// Relink takes the identity from whomever it is linked to, or, if RelinkFrom is
	// set, from that user and from no other.
	Relink     bool
	RelinkFrom string // User.ID
	// LinkedElsewhere is what the client is told if the identity is linked to another
	// user and stays there; empty means the reason's own.
	LinkedElsewhere string
}

// Proof is how a subject was proven.
type Proof struct {
	TokenType string    // RFC 8693 §3
	Key       string    // thumbprint of the issuer's key, or ID of its secret
	Expires   time.Time // of the subject token
	AuthTime  int64     // auth_time, seconds; 0 when the proof does not say
	ACR       string
	AMR       []string
	Audience  []string
	// Replay identifies the token among those of its issuer, whatever its
	// spelling or signature: its jti, else a hash of header.payload. It is set
	// only where a token counts once, and spent in the commit that makes the
	// session.
	Replay string
	// Challenge names what we handed out for this proof, empty if nothing. It is
	// spent in the commit that makes use of it.
	Challenge string
}

// Actor is who acts for the subject (RFC 8693 §4.1).
type Actor struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub"`
	Actor   *Actor `json:"act,omitempty"`
}

// User is somebody known here. E-mail and name are for display: what they
// were at the last look, never an identity.
type User struct {
	ID       string    `json:"id"`
	Email    string    `json:"email,omitempty"`
	Name     string    `json:"name,omitempty"`
	Created  time.Time `json:"created"`
	Disabled bool      `json:"disabled,omitempty"`
}

// Link says that a subject of an issuer is a user. It is made on first sight,
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
	// IssuerID names the issuer of a token that does not say it itself.
	IssuerID string
	// Nonce, if any, is what the token must repeat (OpenID Connect Core §2).
	Nonce string
	// Client brings it, nil where the token has to name it, and Credential says
	// which of its secrets or keys authenticated it, empty if none did.
	Client     *Client
	Credential string
	// RequestID and CodeVerifier (RFC 7636 §4.5) belong to a one-time token.
	RequestID    string
	CodeVerifier string
	// Explain asks for what every check wanted and got. Without it those that
	// passed may leave out what it takes time to write.
	Explain bool
}
