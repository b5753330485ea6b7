package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) user() *cobra.Command {
	return c.group("user", "Who has been seen",
		`A user is made when a subject of an issuer is first seen, and is known by its
links: each says that a subject of an issuer, or of a client's own users, is that
user. E-mail and name are for display; nobody is found or merged by them.

cambio link and cambio unlink change by which logins a user is known, cambio merge
makes two users one.`, `  cambio user list
  cambio user show USER-ID
  cambio user disable USER-ID`,
		c.userList(), c.userShow(), c.userExport(), c.userDisable(), c.userEnable(), c.userDelete())
}

func (c *cli) userList() *cobra.Command {
	var f admin.UserFilter
	cmd := c.verb("list [--issuer I] [--limit N]", "List users",
		`Lists users in the order in which they were first seen, --limit at a time;
--from goes on where the page before ended. With --issuer, only those that are
linked to one of its subjects.`, `  cambio user list
  cambio user list --issuer google --limit 1000 -o json`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			page, err := fillUsers(ctx, api, f)
			return c.showUnless(err, page, func() {
				printUsers(c.out, page.Users...)
				if page.Next != "" {
					fmt.Fprintf(c.err, "there are more: --from %s\n", page.Next)
				}
			})
		})
	flags := cmd.Flags()
	flags.StringVar(&f.Issuer, "issuer", "", "only those linked to this issuer `ID`, or to client:ID, key:ID, mail:ID, wallet:ID")
	flags.StringVar(&f.From, "from", "", "begin with this user `ID`")
	flags.IntVar(&f.Limit, "limit", 100, "at most this many")
	return cmd
}

// fillUsers asks until it has as many users as f wants.
func fillUsers(ctx context.Context, api *admin.Client, f admin.UserFilter) (admin.Users, error) {
	all := admin.Users{Users: []exchange.User{}}
	for {
		ask := f
		ask.Limit = min(f.Limit, 1000) // the most that one answer holds
		page, err := api.Users(ctx, ask)
		if err != nil {
			return all, err
		}
		all.Users = append(all.Users, page.Users...)
		all.Next = page.Next
		f.From, f.Limit = page.Next, f.Limit-len(page.Users)
		if f.From == "" || f.Limit <= 0 {
			return all, nil
		}
	}
}

func printUsers(w io.Writer, users ...exchange.User) {
	var rows [][]string
	for _, u := range users {
		state := "enabled"
		if u.Disabled {
			state = "disabled"
		}
		rows = append(rows, []string{u.ID, u.Email, u.Name, stamp(u.Created), state})
	}
	table(w, "ID EMAIL NAME FIRST-SEEN STATE", rows)
}

func printLinks(w io.Writer, links []exchange.Link) {
	var rows [][]string
	for _, l := range links {
		rows = append(rows, []string{l.Issuer, l.Subject, stamp(l.Created)})
	}
	table(w, "ISSUER SUBJECT LINKED", rows)
}

// shownUser is what user show tells. Sessions are the first ones.
type shownUser struct {
	admin.UserDetails
	Sessions     []admin.Session `json:"sessions"`
	LiveSessions int             `json:"liveSessions"`
	NextSession  string          `json:"nextSession,omitempty"`
}

// lookUp is a user with at most that many of its sessions.
func lookUp(ctx context.Context, api *admin.Client, id string, sessions int) (shownUser, error) {
	details, err := api.User(ctx, id)
	if err != nil {
		return shownUser{}, unknownUser(err)
	}
	page, err := fill(ctx, api, admin.SessionFilter{User: id, Limit: sessions})
	out := shownUser{UserDetails: details, Sessions: page.Sessions, NextSession: page.Next}
	now := time.Now()
	for _, s := range page.Sessions {
		if !s.Ended && now.Before(s.Expires) {
			out.LiveSessions++
		}
	}
	return out, err
}

// live is how many live sessions were found, which are all unless there are
// more than were looked for.
func (u shownUser) live() string {
	if u.NextSession != "" {
		return fmt.Sprintf("%d or more", u.LiveSessions)
	}
	return strconv.Itoa(u.LiveSessions)
}

func unknownUser(err error) error {
	return hintedOn(err, http.StatusNotFound, "see: cambio user list")
}

