package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/storage"
)

func (a *api) links() {
	handle(a, "addLink", "POST /v1/links", "Link a subject of an issuer to a user", a.addLink,
		description("409 if the subject is linked to another user: unlink it first, or merge the users."))
	handle(a, "removeLink", "POST /v1/links:remove", "Unlink a subject of an issuer from its user and end the sessions that came from it", a.removeLink)
}

func (a *api) addLink(ctx context.Context, in *body[LinkRequest]) (LinkResult, error) {
	r := in.Body
	if strings.ContainsFunc(r.Subject, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return LinkResult{}, &refusal{status: http.StatusUnprocessableEntity, detail: "a subject has no control characters: " + exchange.Quote(r.Subject)}
	}
	if err := a.knownNamespace(r.Issuer); err != nil {
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

// knownNamespace refuses an issuer that is not registered and is no namespace of a
// registered client: a typing error would look like success.
func (a *api) knownNamespace(id string) error {
	if !exchange.IsNamespace(id) {
		_, err := a.findIssuer(id)
		return err
	}
	_, client, _ := strings.Cut(id, ":")
	if _, err := a.findClient(client); err != nil {
		return err
	}
	if slices.Contains(exchange.Namespaces(client), id) {
		return nil
	}
	return &refusal{status: http.StatusNotFound, detail: fmt.Sprintf(
		"no namespace has the name %s; those of client %s are client:%s, key:%s, mail:%s and wallet:%s",
		exchange.Quote(id), client, client, client, client, client)}
}

// removeLink ends the sessions that came from the link in the commit that removes
// it. Links of removed issuers can be removed too.
func (a *api) removeLink(ctx context.Context, in *body[SubjectName]) (exchange.Link, error) {
	s := in.Body
	link, err := a.cfg.Users.FindLink(ctx, s.Issuer, s.Subject)
	if err == nil {
		err = a.revoking(ctx, func(writes []storage.Write) error {
			return a.cfg.Users.Unlink(ctx, s.Issuer, s.Subject, writes...)
		}, exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(s.Issuer, s.Subject)})
	}
	if err != nil {
		return link, missingSubject(err, s)
	}
	a.note(ctx, audit.Event{Name: "admin.link.remove", User: link.User, Issuer: s.Issuer, Subject: s.Subject})
	return link, nil
}
