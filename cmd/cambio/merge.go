package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"cambio/exchange"
	"cambio/exchange/admin"

	"github.com/spf13/cobra"
)

func (c *cli) merge() *cobra.Command {
	var preview, yes bool
	cmd := c.verb("merge FROM INTO [--preview] [--yes]", "Merge two users",
		`Shows what will happen and, once you have confirmed, moves all links of the user
FROM to the user INTO, deletes FROM and ends its sessions, all in one step or not at
all. INTO's sessions go on. Off a terminal, --yes confirms; --preview only shows. If
anything changed after it was shown, nothing is done.

Merge users only if you know that they are one person: each login of FROM logs in
as INTO from then on. Cambio never merges users by itself, and an e-mail address
that two users share does not show that they are one person.

cambio unmerge undoes a merge for 30 days.`, `  cambio merge USER-ID-THAT-GOES USER-ID-THAT-STAYS --preview
  cambio merge USER-ID-THAT-GOES USER-ID-THAT-STAYS`,
		cobra.ExactArgs(2), func(ctx context.Context, args []string) error {
			return c.mergeUsers(ctx, admin.MergeRequest{From: args[0], Into: args[1]}, preview, yes)
		})
	cmd.Flags().BoolVar(&preview, "preview", false, "show what would happen and change nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "merge without asking")
	return cmd
}

func (c *cli) mergeUsers(ctx context.Context, r admin.MergeRequest, preview, yes bool) error {
	api, err := c.admin()
	if err != nil {
		return err
	}
	plan, err := api.PlanMerge(ctx, r)
	if err != nil {
		return unknown("user", err)
	}
	from, err := lookUp(ctx, api, r.From, maxPage)
	if err != nil {
		return err
	}
	if preview {
		return c.show(plan, func() { printMergePlan(c.out, plan, from) })
	}
	printMergePlan(c.preview(), plan, from)
	if err := c.confirm("Are these two users one person?", yes); err != nil {
		return err
	}
	r.Version = plan.Version
	merge, err := api.Merge(ctx, r)
	if err != nil {
		return unknown("user", hintedOn(err, http.StatusConflict, "look at it again with: cambio merge FROM INTO --preview"))
	}
	return c.show(merge, func() {
		fmt.Fprintf(c.out, "user %s merged into %s; until %s undone by: cambio unmerge %s\n", r.From, r.Into, stamp(merge.Until), merge.ID)
	})
}

func printMergePlan(w io.Writer, plan admin.MergePlan, from shownUser) {
	fmt.Fprintln(w, "this user is removed:")
	userTable.print(w, plan.From)
	fmt.Fprintln(w, "\nthis user stays:")
	userTable.print(w, plan.Into)
	if len(plan.Links) == 0 {
		fmt.Fprintln(w, "\nno links move")
	} else {
		fmt.Fprintln(w, "\nthese links move:")
		linkTable.print(w, plan.Links...)
	}
	fmt.Fprintf(w, "\nactive sessions of the removed user, which will end: %s\n", from.active())
}

func (c *cli) unmerge() *cobra.Command {
	merges := list(c, mergeTable, (*admin.Client).Merges)
	undo := request(c, func(ctx context.Context, api *admin.Client, args []string) (admin.Unmerged, error) {
		undone, err := api.Unmerge(ctx, args[0])
		return undone, hintedOn(err, http.StatusNotFound, "list the merges that can be undone with: cambio unmerge")
	}, c.printUnmerged)
	return c.verb("unmerge [MERGE-ID]", "Undo a merge",
		`Undoes a merge of the last 30 days: the user that was merged exists again under its
ID, with those of its links that still belong to the other user. Sessions created from
these links since the merge end; the other user's own sessions go on, and sessions
that the merge ended stay ended. It shows the links that the other user was given
since: the restored user may have proven them. Merges that build on each other are
undone last first.

Without an ID it lists the merges that can be undone.`, `  cambio unmerge
  cambio unmerge MERGE-ID`,
		cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return merges(ctx, args)
			}
			return undo(ctx, args)
		})
}

func (c *cli) printUnmerged(u admin.Unmerged) {
	fmt.Fprintf(c.out, "user %s is restored beside user %s, with its links: %d\n", u.Merge.From.ID, u.Merge.Into, len(u.Restored))
	if u.Kept > 0 {
		fmt.Fprintf(c.err, "links that were removed or moved since the merge, and are not restored: %d\n", u.Kept)
	}
	if len(u.Since) > 0 {
		fmt.Fprintf(c.err, "links that user %s was given since the merge; remove those that are not its own with cambio unlink:\n", u.Merge.Into)
		linkTable.print(c.err, u.Since...)
	}
}

var mergeTable = table[admin.Merge]{"ID FROM INTO LINKS MERGED UNTIL BY", func(m admin.Merge) []string {
	return []string{m.ID, m.From.ID, m.Into, strconv.Itoa(m.Links), stamp(m.Time), stamp(m.Until), m.By}
}}

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
	var force bool
	cmd := c.verb("unlink ISSUER SUBJECT", "Unlink a login from its user",
		`Removes the link of a subject of an issuer and ends the sessions created from it, in
one step. The user, its other links and their sessions stay. Where a client creates
users, the next login of the subject creates a new user: to lock a user out, cambio
user disable.

The only login of a user is refused: that user could not log in any more. With
--force it is removed all the same.`, `  cambio user show USER-ID
  cambio unlink google 110169484474386276334`,
		cobra.ExactArgs(2), request(c, func(ctx context.Context, api *admin.Client, args []string) (exchange.Link, error) {
			link, err := api.Unlink(ctx, admin.UnlinkRequest{Issuer: args[0], Subject: args[1], Force: force})
			return link, hintedOn(err, http.StatusConflict,
				"link another login first with: cambio link USER ISSUER SUBJECT; or remove the only login with: --force")
		}, func(link exchange.Link) {
			fmt.Fprintf(c.out, "subject %s of issuer %s unlinked from user %s\n", printable(link.Subject), link.Issuer, link.User)
		}))
	cmd.Flags().BoolVar(&force, "force", false, "remove it even if it is the only login of its user")
	return cmd
}
