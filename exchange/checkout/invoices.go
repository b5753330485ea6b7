package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Config is what Invoices need. All fields are required.
type Config struct {
	// RecordKey makes the MAC of each record, at least 32 bytes.
	RecordKey []byte
}

// Invoices knows which invoices are whose. Its methods are safe for concurrent
// use.
type Invoices struct {
	engine storage.Engine
	table  storage.Table[exchange.Invoice] // see key
	hooks  hooks
}

// New keeps lists in e.
func New(e storage.Engine, cfg Config) *Invoices {
	return &Invoices{
		engine: e,
		table:  storage.NewTable[exchange.Invoice](e, "invoices", cfg.RecordKey),
		hooks:  hooks{public: webhookClient(false), private: webhookClient(true), asking: map[string]int{}},
	}
}

// Accept refuses an invoice that is not the customer's by the source that the
// client's registration names: exchange.ReasonInvoiceNotAccepted. While that
// cannot be known it is exchange.ReasonInvoicesUnavailable.
func (i *Invoices) Accept(ctx context.Context, party *exchange.CompiledClient, p exchange.Purchase, requestID string, now time.Time) error {
	switch c := party.Client.Checkout; c.Invoices {
	case "", exchange.InvoicesNone:
		return nil
	case exchange.InvoicesRegistered:
		return i.listed(ctx, party.Client.ID, p)
	case exchange.InvoicesWebhook:
		return i.hooks.ask(ctx, party, p, requestID, now)
	default:
		return unavailable(fmt.Errorf("invoices: %s is not known", exchange.Quote(string(c.Invoices))))
	}
}

func (i *Invoices) listed(ctx context.Context, client string, p exchange.Purchase) error {
	switch _, err := i.table.Get(ctx, key(client, p.Customer, p.Invoice)); {
	case errors.Is(err, storage.ErrNotFound):
		return exchange.Refuse(exchange.ReasonInvoiceNotAccepted, errors.New("it is not on the list"))
	case storage.Unavailable(err):
		return exchange.Refuse(exchange.ReasonStoreUnavailable, err)
	default:
		return err
	}
}

// Add puts invoices on a client's list, in one commit. One that is there is
// there once.
func (i *Invoices) Add(ctx context.Context, client string, list []exchange.Invoice, now time.Time) error {
	writes := map[string]storage.Write{} // key → write: in a commit each key is written once
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

// Remove takes invoices off a client's list, in one commit, and answers how
// many of them were on it.
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

// Forget empties the list of a client that is no more, in small commits: who is
// registered by its ID later begins with none.
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

// List is at most limit of a client's invoices in an order of their own, from
// on; with customer only that customer's. Next is where it goes on, empty at
// the end.
func (i *Invoices) List(ctx context.Context, client, customer, from string, limit int) (list []exchange.Invoice, next string, err error) {
	begin := prefix(client, customer)
	end := begin[:len(begin)-1] + "0" // what comes after a slash
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
	all := make([]storage.Write, 0, len(writes))
	for _, w := range writes {
		all = append(all, w)
	}
	if len(all) == 0 {
		return nil
	}
	if err := i.engine.Commit(ctx, all...); err != nil {
		return fmt.Errorf("%s invoices: %w", doing, err)
	}
	return nil
}

// key is <client>/<customer>/<invoice>, the last two as hashes: they may hold
// any character, and a client's ID holds no slash.
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
	return exchange.Refuse(exchange.ReasonInvoicesUnavailable, err)
}
