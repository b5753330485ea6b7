package registration

import (
	"cmp"
	"slices"
	"time"

	"cambio/exchange"
)

// lintClient returns what is wrong with a client, with paths relative to it:
// origins[0], keys.jwksURL.
func lintClient(c *exchange.Client) []exchange.Problem {
	l := &linter{}
	l.id("id", c.ID)
	l.label("name", c.Name)
	l.authentication(c)
	l.each("origins", c.Origins, l.origin)
	l.grants(c)
	l.each("issuers", c.Issuers, l.id)
	l.each("subjectAudiences", c.SubjectAudiences, l.exact)
	l.clientScopes(c)
	l.proofs(c)
	l.secretAddresses(c)
	l.pageRefresh(c)
	l.wallets(c)
	l.each("detailTypes", c.DetailTypes, l.detailType)
	l.checkout(c)
	l.authKeys(c)
	if len(c.Audiences) == 0 {
		l.Add("audiences", "is missing; list the APIs its tokens are for, the default first (RFC 9068 §2.2)")
	}
	l.each("audiences", c.Audiences, l.exact)
	if c.IDTokenAlgorithm != "" {
		l.oneOf("idTokenAlgorithm", c.IDTokenAlgorithm, "ES256", "RS256", "EdDSA")
	}
	l.within("accessTokenLifetime", c.AccessTokenLifetime, time.Minute, time.Hour)
	l.within("refreshIdle", c.RefreshIdle, time.Minute, 365*24*time.Hour)
	l.within("refreshAbsolute", c.RefreshAbsolute, time.Minute, 365*24*time.Hour)
	if n := c.MaxSessionsPerUser; n < 0 || n > exchange.MaxMaxSessions {
		l.Add("maxSessionsPerUser", "%d is out of bounds: write 1 to %d, or nothing for %d", n, exchange.MaxMaxSessions, exchange.DefaultMaxSessions)
	}
	l.within("refreshGrace", c.RefreshGrace, time.Second, exchange.MaxGrace)
	if c.Idle() > c.Absolute() {
		l.Add("refreshIdle", "%s is longer than refreshAbsolute, which is %s", exchange.Duration(c.Idle()), exchange.Duration(c.Absolute()))
	}
	return l.Problems
}

func (l *linter) authentication(c *exchange.Client) {
	if c.Auth != "" {
		l.oneOf("auth", string(c.Auth), string(exchange.AuthNone), string(exchange.AuthSecretBasic), string(exchange.AuthSecretPost), string(exchange.AuthPrivateKeyJWT))
	}
	if len(c.Secrets) > 0 && !c.Auth.BySecret() {
		l.Add("secrets", "has no meaning for auth %s; set auth to client_secret_basic or client_secret_post, or remove it", cmp.Or(c.Auth, exchange.AuthNone))
	}
	if c.Auth == exchange.AuthPrivateKeyJWT {
		l.assertionKeys(c.Keys)
	} else if c.Keys != nil {
		l.Add("keys", "has no meaning for auth %s; set auth to private_key_jwt, or remove it", cmp.Or(c.Auth, exchange.AuthNone))
	}
}

// assertionKeys checks the keys of a private_key_jwt client (RFC 7523 §2.2).
func (l *linter) assertionKeys(k *exchange.Keys) {
	if k == nil || len(sources(k)) == 0 {
		l.Add("keys", "is missing; auth private_key_jwt needs the client's public keys: jwksURL, jwks or pem")
		return
	}
	if len(k.Secrets) > 0 {
		l.Add("keys.secrets", "has no meaning for auth private_key_jwt, which needs public keys: jwksURL, jwks or pem")
	}
	if len(k.Sources) > 0 {
		l.Add("keys.sources", "is for issuers; a client has one source")
	}
	if k.DiscoveryURL != "" {
		l.Add("keys.discoveryURL", "is for issuers; write jwksURL")
	}
	l.keys(k)
}

func (l *linter) grants(c *exchange.Client) {
	l.each("grants", c.Grants, func(path, grant string) { l.grant(path, grant, c) })
	refreshes := slices.Contains(c.Grants, exchange.GrantRefreshToken)
	switch {
	case refreshes && !c.RefreshTokens:
		l.Add("grants", "has refresh_token, but the client gets no refresh tokens; set refreshTokens, or remove it")
	case len(c.Grants) > 0 && !refreshes && c.RefreshTokens:
		l.Add("grants", "lacks refresh_token, but refreshTokens is set; add it, or remove refreshTokens")
	}
}

func (l *linter) grant(path, grant string, c *exchange.Client) {
	l.oneOf(path, grant, exchange.GrantTokenExchange, exchange.GrantRefreshToken, exchange.GrantClientCredentials, exchange.GrantJWTBearer)
	if c.Public() && (grant == exchange.GrantClientCredentials || grant == exchange.GrantJWTBearer) {
		l.Add(path, "%s is for clients that authenticate, and auth is none; set auth, or remove it", exchange.Quote(grant))
	}
}

func (l *linter) clientScopes(c *exchange.Client) {
	l.each("scopes", c.Scopes, l.scope)
	l.each("defaultScopes", c.DefaultScopes, func(path, scope string) {
		if !slices.Contains(c.Scopes, scope) {
			l.Add(path, "%s is not in scopes%s; add it there, or remove it here", exchange.Quote(scope), DidYouMean(scope, c.Scopes))
		}
	})
}
