package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) link() *cobra.Command {
	return c.verb("link USER ISSUER SUBJECT", "Link a login to a user",
		`Links a subject of an issuer to a user: its next login is that user's. SUBJECT is
what the issuer calls it (sub), as cambio user show prints it. ISSUER is the ID of an
issuer, or names a client's own users: client:ID those that its backend asserts,
key:ID those it keeps a key for, mail:ID mailed codes, wallet:ID accounts.

A subject that is linked to another user is refused: unlink it first, or merge the
two users. Make sure that both are one person; an e-mail address does not show it.`, `  cambio link USER-ID google 110169484474386276334
  cambio link USER-ID client:backend customer-17`,
		cobra.ExactArgs(3), request(c, func(ctx context.Context, api *admin.Client, args []string) (admin.LinkResult, error) {
			result, err := api.Link(ctx, admin.LinkRequest{User: args[0], Issuer: args[1], Subject: args[2]})
			return result, hintedOn(err, http.StatusConflict,
				"unlink the subject first with: cambio unlink ISSUER SUBJECT, or merge the two users with: cambio merge FROM INTO")
		}, c.printLink))
}

func (c *cli) printLink(result admin.LinkResult) {
	word := "linked"
	if !result.Added {
		word = "was linked already"
	}
	fmt.Fprintf(c.out, "subject %s of issuer %s %s to user %s\n", printable(result.Link.Subject), result.Link.Issuer, word, result.Link.User)
}

func (c *cli) unlink() *cobra.Command {
	return c.verb("unlink ISSUER SUBJECT", "Unlink a login from its user",
		`Removes the link of a subject of an issuer and ends the sessions created from it, in
one step. The user, its other links and their sessions stay. Where a client creates
users, the next login of the subject creates a new user: to lock a user out, cambio
user disable.`, `  cambio user show USER-ID
  cambio unlink google 110169484474386276334`,
		cobra.ExactArgs(2), request(c, func(ctx context.Context, api *admin.Client, args []string) (exchange.Link, error) {
			return api.Unlink(ctx, admin.SubjectName{Issuer: args[0], Subject: args[1]})
		}, func(link exchange.Link) {
			fmt.Fprintf(c.out, "subject %s of issuer %s unlinked from user %s\n", printable(link.Subject), link.Issuer, link.User)
		}))
}
