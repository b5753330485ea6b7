package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/storage"
)

func (a *api) links() {
	handle(a, huma.Operation{
		OperationID: "addLink", Method: http.MethodPost, Path: "/v1/links",
		Summary:     "Make a subject of an issuer a user",
		Description: "409 if the subject is another user: unlink it first, or merge the users.",
	}, a.addLink)
	handle(a, huma.Operation{
		OperationID: "removeLink", Method: http.MethodPost, Path: "/v1/links:remove",
		Summary: "Make a subject of an issuer unknown again and end the sessions born from it",
	}, a.removeLink)
}

func (a *api) addLink(ctx context.Context, in *answer[LinkRequest]) (*answer[LinkAnswer], error) {
	r := in.Body
	if strings.ContainsFunc(r.Subject, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return nil, &refusal{status: http.StatusUnprocessableEntity, detail: "no subject has control characters: " + exchange.Quote(r.Subject)}
	}
	if err := a.knownNamespace(r.Issuer); err != nil {
		return nil, err
	}
	link, added, err := a.cfg.Users.Link(ctx, r.User, r.Issuer, r.Subject, a.now())
	if err != nil {
		return nil, a.missingUser(ctx, refused(err), r.User)
	}
	if added {
		a.note(ctx, audit.Event{Name: "admin.link.add", User: r.User, Issuer: r.Issuer, Subject: r.Subject})
	}
	return answering(LinkAnswer{link, added}), nil
}

// knownNamespace refuses what nobody could come from: a typing error would look
// like success.
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
		"no namespace is named %s; those of client %s are client:%s, key:%s, mail:%s and wallet:%s",
		exchange.Quote(id), client, client, client, client, client)}
}

// removeLink ends what was born from the link in the commit that removes it.
// Links of issuers that are gone can be removed too.
func (a *api) removeLink(ctx context.Context, in *answer[SubjectName]) (*answer[exchange.Link], error) {
	s := in.Body
	link, err := a.cfg.Users.FindLink(ctx, s.Issuer, s.Subject)
	if err == nil {
		err = a.ending(ctx, func(writes []storage.Write) error {
			return a.cfg.Users.Unlink(ctx, s.Issuer, s.Subject, writes...)
		}, exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey(s.Issuer, s.Subject)})
	}
	if err != nil {
		return nil, missingSubject(err, s)
	}
	a.note(ctx, audit.Event{Name: "admin.link.remove", User: link.User, Issuer: s.Issuer, Subject: s.Subject})
	return answering(link), nil
}
