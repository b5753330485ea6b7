package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) invoice() *cobra.Command {
	return c.group("invoice", "What checkout tokens may be for",
		`A client whose checkout says invoices: registered gets checkout tokens only for
the invoices on its list. Where its own system should be asked instead, it says
invoices: webhook; where its own word counts, none.`, `  cambio invoice add shop --customer c-1 i-1 i-2
  cambio invoice list shop --customer c-1`,
		c.invoiceAdd(), c.invoiceList(), c.invoiceRemove())
}

// mostInvoices is how many one call takes.
const mostInvoices = 1000

func (c *cli) invoiceAdd() *cobra.Command {
	var customer string
	cmd := c.verb("add CLIENT --customer C INVOICE...", "Add invoices of a customer",
		`Adds invoices of a customer to a client's list, at most 1000 at a time. One that
is on it stays.`, `  cambio invoice add shop --customer c-1 i-1 i-2`,
		cobra.RangeArgs(2, 1+mostInvoices), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = api.AddInvoices(ctx, args[0], invoicesOf(customer, args[1:]))
			}
			return c.showUnless(err, invoiceCount{Client: args[0], Added: len(args) - 1}, nil)
		})
	cmd.Flags().StringVar(&customer, "customer", "", "the customer's `ID`")
	required(cmd, "customer")
	return cmd
}

func (c *cli) invoiceRemove() *cobra.Command {
	var customer string
	cmd := c.verb("remove CLIENT --customer C INVOICE...", "Remove invoices of a customer",
		`Removes invoices of a customer from a client's list, at most 1000 at a time.
Checkout tokens that are out live their minutes.`, `  cambio invoice remove shop --customer c-1 i-1`,
		cobra.RangeArgs(2, 1+mostInvoices), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			n := 0
			if err == nil {
				n, err = api.RemoveInvoices(ctx, args[0], invoicesOf(customer, args[1:]))
			}
			return c.showUnless(err, invoiceCount{Client: args[0], Removed: n}, nil)
		})
	cmd.Flags().StringVar(&customer, "customer", "", "the customer's `ID`")
	required(cmd, "customer")
	return cmd
}

// invoiceCount is what became of a client's list.
type invoiceCount struct {
	Client  string `json:"client"`
	Added   int    `json:"added,omitempty"`
	Removed int    `json:"removed"`
}

func (n invoiceCount) String() string {
	if n.Added > 0 {
		return fmt.Sprintf("%s added", count(n.Added, "invoice"))
	}
	return fmt.Sprintf("%s removed", count(n.Removed, "invoice"))
}

func invoicesOf(customer string, ids []string) []admin.InvoiceRef {
	out := make([]admin.InvoiceRef, len(ids))
	for i, id := range ids {
		out[i] = admin.InvoiceRef{Customer: customer, ID: id}
	}
	return out
}

func (c *cli) invoiceList() *cobra.Command {
	var f admin.InvoiceFilter
	cmd := c.verb("list CLIENT [--customer C] [--limit N]", "List a client's invoices",
		`Lists the invoices that a client's checkout tokens may be for, --limit at a time;
--from goes on where the page before ended.`, `  cambio invoice list shop
  cambio invoice list shop --customer c-1 -o json`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			page, err := fillInvoices(ctx, api, args[0], f)
			return c.showUnless(err, page, func() {
				var rows [][]string
				for _, v := range page.Invoices {
					rows = append(rows, []string{v.Customer, v.ID, stamp(v.Added)})
				}
				table(c.out, "CUSTOMER INVOICE ADDED", rows)
				if page.Next != "" {
					fmt.Fprintf(c.err, "there are more: --from %s\n", page.Next)
				}
			})
		})
	flags := cmd.Flags()
	flags.StringVar(&f.Customer, "customer", "", "only those of this customer `ID`")
	flags.StringVar(&f.From, "from", "", "begin `where` the page before ended")
	flags.IntVar(&f.Limit, "limit", 100, "at most this many")
	return cmd
}

// fillInvoices asks until it has as many invoices as f wants.
func fillInvoices(ctx context.Context, api *admin.Client, client string, f admin.InvoiceFilter) (admin.Invoices, error) {
	all := admin.Invoices{Invoices: []exchange.Invoice{}}
	for {
		ask := f
		ask.Limit = min(f.Limit, 1000) // the most that one answer holds
		page, err := api.Invoices(ctx, client, ask)
		if err != nil {
			return all, err
		}
		all.Invoices = append(all.Invoices, page.Invoices...)
		all.Next = page.Next
		f.From, f.Limit = page.Next, f.Limit-len(page.Invoices)
		if f.From == "" || f.Limit <= 0 {
			return all, nil
		}
	}
}
