package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) invoice() *cobra.Command {
	return group("invoice", "Manage the invoices that checkout tokens may be for",
		`A client whose checkout has invoices: registered gets checkout tokens only for
the invoices on its list. With invoices: webhook the server asks the client's own
system instead; with none it accepts what the client requests.`, `  cambio invoice add shop --customer c-1 i-1 i-2
  cambio invoice list shop --customer c-1`,
		c.invoiceAdd(), c.invoiceList(), c.invoiceRemove())
}

func (c *cli) invoiceAdd() *cobra.Command {
	return c.invoiceChange("add", "Add invoices of a customer",
		`Adds invoices of a customer to a client's list, at most 1000 at a time. Those
that are on it stay.`, `  cambio invoice add shop --customer c-1 i-1 i-2`,
		func(ctx context.Context, api *admin.Client, client string, list []admin.InvoiceRef) (invoiceCount, error) {
			return invoiceCount{Client: client, Added: len(list)}, api.AddInvoices(ctx, client, list)
		})
}

func (c *cli) invoiceRemove() *cobra.Command {
	return c.invoiceChange("remove", "Remove invoices of a customer",
		`Removes invoices of a customer from a client's list, at most 1000 at a time.
Checkout tokens that were issued stay valid until they expire, minutes later.`, `  cambio invoice remove shop --customer c-1 i-1`,
		func(ctx context.Context, api *admin.Client, client string, list []admin.InvoiceRef) (invoiceCount, error) {
			n, err := api.RemoveInvoices(ctx, client, list)
			return invoiceCount{Client: client, Removed: n}, err
		})
}

// invoiceChange returns a command that changes a client's list.
func (c *cli) invoiceChange(name, short, long, example string,
	call func(ctx context.Context, api *admin.Client, client string, list []admin.InvoiceRef) (invoiceCount, error)) *cobra.Command {
	var customer string
	cmd := c.verb(name+" CLIENT --customer C INVOICE...", short, long, example,
		cobra.RangeArgs(2, 1+maxPage), request(c, func(ctx context.Context, api *admin.Client, args []string) (invoiceCount, error) {
			var list []admin.InvoiceRef
			for _, id := range args[1:] {
				list = append(list, admin.InvoiceRef{Customer: customer, ID: id})
			}
			return call(ctx, api, args[0], list)
		}, func(n invoiceCount) { fmt.Fprintln(c.out, n) }))
	cmd.Flags().StringVar(&customer, "customer", "", "the customer's `ID`")
	required(cmd, "customer")
	return cmd
}

// invoiceCount is how many invoices of a client's list were changed.
type invoiceCount struct {
	Client  string `json:"client"`
	Added   int    `json:"added,omitempty"`
	Removed int    `json:"removed"`
}

func (n invoiceCount) String() string {
	if n.Added > 0 {
		return count(n.Added, "invoice") + " added"
	}
	return count(n.Removed, "invoice") + " removed"
}

func (c *cli) invoiceList() *cobra.Command {
	var f admin.InvoiceFilter
	invoices := table[exchange.Invoice]{"CUSTOMER INVOICE ADDED", func(v exchange.Invoice) []string {
		return []string{v.Customer, v.ID, stamp(v.Added)}
	}}
	cmd := c.verb("list CLIENT [--customer C] [--limit N]", "List a client's invoices",
		`Lists the invoices that a client's checkout tokens may be for, --limit at a time;
--from continues after the previous page.`, `  cambio invoice list shop
  cambio invoice list shop --customer c-1 -o json`,
		cobra.ExactArgs(1), request(c, func(ctx context.Context, api *admin.Client, args []string) (all admin.Invoices, err error) {
			all.Invoices, all.Next, err = pages(f.From, f.Limit, func(from string, limit int) ([]exchange.Invoice, string, error) {
				page, err := api.Invoices(ctx, args[0], admin.InvoiceFilter{Customer: f.Customer, From: from, Limit: limit})
				return page.Invoices, page.Next, err
			})
			return all, err
		}, func(all admin.Invoices) {
			invoices.print(c.out, all.Invoices...)
			c.printNext(all.Next)
		}))
	cmd.Flags().StringVar(&f.Customer, "customer", "", "only those of this customer `ID`")
	pageFlags(cmd, &f.From, &f.Limit)
	return cmd
}
