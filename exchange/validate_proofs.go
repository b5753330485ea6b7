package exchange

import "net/netip"

// proofs checks what a client may bring besides issuers' tokens.
func (p *problems) proofs(c *Client) {
	p.each("proofs", c.Proofs, func(path, word string) {
		p.oneOf(path, word, "user-assertion", "one-time-token", "otp", "wallet-signature")
	})
	asserts := c.MayPresent(TypeUserAssertion)
	if asserts && c.Public() {
		p.add("proofs", "has user-assertion, which is a client's own word, and auth is none; set auth, or remove it")
	}
	if len(c.Proofs) > 0 && !c.MayUse(GrantTokenExchange) {
		p.add("proofs", "are brought by token exchange, which is not among grants; add it, or remove them")
	}
	switch {
	case c.AsIssuer == "":
	case !asserts:
		p.add("asIssuer", "is about user assertions; add user-assertion to proofs, or remove it")
	case !contains(c.Issuers, c.AsIssuer):
		p.add("asIssuer", "%s is not in issuers%s; add it there, or remove it here", Quote(c.AsIssuer), DidYouMean(c.AsIssuer, c.Issuers))
	}
	p.secretAddresses(c)
	p.pageRefresh(c)
}

func (p *problems) pageRefresh(c *Client) {
	switch {
	case !c.PageRefresh:
	case c.Public():
		p.add("pageRefresh", "is for clients that authenticate; pages of this one may anyway, remove it")
	case !c.RefreshTokens:
		p.add("pageRefresh", "has nothing to refresh; set refreshTokens, or remove it")
	case len(c.Origins) == 0:
		p.add("pageRefresh", "is for pages at origins; list origins, or remove it")
	}
}

func (p *problems) secretAddresses(c *Client) {
	if len(c.SecretAddresses) > 0 && c.Auth != AuthSecretBasic && c.Auth != AuthSecretPost {
		p.add("secretAddresses", "has no meaning for auth %s; set auth to client_secret_basic or client_secret_post, or remove it", c.auth())
	}
	p.each("secretAddresses", c.SecretAddresses, func(path, text string) {
		if network, err := netip.ParsePrefix(text); err != nil || network != network.Masked() || network.Addr().Is4In6() {
			p.add(path, "%s must be a network in CIDR notation such as 10.1.0.0/16 or 2001:db8::/32", Quote(text))
		}
	})
}
