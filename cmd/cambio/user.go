package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) user() *cobra.Command {
	return group("user", "Manage users",
		`A user is created when a subject of an issuer is first seen, and is known by its
links: each maps a subject of an issuer, or one of a client's own users, to the user.
E-mail and name are for display; users are never found or merged by them.

cambio link and cambio unlink change the logins of a user, cambio merge makes two
users one.`, `  cambio user list
  cambio user show USER-ID
  cambio user disable USER-ID`,
		c.userList(), c.userShow(), c.userExport(), c.userDisable(), c.userEnable(), c.userDelete())
}

func (c *cli) userList() *cobra.Command {
	var f admin.UserFilter
	cmd := c.verb("list [--issuer I] [--limit N]", "List users",
		`Lists users in the order in which they were first seen, --limit at a time;
--from continues after the previous page. With --issuer, only those that are
linked to one of its subjects.`, `  cambio user list
  cambio user list --issuer google --limit 1000 -o json`,
		cobra.NoArgs, request(c, func(ctx context.Context, api *admin.Client, _ []string) (all admin.Users, err error) {
			all.Users, all.Next, err = pages(f.From, f.Limit, func(from string, limit int) ([]exchange.User, string, error) {
				page, err := api.Users(ctx, admin.UserFilter{Issuer: f.Issuer, From: from, Limit: limit})
				return page.Users, page.Next, err
			})
			return all, err
		}, func(all admin.Users) {
			userTable.print(c.out, all.Users...)
			c.printNext(all.Next)
		}))
	cmd.Flags().StringVar(&f.Issuer, "issuer", "", "only those linked to this issuer `ID`, or to client:ID, key:ID, mail:ID, wallet:ID")
	pageFlags(cmd, &f.From, &f.Limit)
	return cmd
}

var userTable = table[exchange.User]{"ID EMAIL NAME FIRST-SEEN STATE", func(u exchange.User) []string {
	state := "enabled"
	if u.Disabled {
		state = "disabled"
	}
	return []string{u.ID, u.Email, u.Name, stamp(u.Created), state}
}}

var linkTable = table[exchange.Link]{"ISSUER SUBJECT LINKED", func(l exchange.Link) []string {
	return []string{l.Issuer, l.Subject, stamp(l.Created)}
}}

// shownUser is the output of user show. Sessions are the first ones.
type shownUser struct {
	admin.UserDetails
	Sessions       []admin.Session `json:"sessions"`
	ActiveSessions int             `json:"liveSessions"`
	NextSession    string          `json:"nextSession,omitempty"`
}

// lookUp returns a user with at most limit of its sessions.
func lookUp(ctx context.Context, api *admin.Client, id string, limit int) (shownUser, error) {
	details, err := api.User(ctx, id)
	if err != nil {
		return shownUser{}, unknown("user", err)
	}
	page, err := sessions(ctx, api, admin.SessionFilter{User: id, Limit: limit})
	out := shownUser{UserDetails: details, Sessions: page.Sessions, NextSession: page.Next}
	now := time.Now()
	for _, s := range page.Sessions {
		if !s.Ended && now.Before(s.Expires) {
			out.ActiveSessions++
		}
	}
	return out, err
}

// active returns the number of active sessions that were found. They are all
// unless there are more sessions than were read.
func (u shownUser) active() string {
	if u.NextSession != "" {
		return fmt.Sprintf("%d or more", u.ActiveSessions)
	}
	return strconv.Itoa(u.ActiveSessions)
}

func (c *cli) userShow() *cobra.Command {
	return c.verb("show ID", "Show a user",
		`Shows a user, the logins it is known by, its first 100 sessions, and the users
that were merged into it.`, `  cambio user show USER-ID
  cambio user show USER-ID -o json`,
		cobra.ExactArgs(1), request(c, func(ctx context.Context, api *admin.Client, args []string) (shownUser, error) {
			return lookUp(ctx, api, args[0], 100)
		}, c.printUser))
}

func (c *cli) printUser(u shownUser) {
	userTable.print(c.out, u.User)
	fmt.Fprintln(c.out)
	linkTable.print(c.out, u.Links...)
	fmt.Fprintf(c.out, "\nactive sessions: %s\n", u.active())
	if len(u.Sessions) > 0 {
		sessionTable.print(c.out, u.Sessions...)
	}
	if u.NextSession != "" {
		fmt.Fprintf(c.err, "there are more: cambio session list --user %s --from %s\n", u.User.ID, u.NextSession)
	}
	if len(u.Merges) > 0 {
		fmt.Fprintln(c.out, "\nmerges into this user; undo one with cambio unmerge")
		mergeTable.print(c.out, u.Merges...)
	}
}

func (c *cli) userExport() *cobra.Command {
	return c.verb("export ID", "Export everything that is stored of a user",
		`Writes what the store holds of a user as one JSON document: the user, its links,
its sessions with the claims of their proofs, and users that were merged into it. The
document holds no secrets, but much that is personal.

It is the server's part of the response to a request for access under data protection
law. It leaves out the audit log, which is yours to keep and to search, and what is
stored for a day at most, such as responses kept for clients that retry.`, `  cambio user export USER-ID > user.json`,
		cobra.ExactArgs(1), get(c, func(api *admin.Client, ctx context.Context, id string) (admin.UserExport, error) {
			export, err := api.ExportUser(ctx, id)
			return export, unknown("user", err)
		}, nil))
}

func (c *cli) userDisable() *cobra.Command {
	return c.verb("disable ID", "Disable a user",
		`Disables a user for all its logins and ends its sessions: from the next request on
refresh tokens are refused and introspection reports them inactive. An API that
checks access tokens alone accepts them until they expire, 15 minutes at most by
default. cambio user enable enables the user again; ended sessions stay ended.`, `  cambio user disable USER-ID`,
		cobra.ExactArgs(1), c.act("user", "disabled", (*admin.Client).DisableUser))
}

func (c *cli) userEnable() *cobra.Command {
	return c.verb("enable ID", "Enable a disabled user",
		`Enables a disabled user. The user has to log in anew: ended sessions stay ended.`, `  cambio user enable USER-ID`,
		cobra.ExactArgs(1), c.act("user", "enabled", (*admin.Client).EnableUser))
}

func (c *cli) userDelete() *cobra.Command {
	var yes bool
	cmd := c.verb("delete ID [--yes]", "Delete a user",
		`Shows a user and, once you have confirmed, deletes it with its links and ends its
sessions, all in one step that cannot be undone. Off a terminal, --yes confirms;
without it the user is shown and nothing is deleted. Records of its sessions and
stored responses to its requests are deleted a day later; the audit log stays.

A deleted user is not locked out: its logins are unknown afterwards, and where a
client creates users, the next login creates a new user without anything of the old
one. To lock a user out: cambio user disable.`, `  cambio user export USER-ID > user.json
  cambio user delete USER-ID`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			return c.deleteUser(ctx, args[0], yes)
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "delete without asking")
	return cmd
}

func (c *cli) deleteUser(ctx context.Context, id string, yes bool) error {
	api, err := c.admin()
	if err != nil {
		return err
	}
	u, err := lookUp(ctx, api, id, maxPage)
	if err != nil {
		return err
	}
	w := c.preview()
	userTable.print(w, u.User)
	fmt.Fprintln(w)
	linkTable.print(w, u.Links...)
	fmt.Fprintf(w, "\nactive sessions, which will end: %s\n", u.active())
	if err := c.confirm("Delete this user and its links, for good?", yes); err != nil {
		return err
	}
	return c.act("user", "deleted", (*admin.Client).DeleteUser)(ctx, []string{id})
}
