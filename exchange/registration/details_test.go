package registration

import (
	"strings"
	"testing"

	"cambio/exchange"
)

func TestLintDetailType(t *testing.T) {
	schema := map[string]any{"type": "object"}
	for _, row := range []struct {
		name string
		typ  exchange.DetailType
		want []problem
	}{
		{"good", exchange.DetailType{Type: "payment", Schema: schema, Scope: "pay"}, nil},
		{"a URL", exchange.DetailType{Type: "https://example.com/payment", Schema: schema, Scope: "pay"}, nil},
		{"no type", exchange.DetailType{Schema: schema, Scope: "pay"}, one("type", "is empty")},
		{"checkout", exchange.DetailType{Type: "checkout", Schema: schema, Scope: "pay"}, one("type", "built in")},
		{"a long type", exchange.DetailType{Type: strings.Repeat("a", 256), Schema: schema, Scope: "pay"}, one("type", "longer")},
		{"no scope", exchange.DetailType{Type: "payment", Schema: schema}, one("scope", "is empty")},
		{"no schema", exchange.DetailType{Type: "payment", Scope: "pay"}, one("schema", "is missing")},
		{"a long schema", exchange.DetailType{Type: "payment", Scope: "pay", Schema: map[string]any{"title": strings.Repeat("a", 16<<10)}}, one("schema", "bytes")},
	} {
		t.Run(row.name, func(t *testing.T) { same(t, lintDetailType(&row.typ), row.want) })
	}
	m := exchange.Manifest{DetailTypes: []exchange.DetailType{{Type: "a", Schema: schema, Scope: "x"}, {Type: "a", Schema: schema, Scope: "x"}}}
	same(t, Lint(&m), one("$.detailTypes[1].type", "already used"))
}

func TestLintCheckout(t *testing.T) {
	hook := func() *exchange.Webhook {
		return &exchange.Webhook{URL: "https://shop.example/invoices", Secret: exchange.SharedSecret{Value: strings.Repeat("k", 32)}}
	}
	asks := func(change func(*exchange.Webhook)) func(*exchange.Client) {
		return func(c *exchange.Client) {
			c.Checkout.Invoices, c.Checkout.Webhook = exchange.InvoicesWebhook, hook()
			change(c.Checkout.Webhook)
		}
	}
	for _, row := range []struct {
		name   string
		change func(*exchange.Client)
		want   []problem
	}{
		{"good", func(*exchange.Client) {}, nil},
		{"registered", func(c *exchange.Client) { c.Checkout.Invoices = exchange.InvoicesRegistered }, nil},
		{"a webhook", asks(func(*exchange.Webhook) {}), nil},
		{"a private webhook", asks(func(w *exchange.Webhook) { w.URL, w.AllowPrivateAddresses = "http://10.0.0.1/", true }), nil},
		{"http in public", asks(func(w *exchange.Webhook) { w.URL = "http://shop.example/" }), one("checkout.webhook.url", "must be https")},
		{"a password in the URL", asks(func(w *exchange.Webhook) { w.URL = "https://a:b@shop.example/" }), one("checkout.webhook.url", "password")},
		{"no secret", asks(func(w *exchange.Webhook) { w.Secret.Value = "" }), one("checkout.webhook.secret.value", "is missing")},
		{"a short secret", asks(func(w *exchange.Webhook) { w.Secret.Value = "short" }), one("checkout.webhook.secret.value", "at least 32")},
		{"no webhook", func(c *exchange.Client) { c.Checkout.Invoices = exchange.InvoicesWebhook }, one("checkout.webhook", "is missing")},
		{"a webhook that is not asked", func(c *exchange.Client) { c.Checkout.Webhook = hook() }, one("checkout.webhook", "only with")},
		{"an unknown source", func(c *exchange.Client) { c.Checkout.Invoices = "webhok" }, one("checkout.invoices", "did you mean webhook")},
		{"no audience", func(c *exchange.Client) { c.Checkout.Audience = "" }, one("checkout.audience", "is missing")},
		{"a partner with a line break", func(c *exchange.Client) { c.Checkout.PartnerID = "a\nb" }, one("checkout.partnerID", "control")},
		{"not listed as a type", func(c *exchange.Client) { c.DetailTypes = []string{"a"} }, one("checkout", "add checkout to detailTypes")},
		{"only listed as a type", func(c *exchange.Client) { c.Checkout = nil }, one("detailTypes", "checkout is missing")},
		{"without the scope", func(c *exchange.Client) { c.Scopes = []string{"read"} }, one("checkout", "needs the scope")},
		{"without a grant", func(c *exchange.Client) { c.Grants = []string{exchange.GrantClientCredentials} }, one("checkout", "needs the grants")},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &exchange.Client{
				ID: "shop", Auth: exchange.AuthSecretBasic, Scopes: []string{"checkout:create", "read"}, Audiences: []string{"https://api"},
				Grants:      []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange},
				DetailTypes: []string{"checkout", "a"}, Checkout: &exchange.Checkout{Audience: "https://pay"},
			}
			row.change(c)
			same(t, lintClient(c), row.want)
		})
	}
}
