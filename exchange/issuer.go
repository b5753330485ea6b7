package exchange

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Issuer is the registration of an issuer whose tokens are accepted. Its zero
// values are safe: what is absent is refused.
//
// Audiences, claimMappings and claimValidationRules are named as in Kubernetes'
// structured authentication configuration.
type Issuer struct {
	// ID is part of the keys of the issuer's users, so it is never reused: an ID
	// stays bound to its first URL.
	ID string `json:"id" yaml:"id"`
	// URL is compared with the claim iss byte for byte, and may be any string (RFC
	// 7519 §2). Keys without a source are discovered below it; it is https then,
	// without query and fragment. It is empty only if the issuer's tokens have no
	// iss; requests then name the issuer by issuer_id.
	URL string `json:"url,omitempty" yaml:"url,omitempty"`
	// URLs are further values of iss, such as a former one: the users are the same.
	URLs []string `json:"urls,omitempty" yaml:"urls,omitempty"`
	// Keys is the source of its keys. Default: OIDC discovery at URL.
	Keys Keys `json:"keys,omitzero" yaml:"keys,omitempty"`
	// Algorithms are the accepted alg values (RFC 7518 §3.1). Default: RS256, ES256,
	// ES384, EdDSA and Ed25519 for public keys, HS256 for shared secrets. The two never
	// mix, because a public key is not secret.
	Algorithms []string `json:"algorithms,omitempty" yaml:"algorithms,omitempty"`
	// Audiences are the accepted aud values, exact; at least one is required.
	Audiences []string `json:"audiences" yaml:"audiences"`
	// AuthorizedParties are the azp values accepted besides the audiences.
	AuthorizedParties []string `json:"authorizedParties,omitempty" yaml:"authorizedParties,omitempty"`
	// TokenTypes are the accepted types of subject token, by the last word of their
	// identifiers (RFC 8693 §3): id_token, jwt, access_token. Default: id_token and
	// jwt.
	TokenTypes []string `json:"tokenTypes,omitempty" yaml:"tokenTypes,omitempty"`
	// HeaderTypes are values of the header typ that are accepted besides JWT and
	// none.
	HeaderTypes []string `json:"headerTypes,omitempty" yaml:"headerTypes,omitempty"`
	// AudienceClaim names the claims that hold the recipient of a token: aud, azp,
	// client_id. Those of them that a token has must each be one of Audiences, and it
	// has at least one. Default: aud. An aud that is not named is compared too.
	AudienceClaim Words `json:"audienceClaim,omitempty" yaml:"audienceClaim,omitempty"`
	// ClientIDClaim is the earlier spelling of an AudienceClaim of client_id.
	ClientIDClaim bool `json:"clientIdClaim,omitempty" yaml:"clientIdClaim,omitempty"`
	// ClockSkew is the tolerance for nbf, iat and exp. Default 60s, at most 5m.
	ClockSkew Duration `json:"clockSkew,omitzero" yaml:"clockSkew,omitempty"`
	// MaxTokenSize is the largest accepted token, in bytes: 1024 to 65536. Default
	// [DefaultMaxTokenSize].
	MaxTokenSize int `json:"maxTokenSize,omitempty" yaml:"maxTokenSize,omitempty"`
	// MaxLifetime caps exp - iat of a subject token. Default 24h, at most 720h.
	MaxLifetime Duration `json:"maxLifetime,omitzero" yaml:"maxLifetime,omitempty"`
	// SingleUse accepts each token once, by its jti or, without one, a hash of
	// header.payload. It costs a commit per exchange.
	SingleUse bool `json:"singleUse,omitempty" yaml:"singleUse,omitempty"`
	// MayAct honours the may_act claim of its tokens (RFC 8693 §4.4).
	MayAct bool `json:"mayAct,omitempty" yaml:"mayAct,omitempty"`
	// ClientByAudience attributes a request without client_id to the one client
	// whose ID is an audience of the subject token.
	ClientByAudience bool `json:"clientByAudience,omitempty" yaml:"clientByAudience,omitempty"`
	// MaxSession caps the absolute lifetime of sessions created by its tokens: 1m to
	// 8760h. Default: the client's limit.
	MaxSession Duration `json:"maxSession,omitzero" yaml:"maxSession,omitempty"`

	ClaimMappings        ClaimMappings         `json:"claimMappings,omitzero" yaml:"claimMappings,omitempty"`
	ClaimValidationRules []ClaimValidationRule `json:"claimValidationRules,omitempty" yaml:"claimValidationRules,omitempty"`
	// Scopes are granted to every subject of the issuer, those of ScopeRules on a
	// condition. Other scopes are not granted.
	Scopes     []string    `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	ScopeRules []ScopeRule `json:"scopeRules,omitempty" yaml:"scopeRules,omitempty"`
}

// Keys is a source of the keys of an issuer or a client, or several in Sources. At
// most one source is set; Anchors goes with any source of certificates.
type Keys struct {
	// Sources are several sources of an issuer, each with its own limits. A token goes
	// to those that accept its alg, so that a secret never verifies where a public key
	// is meant, nor the reverse. In YAML a list may stand for Keys with Sources alone.
	Sources []Keys `json:"sources,omitempty" yaml:"sources,omitempty"`
	// Algorithms are the alg values accepted by this one of several sources. Default:
	// as those of Issuer.
	Algorithms []string `json:"algorithms,omitempty" yaml:"algorithms,omitempty"`
	// Until is when this one of several sources ends: from then on it verifies nothing.
	// The sessions that it proved stay.
	Until time.Time `json:"until,omitzero" yaml:"until,omitempty"`

	// DiscoveryURL replaces URL + /.well-known/openid-configuration.
	DiscoveryURL string `json:"discoveryURL,omitempty" yaml:"discoveryURL,omitempty"`
	JWKSURL      string `json:"jwksURL,omitempty" yaml:"jwksURL,omitempty"`
	// CertificatesURL serves a JSON object that maps kid to PEM.
	CertificatesURL string `json:"certificatesURL,omitempty" yaml:"certificatesURL,omitempty"`
	// JWKS is an inline JSON Web Key Set (RFC 7517 §5).
	JWKS string `json:"jwks,omitempty" yaml:"jwks,omitempty"`
	// PEM holds public keys or certificates, one after the other.
	PEM string `json:"pem,omitempty" yaml:"pem,omitempty"`
	// Certificates maps kid to PEM.
	Certificates map[string]string `json:"certificates,omitempty" yaml:"certificates,omitempty"`
	// Secrets are shared HMAC secrets, at most two: during rotation both are valid.
	Secrets []SharedSecret `json:"secrets,omitempty" yaml:"secrets,omitempty"`
	// Anchors are PEM certificates that every key's x5c chain must lead to.
	Anchors string `json:"anchors,omitempty" yaml:"anchors,omitempty"`
	// PinnedSPKI are base64 SHA-256 hashes of the accepted keys' SPKI.
	PinnedSPKI []string `json:"pinnedSPKI,omitempty" yaml:"pinnedSPKI,omitempty"`
	// RevokedKeys are the thumbprints (RFC 7638) of keys that are not accepted.
	RevokedKeys []string `json:"revokedKeys,omitempty" yaml:"revokedKeys,omitempty"`
	// Uses are values of a key's use that are accepted besides sig (RFC 7517 §4.2),
	// such as the jwt-svid of SPIFFE bundles.
	Uses []string `json:"uses,omitempty" yaml:"uses,omitempty"`
	// AllowMissingKID verifies tokens without kid by every key that fits, and tokens
	// whose kid is unknown by the keys without kid.
	AllowMissingKID bool `json:"allowMissingKid,omitempty" yaml:"allowMissingKid,omitempty"`
	// AllowPrivateAddresses permits fetches from loopback and private networks, and
	// plain http there.
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty" yaml:"allowPrivateAddresses,omitempty"`
	// AllowAddresses are networks in CIDR notation that fetches may reach besides
	// public ones, private ones also by plain http.
	AllowAddresses []string `json:"allowAddresses,omitempty" yaml:"allowAddresses,omitempty"`
	// Proxy is the URL of the HTTP proxy that fetches go through. It resolves names, and
	// so decides which addresses they reach.
	Proxy string `json:"proxy,omitempty" yaml:"proxy,omitempty"`
	// CAFile is the path of PEM certificates, on the server, that those of the issuer's
	// servers must chain to, in place of the system's. It is read for each fetch.
	CAFile string `json:"caFile,omitempty" yaml:"caFile,omitempty"`
	// BearerTokenFile is the path of a token, on the server, for requests to the host
	// that is registered. It is read for each fetch.
	BearerTokenFile string `json:"bearerTokenFile,omitempty" yaml:"bearerTokenFile,omitempty"`
	// Timeout bounds one fetch, discovery included: 1s to 30s. Default 5s.
	Timeout Duration `json:"timeout,omitzero" yaml:"timeout,omitempty"`
	// MaxAge is how long fetched keys are valid: a withdrawn key is refused within
	// it. At least 30s; default and maximum 10m.
	MaxAge Duration `json:"maxAge,omitzero" yaml:"maxAge,omitempty"`
	// MaxStale is how long the last good keys are used while the issuer is down.
	// Default 1h, at most 24h.
	MaxStale Duration `json:"maxStale,omitzero" yaml:"maxStale,omitempty"`
}

