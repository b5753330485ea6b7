package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/session"
	"cambio/exchange/users"
	"cambio/storage"
)

type usersRequest struct {
	Issuer string `query:"issuer" doc:"Only users linked to a subject of this issuer, or namespace of ours"`
	From   string `query:"from" doc:"next of the page before"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

func (a *api) users() {
	handle(a, huma.Operation{
		OperationID: "listUsers", Method: http.MethodGet, Path: "/v1/users",
		Summary:     "List users in the order in which they were first seen",
		Description: "With issuer, a page can be empty although others follow: go on while there is a next.",
	}, a.listUsers)
	handle(a, huma.Operation{
		OperationID: "showUser", Method: http.MethodGet, Path: "/v1/users/{id}", Summary: "Show a user with its links",
	}, func(ctx context.Context, in *byID) (*answer[UserDetails], error) {
		u, err := a.userDetails(ctx, in.ID)
		return answering(u), err
	})
	handle(a, huma.Operation{
		OperationID: "exportUser", Method: http.MethodGet, Path: "/v1/users/{id}/export",
		Summary: "Everything that is held of a user; nothing of it is secret",
	}, a.exportUser)
	handle(a, huma.Operation{
		OperationID: "disableUser", Method: http.MethodPost, Path: "/v1/users/{id}/disable", DefaultStatus: http.StatusNoContent,
		Summary: "Keep a user out and end its sessions",
	}, func(ctx context.Context, in *byID) (*nothing, error) { return nil, a.disableUser(ctx, in.ID) })
	handle(a, huma.Operation{
		OperationID: "enableUser", Method: http.MethodPost, Path: "/v1/users/{id}/enable", DefaultStatus: http.StatusNoContent,
		Summary: "Let a disabled user in again",
	}, func(ctx context.Context, in *byID) (*nothing, error) { return nil, a.enableUser(ctx, in.ID) })
	handle(a, huma.Operation{
		OperationID: "deleteUser", Method: http.MethodDelete, Path: "/v1/users/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a user and its links and end its sessions",
	}, func(ctx context.Context, in *byID) (*nothing, error) { return nil, a.deleteUser(ctx, in.ID) })
}

func (a *api) listUsers(ctx context.Context, in *usersRequest) (*answer[Users], error) {
	page := a.cfg.Users.List
	if in.Issuer != "" {
		page = func(ctx context.Context, from string, limit int) ([]exchange.User, string, error) {
			return a.cfg.Users.ListByIssuer(ctx, in.Issuer, from, limit)
		}
	}
	users, next, err := page(ctx, in.From, in.Limit)
	return answering(Users{append([]exchange.User{}, users...), next}), err
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
	return UserDetails{User: u, Links: append([]exchange.Link{}, links...), Merges: mergesOf(merges)}, err
}

// missingUser says of a user that is not there where it went, if that is known.
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

func (a *api) exportUser(ctx context.Context, in *byID) (*answer[UserExport], error) {
	details, err := a.userDetails(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := UserExport{Exported: a.now().UTC(), UserDetails: details, Sessions: []Session{}}
	for from := ""; ; {
		page, next, err := a.cfg.Sessions.List(ctx, session.Filter{User: in.ID, From: from})
		if err != nil {
			return nil, err
		}
		for _, s := range page {
			out.Sessions = append(out.Sessions, Session{s})
		}
		if from = next; from == "" {
			break
		}
	}
	a.note(ctx, audit.Event{Name: "admin.user.export", User: in.ID})
	return answering(out), nil
}

func (a *api) disableUser(ctx context.Context, id string) error {
	err := a.ending(ctx, func(writes []storage.Write) error {
		return a.cfg.Users.SetDisabled(ctx, id, true, writes...)
	}, exchange.Revocation{Kind: exchange.RevocationUser, ID: id})
	if err != nil {
		return a.missingUser(ctx, err, id)
	}
	a.note(ctx, audit.Event{Name: "admin.user.disable", User: id})
	return nil
}

func (a *api) enableUser(ctx context.Context, id string) error {
	if err := a.cfg.Users.SetDisabled(ctx, id, false); err != nil {
		return a.missingUser(ctx, err, id)
	}
	a.note(ctx, audit.Event{Name: "admin.user.enable", User: id})
	return nil
}

func (a *api) deleteUser(ctx context.Context, id string) error {
	err := a.ending(ctx, func(writes []storage.Write) error {
		return a.cfg.Users.Delete(ctx, id, writes...)
	}, exchange.Revocation{Kind: exchange.RevocationUser, ID: id})
	if err != nil {
		return a.missingUser(ctx, err, id)
	}
	a.note(ctx, audit.Event{Name: "admin.user.delete", User: id})
	return nil
}

// ending has change commit the marks together with what it takes away. An
// exchange that read who its subject is before that commit, and answered after
// it, made a session that is younger than the marks; so they are moved to where
// no such one is left.
func (a *api) ending(ctx context.Context, change func([]storage.Write) error, marks ...exchange.Revocation) error {
	writes, err := a.markWrites(marks)
	if err == nil {
		err = change(writes)
	}
	if err == nil {
		a.endAgain(ctx, marks)
	}
	return err
}

func (a *api) markWrites(marks []exchange.Revocation) ([]storage.Write, error) {
	now := a.now()
	var writes []storage.Write
	for _, m := range marks {
		m.Time = now
		w, err := a.cfg.Sessions.RevocationWrite(m)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// endAgain moves marks to now. If it fails, the change is made all the same: the
// log tells of it.
func (a *api) endAgain(ctx context.Context, marks []exchange.Revocation) {
	now := a.now()
	for i := range marks {
		marks[i].Time = now
	}
	if err := a.cfg.Sessions.Revoke(ctx, marks...); err != nil {
		a.log.ErrorContext(ctx, "ending what began while it was taken away", "error", err)
	}
}

// refused turns why the registry does not do something into an answer.
func refused(err error) error {
	if e, ok := errors.AsType[*users.Refusal](err); ok {
		return &refusal{status: http.StatusConflict, detail: e.Error() + "; nothing was changed"}
	}
	return err
}
