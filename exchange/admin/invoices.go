package admin

import (
	"context"
	"net/http"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
)

// invoices are the clients' lists of invoices, which package checkout keeps.
type invoices interface {
	Add(ctx context.Context, client string, list []exchange.Invoice, now time.Time) error
	Remove(ctx context.Context, client string, list []exchange.Invoice) (int, error)
	List(ctx context.Context, client, customer, from string, limit int) ([]exchange.Invoice, string, error)
	Forget(ctx context.Context, client string) error
}

// Invoices is a page of a client's invoices, in an order of the store.
type Invoices struct {
	Invoices []exchange.Invoice `json:"invoices" nullable:"false"`
	Next     string             `json:"next,omitempty" doc:"from of the next page; absent on the last"`
}

// InvoiceFilter selects invoices of a client. Empty fields select all.
type InvoiceFilter struct {
	Customer string `query:"customer" doc:"Only invoices of this customer"`
	From     string `query:"from" doc:"next of the previous page"`
	Limit    int    `query:"limit" default:"100" minimum:"1" maximum:"1000"` // 0 means 100
}

// InvoiceRef names an invoice of a customer.
type InvoiceRef struct {
	Customer string `json:"customer_id" minLength:"1" maxLength:"255"`
	ID       string `json:"invoice_id" minLength:"1" maxLength:"255"`
}

type invoiceRequest struct {
	ID   string `path:"id"`
	Body invoiceRefs
}

type invoiceRefs struct {
	Invoices []InvoiceRef `json:"invoices" nullable:"false" minItems:"1" maxItems:"1000"`
}

type invoiceQuery struct {
	ID string `path:"id"`
	InvoiceFilter
}

type removedInvoices struct {
	Removed int `json:"removed" doc:"How many of them were on the list"`
}

func (a *api) invoices() {
	if a.cfg.Invoices == nil {
		return
	}
	handle(a, "listInvoices", "GET /v1/clients/{id}/invoices",
		"List the invoices that a client's checkout tokens may be for, with invoices: registered", a.listInvoices)
	handleEmpty(a, "addInvoices", "POST /v1/clients/{id}/invoices", "Add invoices to a client's list, all or none", a.addInvoices, maxBytes(maxInvoices))
	handle(a, "removeInvoices", "POST /v1/clients/{id}/invoices:remove",
		"Remove invoices from a client's list; tokens that were issued stay valid until they expire, within minutes", a.removeInvoices, maxBytes(maxInvoices))
}

// maxInvoices is in bytes: a thousand of the longest, each character escaped.
const maxInvoices = 4 << 20

func (a *api) listInvoices(ctx context.Context, in *invoiceQuery) (Invoices, error) {
	if _, err := a.findClient(in.ID); err != nil {
		return Invoices{}, err
	}
	list, next, err := a.cfg.Invoices.List(ctx, in.ID, in.Customer, in.From, in.Limit)
	return Invoices{nonNil(list), next}, err
}

func (a *api) addInvoices(ctx context.Context, in *invoiceRequest) error {
	list, err := a.readInvoices(in)
	if err == nil {
		err = a.cfg.Invoices.Add(ctx, in.ID, list, a.now())
	}
	if err == nil {
		a.note(ctx, audit.Event{Name: "admin.invoice.add", Client: in.ID})
	}
	return err
}

func (a *api) removeInvoices(ctx context.Context, in *invoiceRequest) (removedInvoices, error) {
	list, err := a.readInvoices(in)
	if err != nil {
		return removedInvoices{}, err
	}
	n, err := a.cfg.Invoices.Remove(ctx, in.ID, list)
	if err == nil {
		a.note(ctx, audit.Event{Name: "admin.invoice.remove", Client: in.ID})
	}
	return removedInvoices{n}, err
}

// readInvoices returns the invoices of a request, which a checkout token could be
// for, of a registered client.
func (a *api) readInvoices(in *invoiceRequest) ([]exchange.Invoice, error) {
	if _, err := a.findClient(in.ID); err != nil {
		return nil, err
	}
	var out []exchange.Invoice
	for _, r := range in.Body.Invoices {
		if !exchange.ValidCheckoutID(r.Customer) || !exchange.ValidCheckoutID(r.ID) {
			return nil, refused(http.StatusUnprocessableEntity,
				"customer_id and invoice_id must be 1 to 255 bytes without control characters; nothing was changed")
		}
		out = append(out, exchange.Invoice{Customer: r.Customer, ID: r.ID})
	}
	return out, nil
}

// forgetInvoices empties the lists of the clients that a plan removed. A list that
// remains has no effect until a client of its ID is registered.
func (a *api) forgetInvoices(ctx context.Context, plan registry.Plan) {
	for _, c := range plan {
		if a.cfg.Invoices == nil || c.Kind != registry.KindClient || c.Action != registry.Remove {
			continue
		}
		if err := a.cfg.Invoices.Forget(ctx, c.ID); err != nil {
			a.log.ErrorContext(ctx, "a removed client's invoices are still listed", "client", c.ID, "error", err)
		}
	}
}