// SharedSecret is an HMAC secret. The bytes of Value are the key: at least as many
// as the hash has (RFC 7518 §3.2), 32 for HS256. The server stores it as Sealed
// and never returns Value.
type SharedSecret struct {
	// ID names it in sessions and logs; required if there are two.
	ID     string `json:"id,omitempty" yaml:"id,omitempty"`
	Value  string `json:"value,omitempty" yaml:"value,omitempty"`
	Sealed []byte `json:"sealed,omitempty" yaml:"-"`
	// ValueFile is the path of a file with Value, relative to the YAML file.
	ValueFile string `json:"-" yaml:"valueFile,omitempty"`
}

// ClaimMappings maps claims to the subject. Each mapping is a claim or a CEL
// expression over claims. The claim email counts only if claims.email_verified is
// true or the text "true", which an expression that does not ask for the text sees
// as true; an expression that uses claims.email must use claims.email_verified too,
// or a rule must.
type ClaimMappings struct {
	// Subject identifies the user at the issuer: 1 to 255 bytes. Default: sub.
	Subject Mapping `json:"subject,omitzero" yaml:"subject,omitempty"`
	// Email and Name are for display and may be absent. Default: email and name.
	Email Mapping `json:"email,omitzero" yaml:"email,omitempty"`
	Name  Mapping `json:"name,omitzero" yaml:"name,omitempty"`
	// Extra are added to access tokens, at most 4 KiB. Reserved names are refused:
	// see [ReservedClaim].
	Extra []ExtraMapping `json:"extra,omitempty" yaml:"extra,omitempty"`
}

