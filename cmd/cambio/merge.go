package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

func (c *cli) link() *cobra.Command {
	return c.verb("link USER ISSUER SUBJECT", "Make a login that of a user",
		`Makes a subject of an issuer a user: its next login is that user's. Subject is what
the issuer calls it (sub), as cambio user show prints it. Issuer is the ID of an
issuer, or names a client's own users: client:ID those that its backend vouches
for, key:ID those it keeps a key for, mail:ID mailed codes, wallet:ID accounts.

A subject that is another user already is refused: unlink it first, or merge the
two users. Be sure that both are one person; an e-mail address does not say so.`, `  cambio link USER-ID google 110169484474386276334
  cambio link USER-ID client:backend customer-17`,
		cobra.ExactArgs(3), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			made, err := api.Link(ctx, admin.LinkRequest{User: args[0], Issuer: args[1], Subject: args[2]})
			err = hintedOn(err, http.StatusConflict,
				"make the subject unknown with: cambio unlink ISSUER SUBJECT, or the two users one with: cambio merge FROM INTO")
			return c.showUnless(err, made, func() {
				word := "linked"
				if !made.Added {
					word = "was linked already"
				}
				fmt.Fprintf(c.out, "subject %s of issuer %s %s to user %s\n", printable(args[2]), made.Link.Issuer, word, made.Link.User)
			})
		})
}

func (c *cli) unlink() *cobra.Command {
	return c.verb("unlink ISSUER SUBJECT", "Make a login nobody's",
		`Makes a subject of an issuer unknown again and ends the sessions born from it, in
one step. The user, its other links and their sessions stay. Where a client creates
users, the subject becomes another user at its next login: to keep somebody out,
cambio user disable.`, `  cambio user show USER-ID
  cambio unlink google 110169484474386276334`,
		cobra.ExactArgs(2), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			link, err := api.Unlink(ctx, admin.SubjectName{Issuer: args[0], Subject: args[1]})
			return c.showUnless(err, link, func() {
				fmt.Fprintf(c.out, "subject %s of issuer %s unlinked from user %s\n", printable(link.Subject), link.Issuer, link.User)
			})
		})
}

func (c *cli) merge() *cobra.Command {
	var preview, yes bool
	cmd := c.verb("merge FROM INTO [--preview] [--yes]", "Make two users one",
		`Shows what will happen and, once you have confirmed, moves all links of the user
FROM to the user INTO, deletes FROM and ends its sessions, all in one step or not at
all. INTO's sessions go on. Off a terminal, --yes confirms; --preview only shows. If
anything changed after it was shown, nothing is done.

Merge only users of whom you know that they are one person: each login of FROM gets
in as INTO from then on. Cambio merges nobody by itself, and an e-mail address that
two users share says nothing of who they are.

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
		return unknownUser(err)
	}
	from, err := lookUp(ctx, api, r.From, 1000)
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
	made, err := api.Merge(ctx, r)
	err = hintedOn(err, http.StatusConflict, "look at it again with: cambio merge FROM INTO --preview")
	return c.showUnless(unknownUser(err), made, func() {
		fmt.Fprintf(c.out, "user %s merged into %s; until %s undone by: cambio unmerge %s\n", r.From, r.Into, stamp(made.Until), made.ID)
	})
}

func printMergePlan(w io.Writer, plan admin.MergePlan, from shownUser) {
	fmt.Fprintln(w, "this user goes:")
	printUsers(w, plan.From)
	fmt.Fprintln(w, "\nthis user stays:")
	printUsers(w, plan.Into)
	if len(plan.Links) == 0 {
		fmt.Fprintln(w, "\nno links move")
	} else {
		fmt.Fprintln(w, "\nthese links move:")
		printLinks(w, plan.Links)
	}
	fmt.Fprintf(w, "\nlive sessions of the user that goes, which will end: %s\n", from.live())
}

func (c *cli) unmerge() *cobra.Command {
	return c.verb("unmerge [MERGE-ID]", "Undo a merge",
		`Undoes a merge of the last 30 days: the user that was merged is there again under
its ID, with those of its links that are still the other one's. What these links let
in since the merge ends; the other user's own sessions go on, and sessions that the
merge ended stay ended. It shows the links that the other user was given since, as
whoever comes back may have proven them. Merges that build on each other are undone last first.

Without an ID it lists the merges that can be undone.`, `  cambio unmerge
  cambio unmerge MERGE-ID`,
		cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				merges, err := api.Merges(ctx)
				return c.showUnless(err, merges, func() { printMerges(c.out, merges) })
			}
			undone, err := api.Unmerge(ctx, args[0])
			err = hintedOn(err, http.StatusNotFound, "list those that can be undone with: cambio unmerge")
			return c.showUnless(err, undone, func() { c.printUnmerged(undone) })
		})
}

func (c *cli) printUnmerged(u admin.Unmerged) {
	fmt.Fprintf(c.out, "user %s is there again beside user %s, with its links: %d\n", u.Merge.From.ID, u.Merge.Into, len(u.Restored))
	if u.Kept > 0 {
		fmt.Fprintf(c.err, "links that were removed or moved since the merge, and stay as they are: %d\n", u.Kept)
	}
	if len(u.Since) > 0 {
		fmt.Fprintf(c.err, "links that user %s was given since the merge; remove those that are not its own by cambio unlink:\n", u.Merge.Into)
		printLinks(c.err, u.Since)
	}
}

func printMerges(w io.Writer, merges []admin.Merge) {
	var rows [][]string
	for _, m := range merges {
		rows = append(rows, []string{m.ID, m.From.ID, m.Into, strconv.Itoa(m.Links), stamp(m.Time), stamp(m.Until), m.By})
	}
	table(w, "ID FROM INTO LINKS MERGED UNTIL BY", rows)
}
