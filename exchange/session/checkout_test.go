package session

import (
	"encoding/json"
	"testing"

	"cambio/exchange"
)

// What a checkout token is for is in it, is read again, and is introspected;
// no mapped claim can say the same.
func TestCheckoutToken(t *testing.T) {
	w := newWorld(t)
	token := aToken(start)
	token.Scopes, token.Purchase = nil, &exchange.Purchase{Partner: "p-1", Customer: "c-1", Invoice: `i"1`}
	token.Extra = map[string]any{"customer_id": "evil", "Invoice_ID": "evil", "role": "x"}
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
	var said map[string]any
	if b, err := json.Marshal(in); err != nil || json.Unmarshal(b, &said) != nil {
		t.Fatal(err)
	}
	if said["active"] != true || said["partner_id"] != "p-1" || said["customer_id"] != "c-1" || said["invoice_id"] != `i"1` {
		t.Errorf("introspected %v", said)
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
