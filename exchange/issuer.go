package exchange

import (
	"strings"
)

// Issuer is what an operator registered about a party whose tokens are
// accepted. Its zero values are sound: what is absent is refused, not allowed.
//
// The vocabulary of audiences, claimMappings and claimValidationRules is that
// of Kubernetes' structured authentication configuration.
type Issuer struct {
	// ID names the issuer here and is part of every user's key, so it is never
	// recycled: an ID once bound to a URL stays bound to it.
	ID string `json:"id" yaml:"id"`
	// URL is compared with the iss claim byte for byte: https, without query
	// and fragment (OpenID Connect Core §2). Empty only for an issuer whose
	// tokens have no iss; requests then name it by issuer_id.
	URL string `json:"url,omitempty" yaml:"url,omitempty"`
	// Keys says where its keys come from. Absent: OIDC discovery at URL.
	Keys Keys `json:"keys,omitzero" yaml:"keys,omitempty"`
	// Algorithms are the accepted alg values (RFC 7518 §3.1). Default: RS256,
	// ES256 and EdDSA for public keys, HS256 for shared secrets. The two never
	// mix: a public key is no secret.
	Algorithms []string `json:"algorithms,omitempty" yaml:"algorithms,omitempty"`
	// Audiences are the accepted aud values, exact; at least one is required.
	Audiences []string `json:"audiences" yaml:"audiences"`
	// AuthorizedParties are the azp values accepted besides the audiences.
	AuthorizedParties []string `json:"authorizedParties,omitempty" yaml:"authorizedParties,omitempty"`
	// TokenTypes are the accepted kinds of subject token, by the last word of
	// their RFC 8693 §3 identifiers: id_token, jwt, access_token. Default:
	// id_token and jwt; access_token must be named here to be accepted.
	TokenTypes []string `json:"tokenTypes,omitempty" yaml:"tokenTypes,omitempty"`
	// HeaderTypes are typ header values accepted besides JWT and none.
	HeaderTypes []string `json:"headerTypes,omitempty" yaml:"headerTypes,omitempty"`
	// ClientIDClaim must equal one of the audiences when the tokens say whom
	// they are for in client_id instead of aud.
	ClientIDClaim bool `json:"clientIdClaim,omitempty" yaml:"clientIdClaim,omitempty"`
	// ClockSkew is the tolerance for nbf, iat and exp. Default 60s, at most 5m.
	ClockSkew Duration `json:"clockSkew,omitzero" yaml:"clockSkew,omitempty"`
	// MaxLifetime caps exp - iat of a subject token. Default 24h, at most 720h.
	MaxLifetime Duration `json:"maxLifetime,omitzero" yaml:"maxLifetime,omitempty"`
	// SingleUse accepts each token once: by jti, else by a hash of
	// header.payload. It costs a commit per exchange.
	SingleUse bool `json:"singleUse,omitempty" yaml:"singleUse,omitempty"`
	// MayAct honours the may_act claim of its tokens (RFC 8693 §4.4).
	MayAct bool `json:"mayAct,omitempty" yaml:"mayAct,omitempty"`
	// ClientByAudience lets a request without client_id be that of the one
	// client whose ID is an audience of the subject token.
	ClientByAudience bool `json:"clientByAudience,omitempty" yaml:"clientByAudience,omitempty"`
	// MaxSession caps the absolute lifetime of sessions born from its tokens:
	// 1m to 8760h, default the client's own limit.
	MaxSession Duration `json:"maxSession,omitzero" yaml:"maxSession,omitempty"`

	ClaimMappings        ClaimMappings         `json:"claimMappings,omitzero" yaml:"claimMappings,omitempty"`
	ClaimValidationRules []ClaimValidationRule `json:"claimValidationRules,omitempty" yaml:"claimValidationRules,omitempty"`
	// Scopes are given to every subject of the issuer, ScopeRules on condition.
	// A scope in neither is not given.
	Scopes     []string    `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	ScopeRules []ScopeRule `json:"scopeRules,omitempty" yaml:"scopeRules,omitempty"`
}

// Keys is a source of somebody else's keys. At most one of the sources is
// set; Anchors goes with any source of certificates.
type Keys struct {
	// DiscoveryURL replaces URL + /.well-known/openid-configuration.
	DiscoveryURL string `json:"discoveryURL,omitempty" yaml:"discoveryURL,omitempty"`
	JWKSURL      string `json:"jwksURL,omitempty" yaml:"jwksURL,omitempty"`
	// CertificatesURL serves a JSON object of kid → PEM.
	CertificatesURL string `json:"certificatesURL,omitempty" yaml:"certificatesURL,omitempty"`
	// JWKS is an inline JSON Web Key Set (RFC 7517 §5).
	JWKS string `json:"jwks,omitempty" yaml:"jwks,omitempty"`
	// PEM holds public keys or certificates, one after the other.
	PEM string `json:"pem,omitempty" yaml:"pem,omitempty"`
	// Certificates is kid → PEM.
	Certificates map[string]string `json:"certificates,omitempty" yaml:"certificates,omitempty"`
	// Secrets are shared HMAC secrets; two may be live while one is rotated.
	Secrets []SharedSecret `json:"secrets,omitempty" yaml:"secrets,omitempty"`
	// Anchors are PEM certificates that every key's x5c chain must lead to.
	Anchors string `json:"anchors,omitempty" yaml:"anchors,omitempty"`
	// PinnedSPKI are base64 SHA-256 hashes of the accepted keys' SPKI.
	PinnedSPKI []string `json:"pinnedSPKI,omitempty" yaml:"pinnedSPKI,omitempty"`
	// RevokedKeys are thumbprints (RFC 7638) that no longer count.
	RevokedKeys []string `json:"revokedKeys,omitempty" yaml:"revokedKeys,omitempty"`
	// AllowMissingKID tries tokens without kid against all fitting keys.
	AllowMissingKID bool `json:"allowMissingKid,omitempty" yaml:"allowMissingKid,omitempty"`
	// AllowPrivateAddresses lets fetches reach loopback and private networks,
	// and use plain http there.
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty" yaml:"allowPrivateAddresses,omitempty"`
	// MaxAge is how long fetched keys count; withdrawn keys stop within it.
	// At least 30s; default and maximum 10m.
	MaxAge Duration `json:"maxAge,omitzero" yaml:"maxAge,omitempty"`
	// MaxStale is how long last-good keys count while the issuer is down.
	// Default 1h, at most 24h.
	MaxStale Duration `json:"maxStale,omitzero" yaml:"maxStale,omitempty"`
}

