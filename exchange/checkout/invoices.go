package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Invoices verifies invoices and stores the lists of registered ones. Its methods
// are safe for concurrent use.
type Invoices struct {
	engine   storage.Engine
	table    storage.Table[exchange.Invoice] // see key
	webhooks *webhooks
}

// New returns Invoices that store their lists in e. recordKey makes the MAC of each
// record and has at least 32 bytes.
func New(e storage.Engine, recordKey []byte) *Invoices {
	return &Invoices{
		engine:   e,
		table:    storage.NewTable[exchange.Invoice](e, "invoices", recordKey),
		webhooks: newWebhooks(),
	}
}

// Accept verifies an invoice by the source of the client's registration. It
// refuses with exchange.ReasonInvoiceNotAccepted if the invoice is not the
// customer's, and with exchange.ReasonInvoicesUnavailable if the source does not
// respond.
func (i *Invoices) Accept(ctx context.Context, client *exchange.CompiledClient, p exchange.Purchase, requestID string, now time.Time) error {
	switch source := client.Client.Checkout.Invoices; source {
	case "", exchange.InvoicesNone:
		return nil
	case exchange.InvoicesRegistered:
		return i.checkListed(ctx, client.Client.ID, p)
	case exchange.InvoicesWebhook:
		return i.webhooks.accept(ctx, client, p, requestID, now)
	default:
		return unavailable(fmt.Errorf("unknown source of invoices %s", exchange.Quote(string(source))))
	}
}

func (i *Invoices) checkListed(ctx context.Context, client string, p exchange.Purchase) error {
	_, err := i.table.Get(ctx, key(client, p.Customer, p.Invoice))
	if errors.Is(err, storage.ErrNotFound) {
		return exchange.Refuse(exchange.ReasonInvoiceNotAccepted, errors.New("it is not on the list"))
	}
	if err != nil {
		return fmt.Errorf("looking up the invoice: %w", err)
	}
	return nil
}

// Add adds invoices to a client's list, in one commit. Adding an invoice again
// changes only its time.
func (i *Invoices) Add(ctx context.Context, client string, list []exchange.Invoice, now time.Time) error {
	writes := map[string]storage.Write{} // by key: a commit writes each key once
	for _, v := range list {
		at := key(client, v.Customer, v.ID)
		w, err := i.table.Put(at, exchange.Invoice{Customer: v.Customer, ID: v.ID, Added: now.UTC()})
		if err != nil {
			return fmt.Errorf("adding invoices: %w", err)
		}
		writes[at] = w
	}
	return i.commit(ctx, "adding", writes)
}

// Remove removes invoices from a client's list, in one commit, and returns how many
// of them were on it.
func (i *Invoices) Remove(ctx context.Context, client string, list []exchange.Invoice) (int, error) {
	writes := map[string]storage.Write{}
	for _, v := range list {
		at := key(client, v.Customer, v.ID)
		row, err := i.table.Get(ctx, at)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("removing invoices: %w", err)
		}
		writes[at] = i.table.Delete(row)
	}
	return len(writes), i.commit(ctx, "removing", writes)
}

// Forget removes the whole list of a removed client, in small commits, so that a
// new client with the same ID does not inherit it.
func (i *Invoices) Forget(ctx context.Context, client string) error {
	const batch = 256
	for {
		list, _, err := i.List(ctx, client, "", "", batch)
		if err != nil || len(list) == 0 {
			return err
		}
		if _, err := i.Remove(ctx, client, list); err != nil && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

// List returns at most limit invoices of a client, or of one of its customers, in
// key order from a position on. next is the position to continue at, empty at the
// end.
func (i *Invoices) List(ctx context.Context, client, customer, from string, limit int) (list []exchange.Invoice, next string, err error) {
	begin := prefix(client, customer)
	end := begin[:len(begin)-1] + "0" // the character after the slash
	if limit <= 0 {
		return nil, "", nil
	}
	for row, err := range i.table.Scan(ctx, begin+from, end, limit+1) {
		if err != nil {
			return nil, "", fmt.Errorf("listing invoices: %w", err)
		}
		if len(list) == limit {
			return list, row.Key[len(begin):], nil
		}
		list = append(list, row.Value)
	}
	return list, "", nil
}

func (i *Invoices) commit(ctx context.Context, doing string, writes map[string]storage.Write) error {
	if len(writes) == 0 {
		return nil
	}
	if err := i.engine.Commit(ctx, slices.Collect(maps.Values(writes))...); err != nil {
		return fmt.Errorf("%s invoices: %w", doing, err)
	}
	return nil
}

// key returns <client>/<customer>/<invoice>. The last two are hashes, because they
// can have any character; a client's ID has no slash.
func key(client, customer, invoice string) string {
	return prefix(client, customer) + digest(invoice)
}

func prefix(client, customer string) string {
	if customer == "" {
		return client + "/"
	}
	return client + "/" + digest(customer) + "/"
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func unavailable(err error) error {
	return &exchange.Error{Reason: exchange.ReasonInvoicesUnavailable, RetryAfter: webhookTimeout, Err: err}
}
