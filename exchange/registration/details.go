package registration

import (
	"encoding/json"
	"slices"

	"cambio/exchange"
)

// lintDetailType returns what is wrong with a type of authorization_details, with
// paths relative to it.
func lintDetailType(t *exchange.DetailType) []exchange.Problem {
	const mostSchema = 16 << 10 // bytes
	l := &linter{}
	l.detailType("type", t.Type)
	if t.Type == exchange.DetailCheckout {
		l.Add("type", "checkout is built in; give yours another name")
	}
	l.scope("scope", t.Scope)
	switch text, err := json.Marshal(t.Schema); {
	case len(t.Schema) == 0:
		l.Add("schema", "is missing; write a JSON Schema such as {type: object, properties: {amount: {type: integer}}, required: [amount]}")
	case err != nil:
		l.Add("schema", "is not JSON: %v", err)
	case len(text) > mostSchema:
		l.Add("schema", "has %d bytes as JSON; at most %d are allowed", len(text), mostSchema)
	}
	return l.Problems
}

// detailType checks the name of a type (RFC 9396 §2.1), often a URL.
func (l *linter) detailType(path, name string) {
	const most = 255
	l.exact(path, name)
	if len(name) > most {
		l.Add(path, "%s is longer than %d bytes", exchange.Quote(name), most)
	}
}

// checkout checks what a client's checkout tokens are for, and that it can get
// any.
func (l *linter) checkout(c *exchange.Client) {
	listed := slices.Contains(c.DetailTypes, exchange.DetailCheckout)
	if c.Checkout == nil {
		if listed {
			l.Add("detailTypes", "has checkout, but checkout is missing; write checkout: {audience: https://checkout.example.com}, or remove it")
		}
		return
	}
	if !listed {
		l.Add("checkout", "is about the type checkout of authorization_details; add checkout to detailTypes, or remove it")
	}
	if c.Public() {
		l.Add("checkout", "is for clients that authenticate, and auth is none; set auth, or remove it")
	}
	if !c.MayUse(exchange.GrantTokenExchange) || !c.MayUse(exchange.GrantClientCredentials) {
		l.Add("checkout", "needs the grants client_credentials, for the client's own token, and %s, for what becomes of it", exchange.GrantTokenExchange)
	}
	if !slices.Contains(c.Scopes, exchange.ScopeCheckout) {
		l.Add("checkout", "needs the scope %s; add it to scopes, or remove it", exchange.ScopeCheckout)
	}
	if c.Checkout.PartnerID != "" && !exchange.ValidCheckoutID(c.Checkout.PartnerID) {
		l.Add("checkout.partnerID", "%s must be 1 to 255 bytes without control characters", exchange.Quote(c.Checkout.PartnerID))
	}
	if c.Checkout.Audience == "" {
		l.Add("checkout.audience", "is missing; write the API that takes the tokens")
	} else {
		l.exact("checkout.audience", c.Checkout.Audience)
	}
	l.invoices(c.Checkout)
}

func (l *linter) invoices(c *exchange.Checkout) {
	if c.Invoices != "" {
		l.oneOf("checkout.invoices", string(c.Invoices), string(exchange.InvoicesNone), string(exchange.InvoicesRegistered), string(exchange.InvoicesWebhook))
	}
	switch used := c.Invoices == exchange.InvoicesWebhook; {
	case used && c.Webhook == nil:
		l.Add("checkout.webhook", "is missing; invoices: webhook needs it: write url and secret")
	case used:
		l.webhook("checkout.webhook", c.Webhook)
	case c.Webhook != nil:
		l.Add("checkout.webhook", "is used only with invoices: webhook; set that, or remove it")
	}
}

// webhook checks the URL of a webhook and the secret that signs its requests.
func (l *linter) webhook(path string, w *exchange.Webhook) {
	const least = 32 // bytes of an HMAC-SHA256 key
	if u := l.endpoint(path+".url", w.URL, true); u != nil && u.Scheme == "http" && !w.AllowPrivateAddresses {
		l.Add(path+".url", "%s must be https; on a private network set allowPrivateAddresses", exchange.Quote(w.URL))
	}
	s := w.Secret
	if s.ID != "" {
		l.id(path+".secret.id", s.ID)
	}
	l.secret(path+".secret.value", s, least, "RFC 2104 §3")
}
