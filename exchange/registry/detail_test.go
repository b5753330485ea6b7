package registry_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

// kind compiles a type unless its schema is marked as bad.
func kind(d exchange.DetailType) (*exchange.DetailKind, []exchange.Problem) {
	if d.Schema["title"] == "bad" {
		return nil, []exchange.Problem{{Path: "schema", Message: "is bad"}}
	}
	return &exchange.DetailKind{Type: &d}, nil
}

func detail(name, title string) exchange.DetailType {
	return exchange.DetailType{Type: name, Scope: "pay", Schema: map[string]any{"title": title, "maximum": 3}}
}

func asking(types ...string) exchange.Client {
	c := client("c")
	c.DetailTypes = types
	return c
}

func TestDetailTypes(t *testing.T) {
	w := newWorld(t)
	m := exchange.Manifest{
		Clients:     []exchange.Client{asking("payment", "https://example.com/loan")},
		DetailTypes: []exchange.DetailType{detail("payment", "one"), detail("https://example.com/loan", "one"), detail("unused", "one")},
	}
	const added = "add client c, add detail-type payment, add detail-type https://example.com/loan, add detail-type unused"
	if got := short(w.apply(t, m, true)); got != added {
		t.Errorf("did %q", got)
	}
	if got := w.apply(t, w.Snapshot().Manifest(), true); got.Changes() {
		t.Errorf("applying the registered manifest did %q", short(got))
	}
	s := w.Snapshot()
	if got := s.DetailTypes(); !slices.Equal(got, []string{"https://example.com/loan", "payment"}) {
		t.Errorf("clients may request %q", got)
	}
	if k := s.DetailType("payment"); k == nil || k.Type.Scope != "pay" || s.DetailType("loan") != nil {
		t.Errorf("payment is %+v", k)
	}
	w.checkReopened(t)
	if w.Snapshot().DetailType("payment") == nil {
		t.Error("after reopening there is no payment")
	}

	s = w.Snapshot()
	m.DetailTypes[0] = detail("payment", "two")
	plan := w.apply(t, m, false)
	if got := plan[1]; got.Action != registry.Edit || !slices.Equal(got.Diff, []string{`~ schema.title: "one" → "two"`}) {
		t.Errorf("did %+v", got)
	}
	if w.Snapshot().DetailType("unused") != s.DetailType("unused") {
		t.Error("an unchanged type was compiled again")
	}
	must(t, w.Remove(t.Context(), registry.KindDetailType, "payment", noon))
	if w.Snapshot().DetailType("payment") != nil || slices.Contains(w.Snapshot().DetailTypes(), "payment") {
		t.Error("a removed type can be used")
	}
	if err := w.Remove(t.Context(), registry.KindDetailType, "payment", noon); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
	m.DetailTypes, m.Clients = nil, []exchange.Client{asking()}
	if got := short(w.apply(t, m, true)); got != "change client c, remove detail-type https://example.com/loan, remove detail-type unused" {
		t.Errorf("did %q", got)
	}
}

func TestInvalidDetailTypesChangeNothing(t *testing.T) {
	for _, row := range []struct {
		name  string
		m     exchange.Manifest
		prune bool
		path  string
	}{
		{"a schema that does not compile", exchange.Manifest{DetailTypes: []exchange.DetailType{detail("a", "bad")}}, false, "$.detailTypes[0].schema"},
		{"a client with an unknown type", exchange.Manifest{Clients: []exchange.Client{asking("unknown")}}, false, "$.clients[0].detailTypes[0]"},
		{"a client with a pruned type", exchange.Manifest{Clients: []exchange.Client{asking("known")}}, true, "$.clients[0].detailTypes[0]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t, exchange.Manifest{DetailTypes: []exchange.DetailType{detail("known", "one")}}, false)
			before := stored(t, w.engine)
			_, problems, err := w.Apply(t.Context(), row.m, row.prune, noon, nil)
			if err != nil || len(problems) != 1 || problems[0].Path != row.path {
				t.Errorf("got %v, %v", problems, err)
			}
			if stored(t, w.engine) != before {
				t.Error("something was stored")
			}
		})
	}
	w := newWorld(t)
	w.apply(t, exchange.Manifest{DetailTypes: []exchange.DetailType{detail("known", "one")}}, false)
	w.apply(t, exchange.Manifest{Clients: []exchange.Client{asking("known")}}, false) // known stays without prune
}

