package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

func (c *cli) session() *cobra.Command {
	return c.group("session", "What exchanges gave birth to",
		`A session is born from one proof and knows its user, its client, its issuer
and the issuer's key. Only clients with refresh tokens have stored sessions;
tokens of others are revoked by user, client, issuer, key or subject alike.`, `  cambio session list --client shop
  cambio session revoke --user USER-ID`,
		c.sessionList(), c.sessionShow(), c.sessionRevoke())
}

func (c *cli) sessionList() *cobra.Command {
	var f admin.SessionFilter
	cmd := c.verb("list [--user U] [--client C] [--issuer I] [--limit N]", "List sessions",
		`Lists sessions, oldest first, --limit at a time; --from goes on where the page
before ended. Those that ended are listed too, until they are swept.`, `  cambio session list --client shop
  cambio session list --issuer google --limit 1000 -o json`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			page, err := fill(ctx, api, f)
			return c.showUnless(err, page, func() { c.printSessions(page) })
		})
	flags := cmd.Flags()
	flags.StringVar(&f.User, "user", "", "only those of this user `ID`")
	flags.StringVar(&f.Client, "client", "", "only those of this client `ID`")
	flags.StringVar(&f.Issuer, "issuer", "", "only those born from this issuer `ID`")
	flags.StringVar(&f.From, "from", "", "begin with this session `ID`")
	flags.IntVar(&f.Limit, "limit", 100, "at most this many")
	return cmd
}

// fill asks until it has as many sessions as f wants: the server looks at a
// bounded number of them for each answer.
func fill(ctx context.Context, api *admin.Client, f admin.SessionFilter) (admin.Sessions, error) {
	all := admin.Sessions{Sessions: []admin.Session{}}
	for {
		ask := f
		ask.Limit = min(f.Limit, 1000) // the most that one answer holds
		page, err := api.Sessions(ctx, ask)
		if err != nil {
			return all, err
		}
		all.Sessions = append(all.Sessions, page.Sessions...)
		all.Next = page.Next
		f.From, f.Limit = page.Next, f.Limit-len(page.Sessions)
		if f.From == "" || f.Limit <= 0 {
			return all, nil
		}
	}
}

func (c *cli) printSessions(page admin.Sessions) {
	var rows [][]string
	for _, s := range page.Sessions {
		rows = append(rows, []string{s.ID, s.User, s.Client, s.Issuer, s.Subject, join(s.Scopes), stamp(s.Created), state(s)})
	}
	table(c.out, "ID USER CLIENT ISSUER SUBJECT SCOPES CREATED STATE", rows)
	if page.Next != "" {
		fmt.Fprintf(c.err, "there are more: --from %s\n", page.Next)
	}
}

// state is what became of a session: those that ended are listed until they
// are swept.
func state(s admin.Session) string {
	if s.Ended {
		return "ended"
	}
	return "until " + stamp(s.Expires)
}

func (c *cli) sessionShow() *cobra.Command {
	return c.verb("show ID", "Show a session",
		`Shows all that is kept of a session: who, by which proof, under which rules,
with the verified claims that each refresh is decided by.`, `  cambio session show SESSION-ID`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			s, err := api.Session(ctx, args[0])
			c.output = "json" // a session is a record, not a registration
			return c.showUnless(err, s, nil)
		})
}

func (c *cli) sessionRevoke() *cobra.Command {
	var r admin.Revocation
	cmd := c.verb("revoke ID | --user U | --client C | --issuer I [--key K | --subject S]", "End sessions",
		`Ends one session, or all that a user, a client, an issuer, one of the issuer's
keys or one of its subjects has at the moment. Refresh tokens and introspection
know at once; an API that checks access tokens alone learns it when they expire,
15 minutes at most by default. Later exchanges are not affected: to refuse those
too, remove the issuer or the client, or name the key in revokedKeys.`, `  cambio session revoke SESSION-ID
  cambio session revoke --user USER-ID
  cambio session revoke --issuer google --subject 110169484474386276334
  cambio session revoke --issuer google --key THUMBPRINT
  cambio session revoke --issuer client:shop-backend --key SECRET-ID`,
		cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				r.Session = args[0]
			}
			return c.revoke(ctx, r)
		})
	f := cmd.Flags()
	f.StringVar(&r.User, "user", "", "end all of this user `ID`")
	f.StringVar(&r.Client, "client", "", "end all of this client `ID`")
	f.StringVar(&r.Issuer, "issuer", "", "end all born from this issuer `ID`, or namespace of a client's own users")
	f.StringVar(&r.Key, "key", "", "with --issuer: only those this key proved, by `thumbprint` or ID of a secret")
	f.StringVar(&r.Subject, "subject", "", "with --issuer: only those of this `sub`")
	return cmd
}

func (c *cli) revoke(ctx context.Context, r admin.Revocation) error {
	if _, err := r.Parse(); err != nil {
		return &usageError{command: "cambio session revoke", err: errors.New("give a session ID, --user, --client, or --issuer with at most one of --key and --subject")}
	}
	api, err := c.admin()
	if err == nil {
		err = api.Revoke(ctx, r)
	}
	return c.showUnless(err, r, func() { fmt.Fprintln(c.out, "revoked") })
}
