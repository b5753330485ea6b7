package exchange_test

import (
	"strings"
	"testing"
	"time"

	"cambio/exchange"
)

// shop returns inputs with a checkout client, its own token and a valid request.
func shop() *inputs {
	in := good()
	in.client = exchange.Client{
		ID: "shop", Auth: exchange.AuthSecretBasic, Scopes: []string{"checkout:create", "read"}, Audiences: []string{"https://api"},
		Grants:      []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange},
		DetailTypes: []string{"checkout", "a"}, Checkout: &exchange.Checkout{Audience: "https://pay"},
	}
	in.parent = exchange.AccessToken{
		User: "shop", Client: "shop", Scopes: []string{"checkout:create", "read"}, Audience: []string{"https://api"}, Expires: now.Add(time.Hour),
	}
	requestDetails(`[{"type":"checkout","customer_id":"c-1","invoice_id":"i-1"}]`)(in)
	return in
}

func TestDecideCheckout(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*inputs)
		reason exchange.Reason
	}{
		{"good", func(*inputs) {}, ""},
		{"its audience by name", requestAudience("https://pay"), ""},
		{"another audience of the client", requestAudience("https://api"), exchange.ReasonTargetNotAllowed},
		{"a scope", request("read"), exchange.ReasonScopeNotAllowed},
		{"the scope to make more", request("checkout:create"), exchange.ReasonScopeNotAllowed},
		{"a user's token", func(in *inputs) { in.parent.User = "0190-alice" }, exchange.ReasonAccessTokenInsufficient},
		{"a user's token of a session", func(in *inputs) { in.parent.Session = "s" }, exchange.ReasonAccessTokenInsufficient},
		{"a user's token of an issuer", func(in *inputs) { in.parent.Origin.Issuer = "google" }, exchange.ReasonAccessTokenInsufficient},
		{"another client's token", func(in *inputs) { in.parent.User, in.parent.Client = "other", "other" }, exchange.ReasonAccessTokenInsufficient},
		{"its own token that another narrowed", func(in *inputs) { in.parent.Client = "other" }, exchange.ReasonAccessTokenInsufficient},
		{"a checkout token", func(in *inputs) { in.parent.Purchase = &exchange.Purchase{} }, exchange.ReasonAccessTokenInsufficient},
		{"a token limited by details", func(in *inputs) { in.parent.Details = []byte(`[{"type":"a"}]`) }, exchange.ReasonAccessTokenInsufficient},
		{"a token without the scope", func(in *inputs) { in.parent.Scopes = []string{"read"} }, exchange.ReasonAccessTokenInsufficient},
		{"the client lost the scope", func(in *inputs) { in.client.Scopes = []string{"read"} }, exchange.ReasonAccessTokenInsufficient},
		{"the client became public", func(in *inputs) { in.client.Auth = "" }, exchange.ReasonAccessTokenInsufficient},
		{"the client lost checkout", func(in *inputs) { in.client.Checkout = nil }, exchange.ReasonAuthorizationDetailsInvalid},
		{"the client lost the type", func(in *inputs) { in.client.DetailTypes = []string{"a"} }, exchange.ReasonAuthorizationDetailsInvalid},
		{"two", requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":"i"},{"type":"checkout","customer_id":"c","invoice_id":"j"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"one beside another type", requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":"i"},{"type":"a"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"no customer", requestDetails(`[{"type":"checkout","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"no invoice", requestDetails(`[{"type":"checkout","customer_id":"c"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"an empty invoice", requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":""}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"an invoice that is a number", requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":1}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"a customer with a line break", requestDetails(`[{"type":"checkout","customer_id":"c\n","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"the longest customer", requestDetails(`[{"type":"checkout","customer_id":"` + strings.Repeat("c", 255) + `","invoice_id":"i-1"}]`), ""},
		{"a longer customer", requestDetails(`[{"type":"checkout","customer_id":"` + strings.Repeat("c", 256) + `","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"a member more", requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":"i","amount":1}]`), exchange.ReasonAuthorizationDetailsInvalid},
		{"a customer twice", requestDetails(`[{"type":"checkout","customer_id":"c","customer_id":"d","invoice_id":"i"}]`), exchange.ReasonAuthorizationDetailsInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := shop()
			row.change(in)
			d, p := exchange.DecideCheckout(&in.client, &in.parent, in.requested)
			if row.reason != "" {
				if d.Err == nil || d.Err.Reason != row.reason || p != nil || d.Audience != nil || d.Details != nil {
					t.Errorf("got %+v, %+v, want %s", d, p, row.reason)
				}
				return
			}
			if d.Err != nil || p == nil {
				t.Fatalf("refused: %v", d.Err)
			}
			if len(d.Scopes) != 0 || len(d.Audience) != 1 || d.Audience[0] != "https://pay" || !d.NotAfter.Equal(in.parent.Expires) ||
				p.Partner != "shop" || p.Invoice != "i-1" || p.Customer == "" {
				t.Errorf("granted %+v for %+v", d, p)
			}
		})
	}
	in := shop()
	in.client.Checkout.PartnerID = "partner-7"
	if d, p := exchange.DecideCheckout(&in.client, &in.parent, in.requested); d.Err != nil || p.Partner != "partner-7" ||
		string(d.Details) != `[{"customer_id":"c-1","invoice_id":"i-1","type":"checkout"}]` {
		t.Errorf("granted %s for %+v", d.Details, p)
	}
}

func TestRequestsCheckout(t *testing.T) {
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