// SharedSecret is an HMAC secret. It is written as Value, whose bytes are the
// key: at least as many as the hash has (RFC 7518 §3.2), 32 for HS256. It is
// kept as Sealed; Value never leaves the server again.
type SharedSecret struct {
	// ID names it in sessions and logs; needed while two are live.
	ID     string `json:"id,omitempty" yaml:"id,omitempty"`
	Value  string `json:"value,omitempty" yaml:"value,omitempty"`
	Sealed []byte `json:"sealed,omitempty" yaml:"-"`
	// ValueFile is read into Value by whoever reads the YAML, relative to it.
	ValueFile string `json:"-" yaml:"valueFile,omitempty"`
}

// ClaimMappings says which claims make up the subject. Each is either a claim
// or a CEL expression over claims. The claim email counts only while
// claims.email_verified is true, and an expression that uses claims.email must
// use claims.email_verified too, or a rule must.
type ClaimMappings struct {
	// Subject is who it is at the issuer: 1 to 255 bytes. Default: claim sub.
	Subject Mapping `json:"subject,omitzero" yaml:"subject,omitempty"`
	// Email and Name are for display and may be absent. Default: the claims
	// email and name.
	Email Mapping `json:"email,omitzero" yaml:"email,omitempty"`
	Name  Mapping `json:"name,omitzero" yaml:"name,omitempty"`
	// Extra become claims of our access tokens, 4 KiB of them at most. FindsUser
	// that are taken are refused: see [ReservedClaim].
	Extra []ExtraMapping `json:"extra,omitempty" yaml:"extra,omitempty"`
}

