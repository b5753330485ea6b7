package grant_test

import (
	"encoding/json"
	"testing"

	"cambio/exchange"
	"cambio/exchange/grant"
)

const payment = `[{"amount":7,"type":"payment"}]`

// pays registers the type payment and allows it to the clients.
func (w *world) pays(clients ...string) {
	w.Helper()
	w.change(func(m *exchange.Manifest) {
		m.DetailTypes = []exchange.DetailType{{
			Type: "payment", Scope: "write",
			Schema: map[string]any{"properties": map[string]any{"amount": map[string]any{"type": "integer"}}},
		}}
	})
	for _, id := range clients {
		w.changeClient(id, func(c *exchange.Client) { c.DetailTypes = []string{"payment"} })
	}
}

// paying returns a request of client with details and the scopes.
func (w *world) paying(client, details string, scopes ...string) *grant.Request {
	req := w.exchange(client)
	req.Scopes, req.Details = scopes, json.RawMessage(details)
	return req
}

func TestDetailsNeedScopeSchemaAndClient(t *testing.T) {
	for _, row := range []struct {
		name, client, details string
		scopes                []string
		granted               string
	}{
		{"good", "spa", ` [{"type":"payment", "amount":7}]`, []string{"write"}, payment},
		{"without a session", "plain", payment, []string{"write"}, payment},
		{"without its scope", "spa", payment, []string{"read"}, ""},
		{"a member that the schema has not", "spa", `[{"type":"payment","amount":7,"to":"me"}]`, []string{"write"}, ""},
		{"a type that the client has not", "spa", `[{"type":"loan"}]`, []string{"write"}, ""},
		{"by a client that has no types", "backend", payment, []string{"write"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.pays("spa", "plain")
			req := w.paying(row.client, row.details, row.scopes...)
			if row.granted == "" {
				w.refused(req, exchange.ReasonAuthorizationDetailsInvalid)
				return
			}
			resp, token := w.granted(req)
			if string(resp.Details) != row.granted || string(token.Details) != row.granted {
				t.Errorf("granted %s in the answer, %s in the token", resp.Details, token.Details)
			}
		})
	}
}

// Refreshed and narrowed tokens have the details of the session or fewer; when the
// type is removed, neither gets a token without it.
func TestDetailsNeverGrow(t *testing.T) {
	w := newWorld(t)
	w.pays("spa")
	const two = `[{"amount":7,"type":"payment"},{"amount":8,"type":"payment"}]`
	resp, _ := w.granted(w.paying("spa", two, "write"))
	next, token := w.granted(w.refresh("spa", resp.RefreshToken))
	if string(token.Details) != two {
		t.Errorf("a refresh has %s", token.Details)
	}
	less := w.narrowing("spa", next.AccessToken)
	less.Details = []byte(payment)
	if _, token = w.granted(less); string(token.Details) != payment {
		t.Errorf("narrowed to %s", token.Details)
	}
	less.Details = []byte(`[{"amount":9,"type":"payment"}]`)
	w.refused(less, exchange.ReasonAuthorizationDetailsInvalid)
	w.changeClient("spa", func(c *exchange.Client) { c.DetailTypes = nil })
	w.refused(w.narrowing("spa", next.AccessToken), exchange.ReasonAuthorizationDetailsInvalid)
	w.refused(w.refresh("spa", next.RefreshToken), exchange.ReasonSessionEnded)
}

// A token without details gets those of its scope once: they cannot be exchanged for
// others.
func TestDetailsByScopeAreFinal(t *testing.T) {
	w := newWorld(t)
	w.pays("spa")
	wide, _ := w.wide("spa")
	req := w.narrowing("spa", wide.AccessToken)
	req.Details = []byte(payment)
	resp, token := w.granted(req)
	if string(token.Details) != payment || !token.Expires.Equal(w.now.Add(resp.ExpiresIn)) {
		t.Errorf("got %+v", token)
	}
	req = w.narrowing("spa", resp.AccessToken)
	req.Details = []byte(`[{"amount":8,"type":"payment"}]`)
	w.refused(req, exchange.ReasonAuthorizationDetailsInvalid)
}

func TestDetailsOfClientCredentials(t *testing.T) {
	w := newWorld(t)
	w.pays("backend")
	req := &grant.Request{
		GrantType: exchange.GrantClientCredentials, Client: w.registry.Snapshot().Client("backend"),
		Scopes: []string{"write"}, Details: []byte(payment),
	}
	if _, token := w.granted(req); string(token.Details) != payment {
		t.Errorf("got %s", token.Details)
	}
	req.Scopes = []string{"read"}
	w.refused(req, exchange.ReasonAuthorizationDetailsInvalid)
}
