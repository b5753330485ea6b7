package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/session"
	"cambio/storage"
)

func (a *api) users() {
	handle(a, "listUsers", "GET /v1/users", "List users in the order of their first exchange", a.listUsers,
		description("With issuer, a page can be empty although others follow: continue while there is a next."))
	handle(a, "showUser", "GET /v1/users/{id}", "Show a user with its links", func(ctx context.Context, in *byID) (UserDetails, error) {
		return a.userDetails(ctx, in.ID)
	})
	handle(a, "exportUser", "GET /v1/users/{id}/export", "Export all stored data of a user; it contains no secrets", a.exportUser)
	handleEmpty(a, "disableUser", "POST /v1/users/{id}/disable", "Refuse a user's exchanges and end its sessions", a.disableUser)
	handleEmpty(a, "enableUser", "POST /v1/users/{id}/enable", "Allow a disabled user's exchanges again", a.enableUser)
	handleEmpty(a, "deleteUser", "DELETE /v1/users/{id}", "Delete a user and its links and end its sessions", a.deleteUser)
}

func (a *api) listUsers(ctx context.Context, in *UserFilter) (Users, error) {
	page := a.cfg.Users.List
	if in.Issuer != "" {
		page = func(ctx context.Context, from string, limit int) ([]exchange.User, string, error) {
			return a.cfg.Users.ListByIssuer(ctx, in.Issuer, from, limit)
		}
	}
	list, next, err := page(ctx, in.From, in.Limit)
	return Users{nonNil(list), next}, err
}

func (a *api) userDetails(ctx context.Context, id string) (UserDetails, error) {
	u, err := a.cfg.Users.Find(ctx, id)
	if err != nil {
		return UserDetails{}, a.missingUser(ctx, err, id)
	}
	links, err := a.cfg.Users.LinksOf(ctx, id)
	if err != nil {
		return UserDetails{}, err
	}
	merges, err := a.cfg.Users.Merges(ctx, id, a.now())
	return UserDetails{User: u, Links: nonNil(links), Merges: merges}, err
}

// missingUser adds to a not-found error which user a missing one was merged into,
// if that is known.
func (a *api) missingUser(ctx context.Context, err error, id string) error {
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	m, mergeErr := a.cfg.Users.MergedFrom(ctx, id)
	if mergeErr != nil {
		return notFound("user", id)
	}
	return &refusal{status: http.StatusNotFound, detail: fmt.Sprintf(
		"no user has the ID %s: it was merged into user %s on %s, by merge %s", exchange.Quote(id), m.Into, m.Time.Format(time.DateOnly), m.ID)}
}

func (a *api) exportUser(ctx context.Context, in *byID) (UserExport, error) {
	details, err := a.userDetails(ctx, in.ID)
	if err != nil {
		return UserExport{}, err
	}
	out := UserExport{Exported: a.now().UTC(), UserDetails: details, Sessions: []Session{}}
	for from := ""; ; {
		page, next, err := a.cfg.Sessions.List(ctx, session.Filter{User: in.ID, From: from})
		if err != nil {
			return UserExport{}, err
		}
		for _, s := range page {
			out.Sessions = append(out.Sessions, Session{s})
		}
		if from = next; from == "" {
			break
		}
	}
	a.note(ctx, audit.Event{Name: "admin.user.export", User: in.ID})
	return out, nil
}

func (a *api) disableUser(ctx context.Context, in *byID) error {
	return a.endUser(ctx, in.ID, "admin.user.disable", func(writes []storage.Write) error {
		return a.cfg.Users.SetDisabled(ctx, in.ID, true, writes...)
	})
}

func (a *api) enableUser(ctx context.Context, in *byID) error {
	if err := a.cfg.Users.SetDisabled(ctx, in.ID, false); err != nil {
		return a.missingUser(ctx, err, in.ID)
	}
	a.note(ctx, audit.Event{Name: "admin.user.enable", User: in.ID})
	return nil
}

func (a *api) deleteUser(ctx context.Context, in *byID) error {
	return a.endUser(ctx, in.ID, "admin.user.delete", func(writes []storage.Write) error {
		return a.cfg.Users.Delete(ctx, in.ID, writes...)
	})
}

// endUser makes a change of a user that ends its sessions.
func (a *api) endUser(ctx context.Context, id, event string, change func([]storage.Write) error) error {
	if err := a.revoking(ctx, change, exchange.Revocation{Kind: exchange.RevocationUser, ID: id}); err != nil {
		return a.missingUser(ctx, err, id)
	}
	a.note(ctx, audit.Event{Name: event, User: id})
	return nil
}
