package exchange

import "time"

// Client is a registered caller. What it may do is listed; what is not listed
// is refused.
type Client struct {
	ID   string `json:"id" yaml:"id"`
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// Auth is how it authenticates. Default none: a public client.
	Auth AuthMethod `json:"auth,omitempty" yaml:"auth,omitempty"`
	// Secrets are kept as MACs; at most two are live.
	Secrets []ClientSecret `json:"secrets,omitempty" yaml:"-"`
	// Keys verify its private_key_jwt assertions (RFC 7523 §2.2).
	Keys *Keys `json:"keys,omitempty" yaml:"keys,omitempty"`
	// Origins are the browser origins it may be called from, exact.
	Origins []string `json:"origins,omitempty" yaml:"origins,omitempty"`
	// Grants are the grant types it may use. Default: token exchange, and
	// refresh_token when RefreshTokens is set.
	Grants []string `json:"grants,omitempty" yaml:"grants,omitempty"`
	// Issuers are the IDs of the issuers whose tokens it may bring.
	Issuers []string `json:"issuers,omitempty" yaml:"issuers,omitempty"`
	// Scopes are those it may ask for; DefaultScopes are what it gets, as far
	// as the issuer's rules give them, when it asks for none.
	Scopes        []string `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	DefaultScopes []string `json:"defaultScopes,omitempty" yaml:"defaultScopes,omitempty"`
	// Audiences are the targets it may ask for by audience or resource. The
	// first is the default. At least one is required (RFC 9068 §2.2).
	Audiences []string `json:"audiences" yaml:"audiences"`
	// RefreshTokens gives it sessions that last; without, nothing is stored.
	RefreshTokens bool `json:"refreshTokens,omitempty" yaml:"refreshTokens,omitempty"`
	// AutoCreate false refuses subjects that have no user yet. Default true.
	AutoCreate *bool `json:"autoCreate,omitempty" yaml:"autoCreate,omitempty"`
	// ExchangeOwnTokens lets it narrow our own access tokens.
	ExchangeOwnTokens bool `json:"exchangeOwnTokens,omitempty" yaml:"exchangeOwnTokens,omitempty"`
	// Delegate lets it send an actor_token (RFC 8693 §1.1).
	Delegate bool `json:"delegate,omitempty" yaml:"delegate,omitempty"`
	// AccessTokenLifetime is 1m to 60m, default 15m.
	AccessTokenLifetime Duration `json:"accessTokenLifetime,omitzero" yaml:"accessTokenLifetime,omitempty"`
	// RefreshIdle and RefreshAbsolute end sessions. Defaults 720h and 2160h.
	RefreshIdle     Duration `json:"refreshIdle,omitzero" yaml:"refreshIdle,omitempty"`
	RefreshAbsolute Duration `json:"refreshAbsolute,omitzero" yaml:"refreshAbsolute,omitempty"`
}

// ClientSecret is a client's secret as it is kept.
type ClientSecret struct {
	ID      string    `json:"id"`
	MAC     []byte    `json:"mac,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // set when a newer one replaced it
}

// Party is a client made ready: its registration and its keys, which are nil
// unless it authenticates by private_key_jwt.
type Party struct {
	Client *Client
	Keys   KeySet
}

// Public says whether the client cannot keep a secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.Auth == AuthNone || c.Auth == "" }

// CreatesUsers says whether a subject seen first at this client becomes a user.
func (c *Client) CreatesUsers() bool { return c.AutoCreate == nil || *c.AutoCreate }

// AccessLifetime is how long its access tokens live.
func (c *Client) AccessLifetime() time.Duration {
	return c.AccessTokenLifetime.Or(15 * time.Minute)
}

// Idle is how long one of its sessions lives without a refresh.
func (c *Client) Idle() time.Duration { return c.RefreshIdle.Or(30 * 24 * time.Hour) }

// Absolute is how long one of its sessions lives at most.
func (c *Client) Absolute() time.Duration { return c.RefreshAbsolute.Or(90 * 24 * time.Hour) }

// MayUse says whether the client may use a grant type.
func (c *Client) MayUse(grant string) bool {
	if len(c.Grants) > 0 {
		return contains(c.Grants, grant)
	}
	return grant == GrantTokenExchange || grant == GrantRefreshToken && c.RefreshTokens
}

// AllowsOrigin says whether a browser page of origin may call as this client.
// An empty origin is no browser: the check protects a browser's user from
// other sites and cannot hold off a program.
func (c *Client) AllowsOrigin(origin string) bool {
	return origin == "" || contains(c.Origins, origin)
}
