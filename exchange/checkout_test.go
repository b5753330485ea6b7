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
