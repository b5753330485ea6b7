package admin_test

import (
	"strings"
	"testing"

	"cambio/exchange/admin"
)

func TestInvoices(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	f.audited()
	refs := []admin.InvoiceRef{{Customer: "c-1", ID: "i-1"}, {Customer: "c-1", ID: "i-2"}, {Customer: "c-2", ID: "i-1"}}
	must(t, f.AddInvoices(t.Context(), "backend", refs))
	must(t, f.AddInvoices(t.Context(), "shop", refs[:1]))
	page, err := f.Invoices(t.Context(), "backend", admin.InvoiceFilter{Customer: "c-1", Limit: 1})
	must(t, err)
	rest, err := f.Invoices(t.Context(), "backend", admin.InvoiceFilter{Customer: "c-1", From: page.Next})
	must(t, err)
	if all := append(page.Invoices, rest.Invoices...); len(all) != 2 || all[0].Customer != "c-1" || all[0].ID == all[1].ID || all[0].Added.IsZero() || rest.Next != "" {
		t.Errorf("listed %+v", all)
	}
	n, err := f.RemoveInvoices(t.Context(), "backend", []admin.InvoiceRef{refs[0], {Customer: "c-9", ID: "i-9"}})
	if must(t, err); n != 1 {
		t.Errorf("removed %d", n)
	}
	if got := f.audited(); got != "admin.invoice.add admin.invoice.add admin.invoice.remove" {
		t.Errorf("audited: %s", got)
	}
	for name, list := range map[string][]admin.InvoiceRef{
		"nothing":                 {},
		"no customer":             {{ID: "i"}},
		"a line break":            {{Customer: "c\n", ID: "i"}},
		"a long invoice":          {{Customer: "c", ID: strings.Repeat("é", 200)}},
		"more than 1000":          make([]admin.InvoiceRef, 1001),
		"one invalid among valid": {refs[0], {Customer: "c", ID: ""}},
	} {
		if err := f.AddInvoices(t.Context(), "backend", list); status(err) != 422 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.AddInvoices(t.Context(), "unknown", refs); status(err) != 404 {
		t.Errorf("of an unknown client: %v", err)
	}
	must(t, f.RemoveClient(t.Context(), "backend"))
	m := manifest()
	m.Clients = m.Clients[1:]
	if m.Clients[0].ID == "shop" {
		t.Fatal("the manifest still has the removed client")
	}
	_, err = f.Client.Apply(t.Context(), m, true)
	must(t, err)
	f.apply(t, manifest())
	for _, client := range []string{"backend", "shop"} {
		page, err := f.Invoices(t.Context(), client, admin.InvoiceFilter{})
		if must(t, err); len(page.Invoices) != 0 {
			t.Errorf("%s, which was removed, has %+v", client, page.Invoices)
		}
	}
}
