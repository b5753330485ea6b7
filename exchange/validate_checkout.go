package exchange

// checkout checks what a client's checkout tokens are for, and that it can get
// one at all.
func (p *problems) checkout(c *Client) {
	listed := contains(c.DetailTypes, DetailCheckout)
	if c.Checkout == nil {
		if listed {
			p.add("detailTypes", "has checkout, but checkout is missing; write checkout: {audience: https://checkout.example.com}, or remove it")
		}
		return
	}
	if !listed {
		p.add("checkout", "is about the type checkout of authorization_details; add checkout to detailTypes, or remove it")
	}
	if c.Public() {
		p.add("checkout", "is for clients that authenticate, and auth is none; set auth, or remove it")
	}
	if !c.MayUse(GrantTokenExchange) || !c.MayUse(GrantClientCredentials) {
		p.add("checkout", "needs the grants client_credentials, for the client's own token, and %s, for what becomes of it", GrantTokenExchange)
	}
	if !contains(c.Scopes, ScopeCheckout) {
		p.add("checkout", "needs the scope %s; add it to scopes, or remove it", ScopeCheckout)
	}
	if c.Checkout.PartnerID != "" && !ValidCheckoutID(c.Checkout.PartnerID) {
		p.add("checkout.partnerID", "%s must be 1 to 255 bytes without control characters", Quote(c.Checkout.PartnerID))
	}
	if c.Checkout.Audience == "" {
		p.add("checkout.audience", "is missing; write the API that takes the tokens")
	} else {
		p.exact("checkout.audience", c.Checkout.Audience)
	}
	p.invoices(c.Checkout)
}

func (p *problems) invoices(c *Checkout) {
	if c.Invoices != "" {
		p.oneOf("checkout.invoices", string(c.Invoices), string(InvoicesNone), string(InvoicesRegistered), string(InvoicesWebhook))
	}
	switch asks := c.Invoices == InvoicesWebhook; {
	case asks && c.Webhook == nil:
		p.add("checkout.webhook", "is missing; invoices: webhook asks one: write url and secret")
	case asks:
		p.webhook("checkout.webhook", c.Webhook)
	case c.Webhook != nil:
		p.add("checkout.webhook", "is asked only with invoices: webhook; set that, or remove it")
	}
}

// webhook checks where a webhook is and what signs the requests to it; no
// message repeats the secret.
func (p *problems) webhook(path string, w *Webhook) {
	const least = 32 // bytes of an HMAC-SHA256 key (RFC 2104 §3)
	if u := p.endpoint(path+".url", w.URL, true); u != nil && u.Scheme == "http" && !w.AllowPrivateAddresses {
		p.add(path+".url", "%s must be https; on a private network set allowPrivateAddresses", Quote(w.URL))
	}
	s := w.Secret
	if s.ID != "" {
		p.id(path+".secret.id", s.ID)
	}
	switch {
	case s.Value == "" && len(s.Sealed) == 0:
		p.add(path+".secret.value", "is missing; make one with: openssl rand -hex 32")
	case s.Value != "" && len(s.Value) < least:
		p.add(path+".secret.value", "has %d bytes; at least %d are needed, made with: openssl rand -hex 32", len(s.Value), least)
	}
}
