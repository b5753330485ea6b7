package session

import (
	"encoding/json"
	"testing"

	"cambio/exchange"
)

// A checkout token has its invoice in it, through parsing and introspection, and
// no mapped claim can set it.
func TestCheckoutTokenNamesItsInvoice(t *testing.T) {
	w := newWorld(t)
	token := aToken(start)
	token.Scopes, token.Purchase = nil, &exchange.Purchase{Partner: "p-1", Customer: "c-1", Invoice: `i"1`}
	token.Extra = map[string]any{"customer_id": "evil", "Invoice_ID": "evil", "role": "x"}
	token.Origin = exchange.Origin{Issuer: "issuer"} // not shown
	tokens, err := w.Create(t.Context(), nil, token, 0, false, start)
	if err != nil {
		t.Fatal(err)
	}
	claims := payload(t, tokens.AccessToken)
	if claims["partner_id"] != "p-1" || claims["customer_id"] != "c-1" || claims["invoice_id"] != `i"1` || claims["scope"] != nil || claims["Invoice_ID"] != nil {
		t.Errorf("claims %v", claims)
	}
	read, err := w.Parse(t.Context(), tokens.AccessToken, start)
	if err != nil || read.Purchase == nil || *read.Purchase != *token.Purchase || len(read.Extra) != 1 {
		t.Errorf("read %+v, %v", read, err)
	}
	in, err := w.Introspect(t.Context(), tokens.AccessToken, start)
	if err != nil {
		t.Fatal(err)
	}
	var shown map[string]any
	if b, err := json.Marshal(in); err != nil || json.Unmarshal(b, &shown) != nil {
		t.Fatal(err)
	}
	if shown["active"] != true || shown["partner_id"] != "p-1" || shown["customer_id"] != "c-1" || shown["invoice_id"] != `i"1` || shown["origin"] != nil {
		t.Errorf("introspected %v", shown)
	}
	plain := aToken(start)
	plain.Extra = token.Extra
	tokens, err = w.Create(t.Context(), nil, plain, 0, false, start)
	if err != nil {
		t.Fatal(err)
	}
	if read, err = w.Parse(t.Context(), tokens.AccessToken, start); err != nil || read.Purchase != nil {
		t.Errorf("mapped claims made a checkout token: %+v, %v", read, err)
	}
}