// Mapping takes a value from a claim or from an expression.
type Mapping struct {
	Claim      string `json:"claim,omitempty" yaml:"claim,omitempty"`
	Expression string `json:"expression,omitempty" yaml:"expression,omitempty"`
}

// ExtraMapping adds the claim Key to access tokens, unless its value is null or an
// empty optional.
type ExtraMapping struct {
	Key             string `json:"key" yaml:"key"`
	ValueExpression string `json:"valueExpression" yaml:"valueExpression"`
}

// Mode is the effect of a condition that fails.
type Mode string

// The modes. The default is enforce; a condition under audit is only logged.
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
	// Message is the error_description (RFC 6749 §5.2) of a refusal by the rule.
	Message string `json:"message,omitempty" yaml:"message,omitempty"`
	Mode    Mode   `json:"mode,omitempty" yaml:"mode,omitempty"`
}

// ScopeRule grants Scope to subjects for which When is true.
type ScopeRule struct {
	Scope   string `json:"scope" yaml:"scope"`
	When    string `json:"when" yaml:"when"`
	Message string `json:"message,omitempty" yaml:"message,omitempty"`
	// Mode audit grants the scope whatever the value of When, and logs it.
	Mode Mode `json:"mode,omitempty" yaml:"mode,omitempty"`
}

// AllURLs returns the values of iss that its tokens may have; none if they have no iss.
func (i *Issuer) AllURLs() []string {
	if i.URL == "" {
		return nil
	}
	return append([]string{i.URL}, i.URLs...)
}

// Accepts reports whether the issuer's tokens may be presented as tokenType, a token
// type identifier (RFC 8693 §3).
func (i *Issuer) Accepts(tokenType string) bool {
	word, known := strings.CutPrefix(tokenType, typePrefix)
	if len(i.TokenTypes) > 0 {
		return known && slices.Contains(i.TokenTypes, word)
	}
	return tokenType == TypeIDToken || tokenType == TypeJWT
}

// DefaultMaxTokenSize is the largest accepted token of an issuer that registers
// none, in bytes.
const DefaultMaxTokenSize = 16 << 10

// TokenSize returns the largest accepted token, in bytes.
func (i *Issuer) TokenSize() int { return cmp.Or(i.MaxTokenSize, DefaultMaxTokenSize) }

// AudienceClaims returns the claims that hold the recipient of a token.
func (i *Issuer) AudienceClaims() []string {
	switch {
	case len(i.AudienceClaim) > 0:
		return i.AudienceClaim
	case i.ClientIDClaim:
		return []string{"client_id"}
	}
	return []string{"aud"}
}

// Recipient returns the recipient of a token: the value of the first of AudienceClaims
// that its verified claims have.
func (i *Issuer) Recipient(claims map[string]any) []string {
	for _, name := range i.AudienceClaims() {
		switch v := claims[name].(type) {
		case string:
			return []string{v}
		case []any:
			out := make([]string, 0, len(v))
			for _, a := range v {
				if s, ok := a.(string); ok {
					out = append(out, s)
				}
			}
			return out
		}
	}
	return nil
}

// CompiledIssuer is an issuer with what was compiled from its registration.
type CompiledIssuer struct {
	Issuer *Issuer
	Rules  Rules
	Keys   KeySet
}

// Rules are the compiled mappings and conditions of an issuer. They are pure and
// safe for concurrent use; package policy implements them.
type Rules interface {
	// Map maps verified claims. A mapping that fails is a check that did not pass.
	Map(claims map[string]any) (Mapped, []Check)
	// Validate evaluates the conditions in the order of the registration.
	Validate(claims map[string]any) []Check
	// GrantsScope checks that a rule grants a scope to a subject with claims.
	GrantsScope(claims map[string]any, scope string) Check
}

// Mapped holds the results of an issuer's claim mappings.
type Mapped struct {
	Subject string
	Email   string // only if the issuer verified it
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
