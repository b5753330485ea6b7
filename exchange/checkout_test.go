package exchange_test

import (
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

// shop is a client with checkout, its own token, and a good request.
func shop() *world {
	w := good()
	w.client = exchange.Client{
		ID: "shop", Auth: exchange.AuthSecretBasic, Scopes: []string{"checkout:create", "read"}, Audiences: []string{"https://api"},
		Grants:      []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange},
		DetailTypes: []string{"checkout", "a"}, Checkout: &exchange.Checkout{Audience: "https://pay"},
	}
	w.parent = exchange.AccessToken{
		User: "shop", Client: "shop", Scopes: []string{"checkout:create", "read"}, Audience: []string{"https://api"}, Expires: now.Add(time.Hour),
	}
	details(`[{"type":"checkout","customer_id":"c-1","invoice_id":"i-1"}]`)(w)
	return w
}

func TestDecideCheckout(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*world)
		reason exchange.Reason
	}{
		{"good", func(*world) {}, ""},
		{"its audience by name", target("https://pay"), ""},
		{"another audience of the client", target("https://api"), exchange.ReasonTargetNotAllowed},
		{"a scope", ask("read"), exchange.ReasonScopeNotAllowed},
		{"the scope to make more", ask("checkout:create"), exchange.ReasonScopeNotAllowed},
		{"a user's token", func(w *world) { w.parent.User = "0190-alice" }, exchange.ReasonAccessTokenInsufficient},
		{"a user's token of a session", func(w *world) { w.parent.Session = "s" }, exchange.ReasonAccessTokenInsufficient},
		{"a user's token of an issuer", func(w *world) { w.parent.Origin.Issuer = "google" }, exchange.ReasonAccessTokenInsufficient},
		{"another client's token", func(w *world) { w.parent.User, w.parent.Client = "other", "other" }, exchange.ReasonAccessTokenInsufficient},
		{"its own token that another narrowed", func(w *world) { w.parent.Client = "other" }, exchange.ReasonAccessTokenInsufficient},
		{"a checkout token", func(w *world) { w.parent.Purchase = &exchange.Purchase{} }, exchange.ReasonAccessTokenInsufficient},
		{"a token limited by details", func(w *world) { w.parent.Details = []byte(`[{"type":"a"}]`) }, exchange.ReasonAccessTokenInsufficient},
		{"a token without the scope", func(w *world) { w.parent.Scopes = []string{"read"} }, exchange.ReasonAccessTokenInsufficient},
		{"the client lost the scope", func(w *world) { w.client.Scopes = []string{"read"} }, exchange.ReasonAccessTokenInsufficient},
		{"the client became public", func(w *world) { w.client.Auth = "" }, exchange.ReasonAccessTokenInsufficient},
		{"the client lost checkout", func(w *world) { w.client.Checkout = nil }, exchange.ReasonAuthorizationDetailsInvalid},
		{"the client lost the type", func(w *world) { w.client.DetailTypes = []string{"a"} }, exchange.ReasonAuthorizationDetailsInvalid},
		{"two", details(`[{"type":"checkout","customer_id":"c","invoice_id":"i"},{"type":"checkout","customer_id":"c","invoice_id":"j"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"one beside another type", details(`[{"type":"checkout","customer_id":"c","invoice_id":"i"},{"type":"a"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"no customer", details(`[{"type":"checkout","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"no invoice", details(`[{"type":"checkout","customer_id":"c"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"an empty invoice", details(`[{"type":"checkout","customer_id":"c","invoice_id":""}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"an invoice that is a number", details(`[{"type":"checkout","customer_id":"c","invoice_id":1}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"a customer with a line break", details(`[{"type":"checkout","customer_id":"c\n","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"the longest customer", details(`[{"type":"checkout","customer_id":"` + strings.Repeat("c", 255) + `","invoice_id":"i-1"}]`), ""},
		{"a longer customer", details(`[{"type":"checkout","customer_id":"` + strings.Repeat("c", 256) + `","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"a member more", details(`[{"type":"checkout","customer_id":"c","invoice_id":"i","amount":1}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"a customer twice", details(`[{"type":"checkout","customer_id":"c","customer_id":"d","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := shop()
			row.change(w)
			d, p := exchange.DecideCheckout(&w.client, &w.parent, w.ask)
			if row.reason != "" {
				if d.Err == nil || d.Err.Reason != row.reason || p != nil || d.Audience != nil || d.Details != nil {
					t.Errorf("got %+v, %+v, want %s", d, p, row.reason)
				}
				return
			}
			if d.Err != nil || p == nil {
				t.Fatalf("refused: %v", d.Err)
			}
			if len(d.Scopes) != 0 || len(d.Audience) != 1 || d.Audience[0] != "https://pay" || !d.NotAfter.Equal(w.parent.Expires) ||
				p.Partner != "shop" || p.Invoice != "i-1" || p.Customer == "" {
				t.Errorf("granted %+v for %+v", d, p)
			}
		})
	}
	w := shop()
	w.client.Checkout.PartnerID = "partner-7"
	if d, p := exchange.DecideCheckout(&w.client, &w.parent, w.ask); d.Err != nil || p.Partner != "partner-7" ||
		string(d.Details) != `[{"customer_id":"c-1","invoice_id":"i-1","type":"checkout"}]` {
		t.Errorf("granted %s for %+v", d.Details, p)
	}
}

func TestAsksCheckout(t *testing.T) {
	made, err := exchange.CheckoutDetails(`"c`, "<i")
	if err != nil || !exchange.RequestsCheckout(made) {
		t.Errorf("%s does not ask: %v", made, err)
	}
	for _, none := range []string{``, `[]`, `[{"type":"a"}]`, `{"type":"checkout"}`, `[{"type":"checkout"}`} {
		if exchange.RequestsCheckout([]byte(none)) {
			t.Errorf("%s asks", none)
		}
	}
}

func TestCheckoutValidate(t *testing.T) {
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
			w := shop()
			row.change(&w.client)
			same(t, w.client.Validate(), row.want)
		})
	}
}
