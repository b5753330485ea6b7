package admin_test

import (
	"testing"

	"cambio/exchange"
)

func TestDetailTypes(t *testing.T) {
	f := setup(t)
	m := manifest()
	const loan = "https://example.com/loan"
	for _, name := range []string{"shop", loan} { // one is also the ID of a client
		m.DetailTypes = append(m.DetailTypes, exchange.DetailType{
			Type: name, Scope: "read", Schema: map[string]any{"properties": map[string]any{"n": map[string]any{"type": "integer"}}},
		})
	}
	f.apply(t, m)
	f.audited()
	list, err := f.Client.DetailTypes(t.Context())
	must(t, err)
	if len(list) != 2 || list[0].Type != loan || list[1].Scope != "read" {
		t.Errorf("listed %+v", list)
	}
	shown, err := f.Client.DetailType(t.Context(), loan)
	must(t, err)
	if shown.Type != loan || shown.Schema["properties"] == nil {
		t.Errorf("shown %+v", shown)
	}
	must(t, f.Client.RemoveDetailType(t.Context(), loan))
	if err := f.Client.RemoveDetailType(t.Context(), loan); status(err) != 404 {
		t.Errorf("again: %v", err)
	}
	if _, err := f.Client.DetailType(t.Context(), loan); status(err) != 404 {
		t.Errorf("show: %v", err)
	}
	if got := f.audited(); got != "admin.detail-type.remove" {
		t.Errorf("audited: %s", got)
	}
	session := f.start(t, "google", "shop", "alice")
	m.DetailTypes = nil
	plan, err := f.Client.Apply(t.Context(), m, true)
	must(t, err)
	if last := plan.Changes[len(plan.Changes)-1]; last.Action != "remove" || last.Kind != "detail-type" || last.ID != "shop" {
		t.Errorf("did %+v", plan.Changes)
	}
	if s, err := f.Session(t.Context(), session); err != nil || s.Ended {
		t.Errorf("removing a type ended sessions of the client of its name: %+v, %v", s, err)
	}
	m.DetailTypes = []exchange.DetailType{{Type: "a", Scope: "read", Schema: map[string]any{"propertys": 1}}}
	if _, err := f.Client.Apply(t.Context(), m, false); status(err) != 422 {
		t.Errorf("a bad schema: %v", err)
	}
}
