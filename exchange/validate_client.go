package exchange

import (
	"net/url"
	"strings"
	"time"
)

// Validate says what is wrong with the registration by itself, with paths
// relative to it: origins[0], keys.jwksURL.
func (c *Client) Validate() []Problem {
	p := &problems{}
	p.id("id", c.ID)
	p.label("name", c.Name)
	p.authentication(c)
	p.each("origins", c.Origins, p.origin)
	p.grants(c)
	p.each("issuers", c.Issuers, p.id)
	p.each("subjectAudiences", c.SubjectAudiences, p.exact)
	p.clientScopes(c)
	p.proofs(c)
	p.wallets(c)
	p.each("detailTypes", c.DetailTypes, p.detailType)
	p.checkout(c)
	p.authKeys(c)
	if len(c.Audiences) == 0 {
		p.add("audiences", "is missing; list the APIs its tokens are for, the default first (RFC 9068 §2.2)")
	}
	p.each("audiences", c.Audiences, p.exact)
	p.within("accessTokenLifetime", c.AccessTokenLifetime, time.Minute, time.Hour)
	p.within("refreshIdle", c.RefreshIdle, time.Minute, 365*24*time.Hour)
	p.within("refreshAbsolute", c.RefreshAbsolute, time.Minute, 365*24*time.Hour)
	if c.Idle() > c.Absolute() {
		p.add("refreshIdle", "%s is longer than refreshAbsolute, which is %s", Duration(c.Idle()), Duration(c.Absolute()))
	}
	return p.list
}

func (p *problems) authentication(c *Client) {
	if c.Auth != "" {
		p.oneOf("auth", string(c.Auth), string(AuthNone), string(AuthSecretBasic), string(AuthSecretPost), string(AuthPrivateKeyJWT))
	}
	bySecret := c.Auth == AuthSecretBasic || c.Auth == AuthSecretPost
	if len(c.Secrets) > 0 && !bySecret {
		p.add("secrets", "has no meaning for auth %s; set auth to client_secret_basic or client_secret_post, or remove it", c.auth())
	}
	if c.Auth == AuthPrivateKeyJWT {
		p.assertionKeys(c.Keys)
	} else if c.Keys != nil {
		p.add("keys", "has no meaning for auth %s; set auth to private_key_jwt, or remove it", c.auth())
	}
}

func (c *Client) auth() AuthMethod {
	if c.Auth == "" {
		return AuthNone
	}
	return c.Auth
}

// assertionKeys checks the keys of a private_key_jwt client (RFC 7523 §2.2).
func (p *problems) assertionKeys(k *Keys) {
	if k == nil || len(k.sources()) == 0 {
		p.add("keys", "is missing; auth private_key_jwt needs the client's public keys: jwksURL, jwks or pem")
		return
	}
	if len(k.Secrets) > 0 {
		p.add("keys.secrets", "has no meaning for auth private_key_jwt, which needs public keys: jwksURL, jwks or pem")
	}
	if k.DiscoveryURL != "" {
		p.add("keys.discoveryURL", "is for issuers; write jwksURL")
	}
	p.keys("keys", k, k.AllowPrivateAddresses)
}

func (p *problems) grants(c *Client) {
	p.each("grants", c.Grants, func(path, grant string) { p.grant(path, grant, c) })
	renews := contains(c.Grants, GrantRefreshToken)
	switch {
	case renews && !c.RefreshTokens:
		p.add("grants", "has refresh_token, but the client gets no refresh tokens; set refreshTokens, or remove it")
	case len(c.Grants) > 0 && !renews && c.RefreshTokens:
		p.add("grants", "lacks refresh_token, but refreshTokens is set; add it, or remove refreshTokens")
	}
}

func (p *problems) grant(path, grant string, c *Client) {
	p.oneOf(path, grant, GrantTokenExchange, GrantRefreshToken, GrantClientCredentials, GrantJWTBearer)
	if c.Public() && (grant == GrantClientCredentials || grant == GrantJWTBearer) {
		p.add(path, "%s is for clients that authenticate, and auth is none; set auth, or remove it", Quote(grant))
	}
}

func (p *problems) clientScopes(c *Client) {
	p.each("scopes", c.Scopes, p.scope)
	p.each("defaultScopes", c.DefaultScopes, func(path, scope string) {
		if !contains(c.Scopes, scope) {
			p.add(path, "%s is not in scopes%s; add it there, or remove it here", Quote(scope), DidYouMean(scope, c.Scopes))
		}
	})
}

// origin checks a serialized origin (RFC 6454 §6.2) as browsers send it.
func (p *problems) origin(path, origin string) {
	u, err := url.Parse(origin)
	switch {
	case origin == "null":
		p.add(path, "null is the origin of any sandboxed page and file; it cannot be allowed")
	case strings.Contains(origin, "*"):
		p.add(path, "%s has a *; origins are exact, list each", Quote(origin))
	case err != nil || u.Host == "" || u.User != nil || !ascii(origin):
		p.add(path, "must be an origin such as https://app.example.com")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		p.add(path, "%s must be https; http is only for localhost", Quote(origin))
	case u.Scheme != "https" && u.Scheme != "http":
		p.add(path, "%s must be https", Quote(origin))
	case origin != browserOrigin(u):
		p.add(path, "%s is not what browsers send; write %s", Quote(origin), Quote(browserOrigin(u)))
	}
}

// browserOrigin is the origin of u in a browser's spelling: lower case, no
// default port, no path.
func browserOrigin(u *url.URL) string {
	host, port := strings.ToLower(u.Host), u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}
