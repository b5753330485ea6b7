package registration

import (
	"cmp"
	"net/netip"
	"slices"

	"cambio/exchange"
)

// proofs checks the first-party proofs that a client may present.
func (l *linter) proofs(c *exchange.Client) {
	l.each("proofs", c.Proofs, func(path, word string) {
		l.oneOf(path, word, "user-assertion", "one-time-token", "otp", "wallet-signature")
	})
	asserts := c.MayPresent(exchange.TypeUserAssertion)
	if asserts && c.Public() {
		l.Add("proofs", "has user-assertion, which is a client's own word, and auth is none; set auth, or remove it")
	}
	if len(c.Proofs) > 0 && !c.MayUse(exchange.GrantTokenExchange) {
		l.Add("proofs", "are brought by token exchange, which is not among grants; add it, or remove them")
	}
	switch {
	case c.AsIssuer == "":
	case !asserts:
		l.Add("asIssuer", "is about user assertions; add user-assertion to proofs, or remove it")
	case !slices.Contains(c.Issuers, c.AsIssuer):
		l.Add("asIssuer", "%s is not in issuers%s; add it there, or remove it here", exchange.Quote(c.AsIssuer), DidYouMean(c.AsIssuer, c.Issuers))
	}
	l.secretAddresses(c)
	l.pageRefresh(c)
}

func (l *linter) pageRefresh(c *exchange.Client) {
	switch {
	case !c.PageRefresh:
	case c.Public():
		l.Add("pageRefresh", "is for clients that authenticate; pages of this one may anyway, remove it")
	case !c.RefreshTokens:
		l.Add("pageRefresh", "has nothing to refresh; set refreshTokens, or remove it")
	case len(c.Origins) == 0:
		l.Add("pageRefresh", "is for pages at origins; list origins, or remove it")
	}
}

func (l *linter) secretAddresses(c *exchange.Client) {
	if len(c.SecretAddresses) > 0 && !c.Auth.BySecret() {
		l.Add("secretAddresses", "has no meaning for auth %s; set auth to client_secret_basic or client_secret_post, or remove it", cmp.Or(c.Auth, exchange.AuthNone))
	}
	l.each("secretAddresses", c.SecretAddresses, func(path, text string) {
		if network, err := netip.ParsePrefix(text); err != nil || network != network.Masked() || network.Addr().Is4In6() {
			l.Add(path, "%s must be a network in CIDR notation such as 10.1.0.0/16 or 2001:db8::/32", exchange.Quote(text))
		}
	})
}

// authKeys checks that a client whose users log in by key can link keys and sign
// requests: unsigned requests get neither a code nor a one-time token.
func (l *linter) authKeys(c *exchange.Client) {
	if c.AuthKeys == nil {
		if c.MayPresent(exchange.TypeOTP) || c.MayPresent(exchange.TypeOneTimeToken) {
			l.Add("authKeys", "is missing; otp and one-time-token in proofs need it: signingKeys, which verify the requests that begin their logins")
		}
		return
	}
	if !c.MayPresent(exchange.TypeOTP) {
		l.Add("proofs", "lacks otp, without which no key of authKeys can be linked to a user; add it")
	}
	if _, err := c.AuthKeys.Signers(); err != nil {
		l.Add("authKeys.signingKeys", "%s", err)
	}
}
