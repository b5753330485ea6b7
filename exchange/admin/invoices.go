package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
)

// invoices are clients' lists of them; package checkout has them.
type invoices interface {
	Add(ctx context.Context, client string, list []exchange.Invoice, now time.Time) error
	Remove(ctx context.Context, client string, list []exchange.Invoice) (int, error)
	List(ctx context.Context, client, customer, from string, limit int) ([]exchange.Invoice, string, error)
	Forget(ctx context.Context, client string) error
}

// Invoices is a page of a client's invoices, in an order of their own.
type Invoices struct {
	Invoices []exchange.Invoice `json:"invoices" nullable:"false"`
	Next     string             `json:"next,omitempty" doc:"from of the next page; absent at the end"`
}

// InvoiceFilter chooses invoices of a client.
type InvoiceFilter struct {
	Customer string // empty: of all customers
	From     string // Next of the page before
	Limit    int    // 0 means 100
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
	ID       string `path:"id"`
	Customer string `query:"customer" doc:"Only this customer's"`
	From     string `query:"from" doc:"Where the page before ended"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type removedInvoices struct {
	Removed int `json:"removed" doc:"How many of them were on the list"`
}

func (a *api) invoices() {
	if a.cfg.Invoices == nil {
		return
	}
	handle(a, huma.Operation{
		OperationID: "listInvoices", Method: http.MethodGet, Path: "/v1/clients/{id}/invoices",
		Summary: "List the invoices that a client's checkout tokens may be for, with invoices: registered",
	}, a.listInvoices)
	handle(a, huma.Operation{
		OperationID: "addInvoices", Method: http.MethodPost, Path: "/v1/clients/{id}/invoices", DefaultStatus: http.StatusNoContent,
		MaxBodyBytes: maxInvoices, Summary: "Add invoices to a client's list, all or none",
	}, a.addInvoices)
	handle(a, huma.Operation{
		OperationID: "removeInvoices", Method: http.MethodPost, Path: "/v1/clients/{id}/invoices:remove",
		MaxBodyBytes: maxInvoices, Summary: "Remove invoices from a client's list; tokens that are out live their minutes",
	}, a.removeInvoices)
}

// maxInvoices is in bytes: a thousand of the longest, each character escaped.
const maxInvoices = 4 << 20

func (a *api) listInvoices(ctx context.Context, in *invoiceQuery) (*answer[Invoices], error) {
	if _, err := a.findClient(in.ID); err != nil {
		return nil, err
	}
	list, next, err := a.cfg.Invoices.List(ctx, in.ID, in.Customer, in.From, in.Limit)
	return answering(Invoices{append([]exchange.Invoice{}, list...), next}), err
}

func (a *api) addInvoices(ctx context.Context, in *invoiceRequest) (*nothing, error) {
	list, err := a.readInvoices(in)
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Invoices.Add(ctx, in.ID, list, a.now()); err != nil {
		return nil, err
	}
	a.note(ctx, audit.Event{Name: "admin.invoice.add", Client: in.ID})
	return nil, nil
}

func (a *api) removeInvoices(ctx context.Context, in *invoiceRequest) (*answer[removedInvoices], error) {
	list, err := a.readInvoices(in)
	if err != nil {
		return nil, err
	}
	n, err := a.cfg.Invoices.Remove(ctx, in.ID, list)
	if err != nil {
		return nil, err
	}
	a.note(ctx, audit.Event{Name: "admin.invoice.remove", Client: in.ID})
	return answering(removedInvoices{n}), nil
}

// readInvoices are invoices that a token could be for, of a client that there is.
func (a *api) readInvoices(in *invoiceRequest) ([]exchange.Invoice, error) {
	if _, err := a.findClient(in.ID); err != nil {
		return nil, err
	}
	var out []exchange.Invoice
	for _, r := range in.Body.Invoices {
		if !exchange.ValidCheckoutID(r.Customer) || !exchange.ValidCheckoutID(r.ID) {
			return nil, &refusal{status: http.StatusUnprocessableEntity,
				detail: "customer_id and invoice_id must be 1 to 255 bytes without control characters; nothing was changed"}
		}
		out = append(out, exchange.Invoice{Customer: r.Customer, ID: r.ID})
	}
	return out, nil
}

// forgetInvoices empties the lists of clients that a plan removed. What is
// left of one counts for nothing until a client of its ID is registered.
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
