package exchange

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Client is a registered client. What it may do is listed; what is not listed is
// refused.
type Client struct {
	// ID is part of the keys of the client's own users: a new client that reuses a
	// removed client's ID inherits its users.
	ID   string `json:"id" yaml:"id"`
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// Auth is the client authentication method. Default none: a public client.
	Auth AuthMethod `json:"auth,omitempty" yaml:"auth,omitempty"`
	// Secrets are stored as MACs; at most two are valid.
	Secrets []ClientSecret `json:"secrets,omitempty" yaml:"-"`
	// Keys verify its private_key_jwt assertions (RFC 7523 §2.2).
	Keys *Keys `json:"keys,omitempty" yaml:"keys,omitempty"`
	// Origins are the browser origins that may call as this client: exact, or with a
	// wildcard for one label, https://*.preview.example.com.
	Origins []string `json:"origins,omitempty" yaml:"origins,omitempty"`
	// Grants are the grant types it may use. Default: token exchange, and
	// refresh_token if RefreshTokens is set.
	Grants []string `json:"grants,omitempty" yaml:"grants,omitempty"`
	// Issuers are the IDs of the issuers whose tokens it may present.
	Issuers []string `json:"issuers,omitempty" yaml:"issuers,omitempty"`
	// SubjectAudiences are the audiences that mark an issuer's token as meant for
	// this client: a token must have one of them. Default: any audience of the
	// issuer. Set it if several clients share an issuer; otherwise a token for one
	// client's app is accepted from another client.
	SubjectAudiences []string `json:"subjectAudiences,omitempty" yaml:"subjectAudiences,omitempty"`
	// Scopes lists what the client may request. DefaultScopes are granted to a
	// request without scope, as far as the issuer's rules permit.
	Scopes        []string `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	DefaultScopes []string `json:"defaultScopes,omitempty" yaml:"defaultScopes,omitempty"`
	// Audiences are the targets it may request by audience or resource. The first
	// is the default. At least one is required (RFC 9068 §2.2).
	Audiences []string `json:"audiences" yaml:"audiences"`
	// RefreshTokens makes its sessions refreshable. Otherwise no session is stored.
	RefreshTokens bool `json:"refreshTokens,omitempty" yaml:"refreshTokens,omitempty"`
	// Proofs are the first-party proofs it may present, by the last word of their
	// token type identifiers: user-assertion, one-time-token, otp,
	// wallet-signature. Users authenticated by one are in the client's own namespace.
	Proofs []string `json:"proofs,omitempty" yaml:"proofs,omitempty"`
	// AsIssuer is one of Issuers. The client's user assertions are then about the
	// users of that issuer: externalUserId is the subject there.
	AsIssuer string `json:"asIssuer,omitempty" yaml:"asIssuer,omitempty"`
	// SecretAddresses are the networks, in CIDR notation, from which its secret is
	// accepted. Default: any.
	SecretAddresses []string `json:"secretAddresses,omitempty" yaml:"secretAddresses,omitempty"`
	// PageRefresh lets pages at Origins refresh and log out sessions that a
	// confidential client created for them, without the client's secret. The
	// refresh token is then the only credential, as with a public client.
	PageRefresh bool `json:"pageRefresh,omitempty" yaml:"pageRefresh,omitempty"`
	// AuthKeys lets its users log in by a key that the client stores for each.
	AuthKeys *AuthKeys `json:"authKeys,omitempty" yaml:"authKeys,omitempty"`
	// Wallets lets its users log in by a blockchain account.
	Wallets *Wallets `json:"wallets,omitempty" yaml:"wallets,omitempty"`
	// Checkout lets it create tokens for one customer and one invoice.
	Checkout *Checkout `json:"checkout,omitempty" yaml:"checkout,omitempty"`
	// DetailTypes are the types of authorization_details that it may request (RFC
	// 9396 §2.1): checkout, or a registered type.
	DetailTypes []string `json:"detailTypes,omitempty" yaml:"detailTypes,omitempty"`
	// AutoCreate false refuses subjects that have no user yet. Default true.
	AutoCreate *bool `json:"autoCreate,omitempty" yaml:"autoCreate,omitempty"`
	// ExchangeOwnTokens lets it narrow access tokens of this server.
	ExchangeOwnTokens bool `json:"exchangeOwnTokens,omitempty" yaml:"exchangeOwnTokens,omitempty"`
	// Delegate lets it send an actor_token (RFC 8693 §1.1).
	Delegate bool `json:"delegate,omitempty" yaml:"delegate,omitempty"`
	// AccessTokenLifetime is 1m to 60m, default 15m.
	AccessTokenLifetime Duration `json:"accessTokenLifetime,omitzero" yaml:"accessTokenLifetime,omitempty"`
	// IDTokenAlgorithm is that of the ID tokens it gets: ES256, RS256 or EdDSA.
	// Default: that of access tokens.
	IDTokenAlgorithm string `json:"idTokenAlgorithm,omitempty" yaml:"idTokenAlgorithm,omitempty"`
	// RefreshIdle and RefreshAbsolute limit sessions. Defaults 720h and 2160h.
	RefreshIdle     Duration `json:"refreshIdle,omitzero" yaml:"refreshIdle,omitempty"`
	RefreshAbsolute Duration `json:"refreshAbsolute,omitzero" yaml:"refreshAbsolute,omitempty"`
	// RefreshGrace is how long a used refresh token yields its unused successor
	// again, up to 24h: its client may have lost the response. Default DefaultGrace.
	RefreshGrace Duration `json:"refreshGrace,omitzero" yaml:"refreshGrace,omitempty"`
	// MaxSessionsPerUser is how many active sessions a user may have at the client, up
	// to 1000: with one more, the oldest ends. Default DefaultMaxSessions.
	MaxSessionsPerUser int `json:"maxSessionsPerUser,omitzero" yaml:"maxSessionsPerUser,omitempty"`
}

// DefaultMaxSessions and MaxMaxSessions are the default and the limit of
// [Client.MaxSessionsPerUser].
const (
	DefaultMaxSessions = 100
	MaxMaxSessions     = 1000
)

// DefaultGrace and MaxGrace are the default and the limit of
// [Client.RefreshGrace].
const (
	DefaultGrace = time.Minute
	MaxGrace     = 24 * time.Hour
)

// ClientSecret is a stored client secret.
type ClientSecret struct {
	ID      string    `json:"id"`
	MAC     []byte    `json:"mac,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // set when a newer secret replaces it
	// LastUsed is the last time the client authenticated by it, zero if never. It
	// is stored separately and is set here only when a client is shown.
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

// CompiledClient is a client with what was compiled from its registration.
type CompiledClient struct {
	Client *Client
	// Keys verify its assertions; nil unless it authenticates by private_key_jwt.
	Keys KeySet
	// SecretNetworks are its SecretAddresses.
	SecretNetworks []netip.Prefix
	// Signers verify the signatures of its requests; see [AuthKeys].
	Signers []*rsa.PublicKey
	// WebhookSecret signs requests to its webhook; see [Checkout].
	WebhookSecret []byte
}

// WithClient returns a copy of p with another registration, from which the same
// was compiled.
func (p *CompiledClient) WithClient(c *Client) *CompiledClient {
	q := *p
	q.Client = c
	return &q
}

// AcceptsSecretFrom reports whether the client's secret is accepted from an
// address.
func (p *CompiledClient) AcceptsSecretFrom(addr netip.Addr) bool {
	addr = addr.WithZone("") // networks have no zone
	return len(p.SecretNetworks) == 0 ||
		slices.ContainsFunc(p.SecretNetworks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// Public reports whether the client cannot keep a secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.Auth == AuthNone || c.Auth == "" }

// CreatesUsers reports whether the first login of a subject at this client creates
// a user.
func (c *Client) CreatesUsers() bool { return c.AutoCreate == nil || *c.AutoCreate }

// AccessLifetime returns the lifetime of its access tokens.
func (c *Client) AccessLifetime() time.Duration {
	return c.AccessTokenLifetime.Or(15 * time.Minute)
}

// Idle returns how long a session stays active without a refresh.
func (c *Client) Idle() time.Duration { return c.RefreshIdle.Or(30 * 24 * time.Hour) }

// Absolute returns the longest lifetime of a session.
func (c *Client) Absolute() time.Duration { return c.RefreshAbsolute.Or(90 * 24 * time.Hour) }

// Grace returns how long a used refresh token yields its unused successor again.
func (c *Client) Grace() time.Duration { return c.RefreshGrace.Or(DefaultGrace) }

// MaxSessions returns how many active sessions a user may have at the client.
func (c *Client) MaxSessions() int { return cmp.Or(c.MaxSessionsPerUser, DefaultMaxSessions) }

// MayUse reports whether the client may use a grant type.
func (c *Client) MayUse(grant string) bool {
	if len(c.Grants) > 0 {
		return slices.Contains(c.Grants, grant)
	}
	return grant == GrantTokenExchange || grant == GrantRefreshToken && c.RefreshTokens
}

// MayPresent reports whether the client may present first-party proofs of a token
// type.
func (c *Client) MayPresent(tokenType string) bool {
	word, ok := strings.CutPrefix(tokenType, firstPartyPrefix)
	return ok && slices.Contains(c.Proofs, word)
}

// Namespace returns the namespace of the users that the client's proofs of a token
// type authenticate.
func (c *Client) Namespace(tokenType string) string {
	if tokenType == TypeUserAssertion && c.AsIssuer != "" {
		return c.AsIssuer
	}
	return Namespace(tokenType, c.ID)
}

// PageMayRefresh reports whether a page at an origin may refresh and log out the
// sessions of a confidential client by the refresh token alone. The sessions of a
// public client can be refreshed by any caller that is not a foreign page.
func (c *Client) PageMayRefresh(origin string) bool {
	return c.PageRefresh && origin != "" && c.AllowsOrigin(origin)
}

// AuthKeys configures logins by auth key and how a client signs the requests that
// begin them.
type AuthKeys struct {
	// SigningKeys are 1 to 4 RSA public keys in PEM, one after the other, of 2048
	// bits or more: each request has an RSASSA-PSS signature by one of them.
	// Removing a key invalidates the codes and one-time tokens that its requests
	// led to. Sessions stay active until cambio session revoke --issuer
	// key:<client> --key <ID> revokes them; audit events show the ID, see [KeyID].
	SigningKeys string `json:"signingKeys" yaml:"signingKeys"`
	// Strict refuses requests without a time, or with a time more than 5 minutes
	// ago. Otherwise an intercepted request without a time can be replayed once its
	// signature is no longer remembered, after a day.
	Strict bool `json:"strict,omitempty" yaml:"strict,omitempty"`
}

// Limits of the keys that sign a client's requests.
const (
	minSignerBits = 2048
	maxSignerBits = 8192
	maxSigners    = 4
)

// Signers returns the keys in SigningKeys. An error names the key that is wrong.
func (k *AuthKeys) Signers() ([]*rsa.PublicKey, error) {
	var keys []*rsa.PublicKey
	rest := []byte(k.SigningKeys)
	for n := 1; strings.TrimSpace(string(rest)) != ""; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("has no PEM block after %d keys", n-1)
		}
		key, err := parseSigner(block)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", n, err)
		}
		if slices.ContainsFunc(keys, func(other *rsa.PublicKey) bool { return other.Equal(key) }) {
			return nil, fmt.Errorf("key %d is there twice", n)
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("is missing; write the public half of a key that is made with: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072")
	case len(keys) > maxSigners:
		return nil, fmt.Errorf("has %d keys; at most %d are allowed", len(keys), maxSigners)
	}
	return keys, nil
}

func parseSigner(block *pem.Block) (*rsa.PublicKey, error) {
	var parsed any
	var err error
	switch {
	case block.Type == "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("is a private key, which only the client may have; make another, and write its public half")
	default:
		return nil, fmt.Errorf("is of type %s; write a PUBLIC KEY", Quote(block.Type))
	}
	if err != nil {
		return nil, errors.New("cannot be read as a public key")
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("is not an RSA key; RSASSA-PSS needs one")
	}
	if bits := key.N.BitLen(); bits < minSignerBits || bits > maxSignerBits || key.E != 65537 {
		return nil, fmt.Errorf("has %d bits and exponent %d; want %d to %d bits and 65537", bits, key.E, minSignerBits, maxSignerBits)
	}
	return key, nil
}

// Has reports whether the key with an ID is in SigningKeys.
func (k *AuthKeys) Has(id string) bool {
	keys, err := k.Signers()
	return err == nil && slices.ContainsFunc(keys, func(key *rsa.PublicKey) bool { return KeyID(key) == id })
}

// KeyID returns the name of a public key in audit events: the SHA-256 of its
// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in base64url.
func KeyID(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
