package exchange

import "encoding/base64"

// Token type identifiers (RFC 8693 §3).
const (
	TypeAccessToken  = "urn:ietf:params:oauth:token-type:access_token"
	TypeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token"
	TypeIDToken      = "urn:ietf:params:oauth:token-type:id_token"
	TypeJWT          = "urn:ietf:params:oauth:token-type:jwt"
)

// Token type identifiers of first-party proofs, which no external issuer signs.
const (
	TypeUserAssertion   = "urn:cambio:token-type:user-assertion"   // by a backend, about its own user
	TypeOneTimeToken    = "urn:cambio:token-type:one-time-token"   // for a linked auth key
	TypeOTP             = "urn:cambio:token-type:otp"              // a mailed code
	TypeWalletSignature = "urn:cambio:token-type:wallet-signature" // over a challenge
)

// The prefixes of token type identifiers.
const (
	typePrefix       = "urn:ietf:params:oauth:token-type:"
	firstPartyPrefix = "urn:cambio:token-type:"
)

// ScopeOpenID is the scope whose grant adds an ID token (OpenID Connect Core
// §3.1.2.1).
const ScopeOpenID = "openid"

// Grant types of the token endpoint.
const (
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
	GrantRefreshToken      = "refresh_token"                                   // RFC 6749 §6
	GrantClientCredentials = "client_credentials"                              // RFC 6749 §4.4
	GrantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 §2.1
)

// AuthMethod is a client authentication method (RFC 7591 §2,
// token_endpoint_auth_method).
type AuthMethod string

// The client authentication methods.
const (
	AuthNone          AuthMethod = "none"
	AuthSecretBasic   AuthMethod = "client_secret_basic"
	AuthSecretPost    AuthMethod = "client_secret_post"
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
)

// BySecret reports whether clients authenticate by a secret that they send.
func (m AuthMethod) BySecret() bool { return m == AuthSecretBasic || m == AuthSecretPost }

// FirstPartyProof is a subject token of a type that is defined here, decoded.
// At the token endpoint such a token is base64url of a JSON object; a JSON
// endpoint reads the same members from its body.
type FirstPartyProof interface {
	// Size returns how many bytes the texts of the proof would have as base64url,
	// for the limit of subject tokens.
	Size() int
}

// UserAssertion is a confidential client's assertion about one of its own users
// ([TypeUserAssertion]).
type UserAssertion struct {
	ExternalUserID string
	Email          string
	EmailVerified  bool
	Name           string
}

// OTP is the response to a mailed code ([TypeOTP]), and perhaps to a second code,
// which was sent to the address of the user that the auth key has so far.
type OTP struct {
	EmailID, Code                 string
	PreviousEmailID, PreviousCode string // both or neither
}

// WalletSignature is the signature of a wallet over a challenge
// ([TypeWalletSignature]).
type WalletSignature struct {
	ChallengeID   string
	WalletAddress string
	WalletType    string // EVM, SOLANA or XRPL; empty: that of the challenge
	Signature     string
	PublicKey     string // empty where the signature or the address has it
}

// Size implements [FirstPartyProof].
func (a UserAssertion) Size() int { return encodedSize(a.ExternalUserID, a.Email, a.Name) }

// Size implements [FirstPartyProof].
func (o OTP) Size() int {
	return encodedSize(o.EmailID, o.Code, o.PreviousEmailID, o.PreviousCode)
}

// Size implements [FirstPartyProof].
func (w WalletSignature) Size() int {
	return encodedSize(w.ChallengeID, w.WalletAddress, w.WalletType, w.Signature, w.PublicKey)
}

func encodedSize(texts ...string) int {
	n := 0
	for _, t := range texts {
		n += len(t)
	}
	return base64.RawURLEncoding.EncodedLen(n)
}
