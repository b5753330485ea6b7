package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

func (c *cli) session() *cobra.Command {
	return group("session", "Manage sessions",
		`A session is created by an exchange of one proof and records its user, its client,
its issuer and the issuer's key. Only clients with refresh tokens have stored
sessions; tokens of other clients are revoked by user, client, issuer, key or subject
in the same way.`, `  cambio session list --client shop
  cambio session revoke --user USER-ID`,
		c.sessionList(), c.sessionShow(), c.sessionRevoke())
}

func (c *cli) sessionList() *cobra.Command {
	var f admin.SessionFilter
	cmd := c.verb("list [--user U] [--client C] [--issuer I] [--limit N]", "List sessions",
		`Lists sessions, oldest first, --limit at a time; --from continues after the
previous page. Ended sessions are listed until they are swept.`, `  cambio session list --client shop
  cambio session list --issuer google --limit 1000 -o json`,
		cobra.NoArgs, request(c, func(ctx context.Context, api *admin.Client, _ []string) (admin.Sessions, error) {
			return sessions(ctx, api, f)
		}, c.printSessions))
	flags := cmd.Flags()
	flags.StringVar(&f.User, "user", "", "only those of this user `ID`")
	flags.StringVar(&f.Client, "client", "", "only those of this client `ID`")
	flags.StringVar(&f.Issuer, "issuer", "", "only those created from tokens of this issuer `ID`")
	pageFlags(cmd, &f.From, &f.Limit)
	return cmd
}

// sessions returns as many sessions as f says.
func sessions(ctx context.Context, api *admin.Client, f admin.SessionFilter) (all admin.Sessions, err error) {
	all.Sessions, all.Next, err = pages(f.From, f.Limit, func(from string, limit int) ([]admin.Session, string, error) {
		f.From, f.Limit = from, limit
		page, err := api.Sessions(ctx, f)
		return page.Sessions, page.Next, err
	})
	return all, err
}

var sessionTable = table[admin.Session]{"ID USER CLIENT ISSUER SUBJECT SCOPES CREATED STATE", func(s admin.Session) []string {
	state := "until " + stamp(s.Expires)
	if s.Ended {
		state = "ended"
	}
	return []string{s.ID, s.User, s.Client, s.Issuer, s.Subject, join(s.Scopes), stamp(s.Created), state}
}}

func (c *cli) printSessions(page admin.Sessions) {
	sessionTable.print(c.out, page.Sessions...)
	c.printNext(page.Next)
}

func (c *cli) sessionShow() *cobra.Command {
	return c.verb("show ID", "Show a session",
		`Shows everything that is stored of a session, as JSON: its user, its proof, its
rules, and the verified claims by which each refresh is decided.`, `  cambio session show SESSION-ID`,
		cobra.ExactArgs(1), get(c, (*admin.Client).Session, nil))
}

func (c *cli) sessionRevoke() *cobra.Command {
	var r admin.Revocation
	cmd := c.verb("revoke ID | --user U | --client C | --issuer I [--key K | --subject S]", "Revoke sessions",
		`Revokes one session, or all existing sessions of a user, a client, an issuer, one
of the issuer's keys or one of its subjects. Refresh tokens and introspection are
refused at once; an API that checks access tokens alone accepts them until they
expire, 15 minutes at most by default. Later exchanges are not affected: to refuse
those too, remove the issuer or the client, or list the key in revokedKeys.`, `  cambio session revoke SESSION-ID
  cambio session revoke --user USER-ID
  cambio session revoke --issuer google --subject 110169484474386276334
  cambio session revoke --issuer google --key THUMBPRINT
  cambio session revoke --issuer client:shop-backend --key SECRET-ID`,
		cobra.MaximumNArgs(1), request(c, func(ctx context.Context, api *admin.Client, _ []string) (admin.Revocation, error) {
			return r, api.Revoke(ctx, r)
		}, func(admin.Revocation) { fmt.Fprintln(c.out, "revoked") }))
	check(cmd, func(args []string) error {
		r.Session = strings.Join(args, "")
		if _, err := r.Parse(); err != nil {
			return errors.New("give a session ID, --user, --client, or --issuer with at most one of --key and --subject")
		}
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&r.User, "user", "", "revoke all of this user `ID`")
	f.StringVar(&r.Client, "client", "", "revoke all of this client `ID`")
	f.StringVar(&r.Issuer, "issuer", "", "revoke all created from tokens of this issuer `ID`, or namespace of a client's own users")
	f.StringVar(&r.Key, "key", "", "with --issuer: only those that this key authenticated, by `thumbprint` or ID of a secret")
	f.StringVar(&r.Subject, "subject", "", "with --issuer: only those of this `sub`")
	return cmd
}