// shop is a client with a webhook.
func shop(secret exchange.SharedSecret) exchange.Client {
	c := client("shop")
	c.Auth, c.Scopes, c.DetailTypes = exchange.AuthSecretBasic, []string{"checkout:create"}, []string{"checkout"}
	c.Grants = []string{exchange.GrantClientCredentials, exchange.GrantTokenExchange}
	c.Origins = nil
	c.Checkout = &exchange.Checkout{Audience: "https://pay.example", Invoices: exchange.InvoicesWebhook,
		Webhook: &exchange.Webhook{URL: "https://shop.example/invoices", Secret: secret}}
	return c
}

// A webhook's secret is stored sealed, never shown, and kept by a manifest that has
// only its ID.
func TestWebhookSecretIsSealed(t *testing.T) {
	w := newWorld(t)
	secret, other := strings.Repeat("secret! ", 5), strings.Repeat("another ", 5)
	m := manifest(shop(exchange.SharedSecret{ID: "one", Value: secret}))
	plan := w.apply(t, m, false)
	if m.Clients[0].Checkout.Webhook.Secret.Value != secret {
		t.Error("the caller's manifest was changed")
	}
	if text := strings.Join(plan[0].Diff, "\n"); strings.Contains(text, "secret! ") || !strings.Contains(text, `"(secret)"`) {
		t.Errorf("the plan is %s", text)
	}
	if strings.Contains(stored(t, w.engine), "secret! ") {
		t.Error("the store contains the secret")
	}
	shown := w.Snapshot().Manifest()
	if s := shown.Clients[0].Checkout.Webhook.Secret; s.Value != "" || s.Sealed != nil || s.ID != "one" {
		t.Errorf("the manifest has %+v", s)
	}
	signs := func(want string) {
		t.Helper()
		if got := w.Snapshot().Client("shop").WebhookSecret; !bytes.Equal(got, []byte(want)) {
			t.Errorf("it signs with %q", got)
		}
	}
	signs(secret)
	for _, same := range []exchange.Manifest{m, shown} {
		if plan := w.apply(t, same, false); plan.Changes() {
			t.Errorf("applying it again did %q", short(plan))
		}
	}
	_, generated, err := w.NewSecret(context.Background(), "shop", noon)
	if must(t, err); generated == "" {
		t.Fatal("no secret")
	}
	signs(secret)
	w.reopen(t)
	signs(secret)
	plan = w.apply(t, manifest(shop(exchange.SharedSecret{ID: "one", Value: other})), false)
	if text := strings.Join(plan[0].Diff, "\n"); !strings.Contains(text, `"(secret)" → "(another secret)"`) {
		t.Errorf("the plan is %s", text)
	}
	signs(other)
	for name, s := range map[string]exchange.SharedSecret{
		"an ID without a stored value": {ID: "two"},
		"a declared seal":              {ID: "one", Value: other, Sealed: []byte("x")},
		"a seal alone":                 {Sealed: []byte("x")},
	} {
		if _, problems, err := w.Apply(t.Context(), manifest(shop(s)), false, noon, nil); err != nil || len(problems) == 0 {
			t.Errorf("%s: %v, %v", name, problems, err)
		}
	}
	signs(other)
}

// A client without the secret to call its webhook must not get checkout tokens
// unchecked.
func TestClientWithUnreadableWebhookSecretIsUnusable(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(shop(exchange.SharedSecret{Value: strings.Repeat("secret! ", 5)}), client("other")), false)
	w.cfg.Unseal = newSealer(t).unseal
	w.reopen(t)
	if w.Snapshot().Client("shop") != nil || w.Snapshot().Client("other") == nil {
		t.Error("the client can be used")
	}
	faults := w.Snapshot().Faults()
	if len(faults) != 1 || faults[0].ID != "shop" || faults[0].Problems[0].Path != "checkout.webhook.secret" {
		t.Errorf("faults are %v", faults)
	}
}
