package endpoint

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
	"cambio/exchange/server"
)

// Of two invalid IDs the first one is named, each time.
func TestCheckoutNamesTheFirstInvalidID(t *testing.T) {
	for range 20 {
		err := readCheckout(server.Body{Text: []byte(`{"customer_id":"\n","invoice_id":"\n"}`)}, nil, &grant.Request{})
		if got := exchange.AsError(err).Description; !strings.HasPrefix(got, "customer_id ") {
			t.Fatal(got)
		}
	}
}

// FuzzCheckout: what the checkout endpoint reads is what any decoder of JSON reads,
// and what the decision about it reads again.
func FuzzCheckout(f *testing.F) {
	for _, s := range []string{
		`{"customer_id":"c","invoice_id":"i"}`, `{"customer_id":"c","invoice_id":"i","expires_in":60}`,
		`{"customer_id":"\u00e9","invoice_id":"<\"/","expires_in":"900"}`, `{"customer_id":"c","invoice_id":"i","expires_in":6e1}`,
		`{"customer_id":"c","customer_id":"d","invoice_id":"i"}`, `{"customer_id":"c","invoice_id":"i"}{}`, `{"customer_id":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var req grant.Request
		if err := readCheckout(server.Body{Text: body}, nil, &req); err != nil {
			if req.Details != nil {
				t.Error("an error came with details")
			}
			return
		}
		var said struct {
			Customer string `json:"customer_id"`
			Invoice  string `json:"invoice_id"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
			t.Fatalf("%q is not JSON: %v", body, err)
		}
		if l := req.MaxLifetime; l != 0 && (l < time.Minute || l > exchange.MaxCheckout) {
			t.Errorf("%q is valid for %s", body, l)
		}
		var details []map[string]string
		if err := json.Unmarshal(req.Details, &details); err != nil || len(details) != 1 {
			t.Fatalf("%q became %s: %v", body, req.Details, err)
		}
		if d := details[0]; d["customer_id"] != said.Customer || d["invoice_id"] != said.Invoice || len(d) != 3 {
			t.Errorf("%q became %v", body, d)
		}
	})
}
