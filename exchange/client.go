package exchange

import (
	"crypto/rsa"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Client is a registered caller. What it may do is listed; what is not listed
// is refused.
type Client struct {
	// ID is part of the key of each of its own users: whoever is registered under
	// the ID of a client that was removed has these.
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
	// SubjectAudiences are the audiences of issuers' tokens that are meant for
	// it: one of them must be in a token that it brings. Default: any of the
	// issuer's. Set it where several clients share an issuer, or a token for the
	// app of one is good at another.
	SubjectAudiences []string `json:"subjectAudiences,omitempty" yaml:"subjectAudiences,omitempty"`
	// Scopes are those it may ask for; DefaultScopes are what it gets, as far
	// as the issuer's rules give them, when it asks for none.
	Scopes        []string `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	DefaultScopes []string `json:"defaultScopes,omitempty" yaml:"defaultScopes,omitempty"`
	// Audiences are the targets it may ask for by audience or resource. The
	// first is the default. At least one is required (RFC 9068 §2.2).
	Audiences []string `json:"audiences" yaml:"audiences"`
	// RefreshTokens gives it sessions that last; without, nothing is stored.
	RefreshTokens bool `json:"refreshTokens,omitempty" yaml:"refreshTokens,omitempty"`
	// Proofs are the proofs of ours that it may bring, by the last word of their
	// token type identifiers: user-assertion, one-time-token, otp,
	// wallet-signature. Users proven by one live in the client's own namespace.
	Proofs []string `json:"proofs,omitempty" yaml:"proofs,omitempty"`
	// AsIssuer makes its user assertions speak of the users of an issuer, which
	// is one of Issuers: externalUserId is then the subject there.
	AsIssuer string `json:"asIssuer,omitempty" yaml:"asIssuer,omitempty"`
	// SecretAddresses are the networks, in CIDR notation, from which its secret
	// counts. Default: any.
	SecretAddresses []string `json:"secretAddresses,omitempty" yaml:"secretAddresses,omitempty"`
	// PageRefresh lets pages at its Origins refresh and log out the sessions that
	// a confidential client made for them, without its secret. The refresh token
	// is then all that it takes, as with a public client.
	PageRefresh bool `json:"pageRefresh,omitempty" yaml:"pageRefresh,omitempty"`
	// AuthKeys lets its users log in by a key that it keeps for each of them.
	AuthKeys *AuthKeys `json:"authKeys,omitempty" yaml:"authKeys,omitempty"`
	// Wallets lets its users log in by an account on a chain.
	Wallets *Wallets `json:"wallets,omitempty" yaml:"wallets,omitempty"`
	// Checkout lets it make tokens for one customer and one invoice.
	Checkout *Checkout `json:"checkout,omitempty" yaml:"checkout,omitempty"`
	// DetailTypes are the types of authorization_details that it may ask for
	// (RFC 9396 §2.1): checkout, or one that the operator registered.
	DetailTypes []string `json:"detailTypes,omitempty" yaml:"detailTypes,omitempty"`
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

// AuthKeys is how a client's requests for its keys' logins are signed.
type AuthKeys struct {
	// SigningKeys are 1 to 4 RSA public keys in PEM, one after the other, of 2048
	// bits or more: each request carries an RSASSA-PSS signature by one of them.
	// What was handed out for a request dies with the key that signed it; the
	// sessions live on, until cambio session revoke --issuer key:<client> --key
	// <ID> ends them, with the [KeyID] that audit events show.
	SigningKeys string `json:"signingKeys" yaml:"signingKeys"`
	// Strict refuses requests that do not say when they were made, or say a
	// time more than 5 minutes ago. Without, whoever overheard a request that does
	// not say it can send it again once its signature is forgotten, after a day.
	Strict bool `json:"strict,omitempty" yaml:"strict,omitempty"`
}

// Wallets is what the messages say that wallets sign (EIP-4361, CAIP-122).
type Wallets struct {
	// Domain is the host, and port if any, that asks for the signature: that of
	// the page. URI is the resource it is for.
	Domain string `json:"domain" yaml:"domain"`
	URI    string `json:"uri" yaml:"uri"`
	// Statement is shown to the user; one line.
	Statement string `json:"statement,omitempty" yaml:"statement,omitempty"`
	// Chains are the accepted chains by their CAIP-2 identifiers: eip155:1,
	// solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, xrpl:0. The first of a namespace
	// is its default.
	Chains []string `json:"chains" yaml:"chains"`
	// RPC is CAIP-2 identifier → URL of a JSON-RPC endpoint that is asked about
	// the signatures of contract wallets (EIP-1271), and believed. Without one
	// they are refused. In plain http it may only be on loopback or a private
	// network. A key in the URL is kept, and shown to operators, as it is.
	RPC map[string]string `json:"rpc,omitempty" yaml:"rpc,omitempty"`
}

// Checkout is what a client's checkout tokens are for.
type Checkout struct {
	// PartnerID is the partner_id of the tokens. Default: the client's ID.
	PartnerID string `json:"partnerID,omitempty" yaml:"partnerID,omitempty"`
	// Audience is the API that takes them.
	Audience string `json:"audience" yaml:"audience"`
	// Invoices says who knows whether an invoice is the customer's: none,
	// registered (by the admin API) or webhook. Default none.
	Invoices InvoiceSource `json:"invoices,omitempty" yaml:"invoices,omitempty"`
	// Webhook is asked with invoices: webhook.
	Webhook *Webhook `json:"webhook,omitempty" yaml:"webhook,omitempty"`
}

// InvoiceSource is who knows whether an invoice is a customer's.
type InvoiceSource string

// The sources of truth about invoices.
const (
	InvoicesNone       InvoiceSource = "none"
	InvoicesRegistered InvoiceSource = "registered"
	InvoicesWebhook    InvoiceSource = "webhook"
)

// Webhook is an URL of the operator's that is asked, and the secret that signs
// what it is asked.
type Webhook struct {
	URL    string       `json:"url" yaml:"url"`
	Secret SharedSecret `json:"secret" yaml:"secret"`
	// AllowPrivateAddresses lets it be on loopback or a private network, and
	// speak plain http there.
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty" yaml:"allowPrivateAddresses,omitempty"`
}

// ClientSecret is a client's secret as it is kept.
type ClientSecret struct {
	ID      string    `json:"id"`
	MAC     []byte    `json:"mac,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // set when a newer one replaced it
	// LastUsed is when the client last authenticated by it, zero if never. It is
	// kept apart, and here only where a client is shown.
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

// CompiledClient is a client made ready: its registration and its keys, which are nil
// unless it authenticates by private_key_jwt.
type CompiledClient struct {
	Client *Client
	Keys   KeySet
	// SecretNetworks are its SecretAddresses.
	SecretNetworks []netip.Prefix
	// Signers verify the signatures of its requests; see [AuthKeys].
	Signers []*rsa.PublicKey
	// WebhookSecret signs what its webhook is asked; see [Checkout].
	WebhookSecret []byte
}

// WithClient is the party with another registration, for which the same was compiled.
func (p *CompiledClient) WithClient(c *Client) *CompiledClient {
	q := *p
	q.Client = c
	return &q
}

// AcceptsSecretFrom says whether the client's secret counts from an address.
func (p *CompiledClient) AcceptsSecretFrom(addr netip.Addr) bool {
	addr = addr.WithZone("") // which no network has
	return len(p.SecretNetworks) == 0 ||
		slices.ContainsFunc(p.SecretNetworks, func(n netip.Prefix) bool { return n.Contains(addr) })
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

// MayPresent says whether it may bring proofs of a token type of ours.
func (c *Client) MayPresent(tokenType string) bool {
	word, ours := strings.CutPrefix(tokenType, ownTypePrefix)
	return ours && contains(c.Proofs, word)
}

// Namespace is where the users live whom a proof of ours proves that it brings.
func (c *Client) Namespace(tokenType string) string {
	if tokenType == TypeUserAssertion && c.AsIssuer != "" {
		return c.AsIssuer
	}
	return Namespace(tokenType, c.ID)
}

// PageMayRefresh says whether a page at an origin may refresh and log out the
// client's sessions by the refresh token alone. Of a public client every caller
// may, if it is no foreign page.
func (c *Client) PageMayRefresh(origin string) bool {
	return c.PageRefresh && origin != "" && c.AllowsOrigin(origin)
}

// AllowsOrigin says whether a browser page of origin may call as this client.
// An empty origin is no browser: the check protects a browser's user from
// other sites and cannot hold off a program.
func (c *Client) AllowsOrigin(origin string) bool {
	return origin == "" || contains(c.Origins, origin)
}
