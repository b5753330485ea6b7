package exchange

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
