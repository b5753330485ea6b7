package registration

import (
	"fmt"

	"cambio/exchange"
)

// Warnings returns what a manifest is likely not meant to say. It is registered
// nevertheless: unlike what [Lint] finds, each is right for some purpose. Paths
// begin with $.issuers[i], $.clients[i] or $.detailTypes[i].
func Warnings(m *exchange.Manifest) []exchange.Problem {
	l := &linter{}
	for n := range m.Clients {
		l.AddBelow(fmt.Sprintf("$.clients[%d]", n), clientWarnings(&m.Clients[n]))
	}
	return l.Problems
}

// clientWarnings returns the warnings about a client, with paths relative to it.
func clientWarnings(c *exchange.Client) []exchange.Problem {
	l := &linter{}
	l.uselessClient(c)
	l.each("origins", c.Origins, l.riskyOrigin)
	return l.Problems
}

// uselessClient warns of a client that lacks what a request for tokens needs: a
// proof that it may present, and a scope (RFC 6749 §3.3).
func (l *linter) uselessClient(c *exchange.Client) {
	proves := len(c.Issuers) > 0 || len(c.Proofs) > 0 || c.ExchangeOwnTokens
	exchanges := c.MayUse(exchange.GrantTokenExchange) || c.MayUse(exchange.GrantJWTBearer)
	switch {
	case len(c.Scopes) == 0 && !proves && !c.Public():
		l.Add("scopes", "is empty, and so is issuers: the client gets no tokens, and can only introspect; list scopes and issuers if it is to get some")
		return
	case len(c.Scopes) == 0:
		l.Add("scopes", "is empty: every request for an access token is refused with SCOPE_MISSING; list what the client may request, such as orders:read")
	case len(c.DefaultScopes) == 0:
		l.Add("defaultScopes", "is empty: a request without scope is refused with SCOPE_MISSING; list what is granted to it, unless the client always requests scopes")
	}
	if exchanges && !proves {
		l.Add("issuers", "is empty: no issuer's token is accepted from the client; list the issuers whose tokens it may present")
	}
}