// hintedOn says what to do about a status of the API.
func hintedOn(err error, status int, hint string) error {
	if e, ok := errors.AsType[*admin.Error](err); ok && e.Status == status {
		return hinted(err, hint)
	}
	return err
}

func (c *cli) userShow() *cobra.Command {
	return c.verb("show ID", "Show a user",
		`Shows a user, the logins it is known by, its first 100 sessions, and the users
that were merged into it.`, `  cambio user show USER-ID
  cambio user show USER-ID -o json`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			u, err := lookUp(ctx, api, args[0], 100)
			return c.showUnless(err, u, func() { c.printUser(u) })
		})
}

func (c *cli) printUser(u shownUser) {
	printUsers(c.out, u.User)
	fmt.Fprintln(c.out)
	printLinks(c.out, u.Links)
	fmt.Fprintf(c.out, "\nlive sessions: %s\n", u.live())
	if len(u.Sessions) > 0 {
		c.printSessions(admin.Sessions{Sessions: u.Sessions, Next: u.NextSession})
	}
	if len(u.Merges) > 0 {
		fmt.Fprintln(c.out, "\nmerges that led here; cambio unmerge undoes one")
		printMerges(c.out, u.Merges)
	}
}

func (c *cli) userExport() *cobra.Command {
	return c.verb("export ID", "Write down everything that is held of a user",
		`Writes what the store holds of a user as one JSON document: the user, its links,
its sessions with the claims they were proven by, and users that were merged into
it. There is nothing secret in it, but much that is personal.

It answers a request for access under data protection law as far as this server
goes. Not part of it are the audit log, which is yours to keep and to search, and
what is kept for a day at most, such as an answer that a client may ask for again.`, `  cambio user export USER-ID > user.json`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			export, err := api.ExportUser(ctx, args[0])
			c.output = "json" // for programs and files
			return c.showUnless(unknownUser(err), export, nil)
		})
}

func (c *cli) userDisable() *cobra.Command {
	return c.verb("disable ID", "Keep a user out",
		`Keeps a user out, by whichever login it comes, and ends its sessions: from the
next request on refresh tokens are refused and introspection says so. An API that
checks access tokens alone learns it when they expire, 15 minutes at most by default.
cambio user enable lets it in again; sessions that ended stay ended.`, `  cambio user disable USER-ID`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = unknownUser(api.DisableUser(ctx, args[0]))
			}
			return c.showUnless(err, done{"user", args[0], "disabled"}, nil)
		})
}

func (c *cli) userEnable() *cobra.Command {
	return c.verb("enable ID", "Let a disabled user in again",
		`Lets a disabled user in again. It has to log in anew: sessions that ended stay
ended.`, `  cambio user enable USER-ID`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = unknownUser(api.EnableUser(ctx, args[0]))
			}
			return c.showUnless(err, done{"user", args[0], "enabled"}, nil)
		})
}

func (c *cli) userDelete() *cobra.Command {
	var yes bool
	cmd := c.verb("delete ID [--yes]", "Delete a user",
		`Shows a user and, once you have confirmed, deletes it with its links and ends its
sessions, all in one step that cannot be undone. Off a terminal, --yes confirms;
without it the user is shown and nothing is deleted. What is kept of its sessions
and of answers to its requests goes a day later; the audit log stays.

A deleted user is not kept out. Whoever it was is unknown, and where a client
creates users it becomes another user, with nothing of the old one, at its next
login. To keep somebody out: cambio user disable.`, `  cambio user export USER-ID > user.json
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
	u, err := lookUp(ctx, api, id, 1000)
	if err != nil {
		return err
	}
	w := c.preview()
	printUsers(w, u.User)
	fmt.Fprintln(w)
	printLinks(w, u.Links)
	fmt.Fprintf(w, "\nlive sessions, which will end: %s\n", u.live())
	if err := c.confirm("Delete this user and its links, for good?", yes); err != nil {
		return err
	}
	return c.showUnless(unknownUser(api.DeleteUser(ctx, id)), done{"user", id, "deleted"}, nil)
}

// preview is where a verb shows what it is about to do: with -o json, standard
// output is for the outcome alone.
func (c *cli) preview() io.Writer {
	if c.output == "json" {
		return c.err
	}
	return c.out
}
