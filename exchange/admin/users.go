package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/session"
	"cambio/exchange/users"
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
	return refused(http.StatusNotFound, "no user has the ID %s: it was merged into user %s on %s, by merge %s",
		exchange.Quote(id), m.Into, m.Time.Format(time.DateOnly), m.ID)
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

func (a *api) links() {
	handle(a, "addLink", "POST /v1/links", "Link a subject of an issuer to a user", a.addLink,
		description("409 if the subject is linked to another user: unlink it first, or merge the users."))
	handle(a, "removeLink", "POST /v1/links:remove", "Unlink a subject of an issuer from its user and end the sessions that came from it", a.removeLink,
		description("409 if it is the only login of its user, who could not log in any more, unless force is true."))
}

func (a *api) addLink(ctx context.Context, in *body[LinkRequest]) (LinkResult, error) {
	r := in.Body
	const most = 255 // as of a token's
	if !exchange.Printable(r.Subject, most) {
		return LinkResult{}, refused(http.StatusUnprocessableEntity, "a subject is 1 to %d bytes without control characters: %s", most, exchange.Quote(r.Subject))
	}
	if err := a.checkNamespace(r.Issuer); err != nil {
		return LinkResult{}, err
	}
	link, added, err := a.cfg.Users.Link(ctx, r.User, r.Issuer, r.Subject, a.now())
	if err != nil {
		return LinkResult{}, a.missingUser(ctx, err, r.User)
	}
	if added {
		a.note(ctx, audit.Event{Name: "admin.link.add", User: r.User, Issuer: r.Issuer, Subject: r.Subject})
	}
	return LinkResult{link, added}, nil
}

// checkNamespace refuses an issuer that is not registered and is no namespace of a
// registered client: a typing error would look like success.
func (a *api) checkNamespace(id string) error {
	if !exchange.IsNamespace(id) {
		_, err := a.findIssuer(id)
		return err
	}
	_, client, _ := strings.Cut(id, ":")
	if _, err := a.findClient(client); err != nil {
		return err
	}
	namespaces := exchange.Namespaces(client)
	if slices.Contains(namespaces, id) {
		return nil
	}
	return refused(http.StatusNotFound, "no namespace has the name %s; those of client %s are %s",
		exchange.Quote(id), client, strings.Join(namespaces, ", "))
}

// removeLink ends the sessions that came from the link in the commit that removes
// it. Links of removed issuers can be removed too.
func (a *api) removeLink(ctx context.Context, in *body[UnlinkRequest]) (exchange.Link, error) {
	s := in.Body
	link, err := a.cfg.Users.FindLink(ctx, s.Issuer, s.Subject)
	if err == nil {
		err = a.revoking(ctx, func(writes []storage.Write) error {
			return a.cfg.Users.Unlink(ctx, s.Issuer, s.Subject, s.Force, writes...)
		}, exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(s.Issuer, s.Subject)})
	}
	if last, ok := errors.AsType[*users.LastLogin](err); ok {
		return link, refused(http.StatusConflict, "subject %s of issuer %s is the only login of user %s: without it the user cannot log in; "+
			"link another login first, or set force; nothing was changed", exchange.Quote(s.Subject), s.Issuer, last.User)
	}
	if err != nil {
		return link, missingSubject(err, SubjectName{s.Issuer, s.Subject})
	}
	a.note(ctx, audit.Event{Name: "admin.link.remove", User: link.User, Issuer: s.Issuer, Subject: s.Subject})
	return link, nil
}

func (a *api) merges() {
	handle(a, "planMerge", "POST /v1/merges:plan", "Show what merging a user into another would do", a.planMerge)
	handle(a, "merge", "POST /v1/merges", "Move a user's links to another user, delete the user and end its sessions", a.merge, created,
		description("It can be undone for 30 days. Users are never merged because of what they have in common, such as an e-mail address."))
	handle(a, "listMerges", "GET /v1/merges", "List the merges that can be undone, oldest first", func(ctx context.Context, _ *struct{}) (mergeList, error) {
		all, err := a.cfg.Users.Merges(ctx, "", a.now())
		return mergeList{all}, err
	})
	handle(a, "unmerge", "DELETE /v1/merges/{id}",
		"Undo a merge: the user exists again, with those of its links that are still the other user's", a.unmerge)
}

func (a *api) planMerge(ctx context.Context, in *body[MergeRequest]) (MergePlan, error) {
	p, err := a.cfg.Users.PlanMerge(ctx, in.Body.From, in.Body.Into)
	if err != nil {
		return MergePlan{}, a.missingSide(ctx, err, in.Body)
	}
	p.Links = nonNil(p.Links)
	return p, nil
}

func (a *api) merge(ctx context.Context, in *body[MergeRequest]) (Merge, error) {
	r := in.Body
	var m Merge
	err := a.revoking(ctx, func(writes []storage.Write) (err error) {
		m, err = a.cfg.Users.Merge(ctx, r.From, r.Into, r.Version, operator(ctx), a.now(), writes...)
		return err
	}, exchange.Revocation{Kind: exchange.RevocationUser, ID: r.From})
	if err != nil {
		return Merge{}, a.missingSide(ctx, err, r)
	}
	a.note(ctx, audit.Event{Name: "admin.user.merge", User: r.From, Into: r.Into})
	return m, nil
}

// missingSide names the one of the two users that does not exist.
func (a *api) missingSide(ctx context.Context, err error, r MergeRequest) error {
	for _, id := range []string{r.From, r.Into} {
		if _, findErr := a.cfg.Users.Find(ctx, id); findErr != nil {
			return a.missingUser(ctx, err, id)
		}
	}
	return err
}

// unmerge ends the sessions that the moved links got since the merge: they are of
// the user that the merge led to.
func (a *api) unmerge(ctx context.Context, in *byID) (Unmerged, error) {
	var list []exchange.Revocation
	also := func(links []exchange.Link) ([]storage.Write, error) {
		list = nil
		for _, l := range links {
			list = append(list, exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(l.Issuer, l.Subject)})
		}
		return a.revocationWrites(ctx, list)
	}
	var done Unmerged
	err := storage.Retry(ctx, attempts, func() (err error) {
		done, err = a.cfg.Users.Unmerge(ctx, in.ID, a.now(), also)
		return err
	})
	if err != nil {
		return Unmerged{}, missing(err, "merge", in.ID)
	}
	a.revokeAgain(ctx, list)
	a.note(ctx, audit.Event{Name: "admin.user.unmerge", User: done.Merge.From.ID, Into: done.Merge.Into})
	done.Restored, done.Since = nonNil(done.Restored), nonNil(done.Since)
	return done, nil
}

// operator names the caller. All operators have the same token, so they differ only
// by their address.
func operator(ctx context.Context) string {
	at, _ := ctx.Value(addressKey{}).(netip.Addr)
	if !at.IsValid() {
		return "admin"
	}
	return "admin at " + at.WithZone("").String()
}