// Mapping takes a value from a claim or from an expression, never both.
type Mapping struct {
	Claim      string `json:"claim,omitempty" yaml:"claim,omitempty"`
	Expression string `json:"expression,omitempty" yaml:"expression,omitempty"`
}

// ExtraMapping adds the claim Key to our access tokens, unless its value is
// null or an empty optional.
type ExtraMapping struct {
	Key             string `json:"key" yaml:"key"`
	ValueExpression string `json:"valueExpression" yaml:"valueExpression"`
}

// Mode says what a condition does when it fails.
type Mode string

// A condition enforces unless it says audit; then it is evaluated and logged.
const (
	ModeEnforce Mode = "enforce"
	ModeAudit   Mode = "audit"
)

// ClaimValidationRule must hold for a subject to be accepted: Claim must be
// the string RequiredValue, or Expression must be true.
type ClaimValidationRule struct {
	// Name identifies the rule in logs. Default: the claim or the expression.
	Name          string `json:"name,omitempty" yaml:"name,omitempty"`
	Claim         string `json:"claim,omitempty" yaml:"claim,omitempty"`
	RequiredValue string `json:"requiredValue,omitempty" yaml:"requiredValue,omitempty"`
	Expression    string `json:"expression,omitempty" yaml:"expression,omitempty"`
	// Message is told to the caller when the rule refuses, as an
	// error_description (RFC 6749 §5.2).
	Message string `json:"message,omitempty" yaml:"message,omitempty"`
	Mode    Mode   `json:"mode,omitempty" yaml:"mode,omitempty"`
}

// ScopeRule gives Scope to subjects for whom When is true.
type ScopeRule struct {
	Scope   string `json:"scope" yaml:"scope"`
	When    string `json:"when" yaml:"when"`
	Message string `json:"message,omitempty" yaml:"message,omitempty"`
	// Mode audit gives the scope whatever When says, and logs it.
	Mode Mode `json:"mode,omitempty" yaml:"mode,omitempty"`
}

// Accepts says whether the issuer's tokens may come as tokenType, a token type
// identifier (RFC 8693 §3).
func (i *Issuer) Accepts(tokenType string) bool {
	word, known := strings.CutPrefix(tokenType, typePrefix)
	if len(i.TokenTypes) > 0 {
		return known && contains(i.TokenTypes, word)
	}
	return tokenType == TypeIDToken || tokenType == TypeJWT
}

// CompiledIssuer is an issuer made ready: its registration and what was compiled of it.
type CompiledIssuer struct {
	Issuer *Issuer
	Rules  Rules
	Keys   KeySet
}

// Rules are an issuer's mappings and conditions, compiled. They are pure and
// safe for concurrent use; package policy makes them.
type Rules interface {
	// Map answers what the mappings make of verified claims. A mapping that
	// fails is a check that did not pass.
	Map(claims map[string]any) (Mapped, []Check)
	// Validate runs the conditions in the order they were written.
	Validate(claims map[string]any) []Check
	// GrantsScope says whether a rule gives scope to the bearer of claims.
	GrantsScope(claims map[string]any, scope string) Check
}

// Mapped is what an issuer's claim mappings made of a token's claims.
type Mapped struct {
	Subject string
	Email   string // only when the issuer says it is verified
	Name    string
	Extra   map[string]any
}

// KeySet is the keys that an issuer or a client signs with. Package jwks has
// them, and package subject verifies tokens with them.
type KeySet interface {
	// Revoked reports whether the operator revoked a key, given by its RFC 7638
	// thumbprint or the ID of a shared secret. A key that the issuer merely
	// stopped publishing was not revoked.
	Revoked(key string) bool
	// Close ends background fetches.
	Close()
}
