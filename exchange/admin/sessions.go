package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange/audit"
	"cambio/exchange/session"
)

type sessionsRequest struct {
	User   string `query:"user"`
	Client string `query:"client"`
	Issuer string `query:"issuer"`
	From   string `query:"from" doc:"next of the page before"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

func (a *api) sessions() {
	handle(a, huma.Operation{
		OperationID: "listSessions", Method: http.MethodGet, Path: "/v1/sessions",
		Summary:     "List sessions, oldest first",
		Description: "A page can be empty although others follow: go on while there is a next.",
	}, a.listSessions)
	handle(a, huma.Operation{
		OperationID: "showSession", Method: http.MethodGet, Path: "/v1/sessions/{id}", Summary: "Show a session",
	}, func(ctx context.Context, in *byID) (*answer[Session], error) {
		s, err := a.findSession(ctx, in.ID)
		return answering(Session{s}), err
	})
	handle(a, huma.Operation{
		OperationID: "revokeSessions", Method: http.MethodPost, Path: "/v1/sessions:revoke", DefaultStatus: http.StatusNoContent,
		Summary: "End sessions and the tokens that were born with them",
	}, a.revokeSessions)
}

func (a *api) findSession(ctx context.Context, id string) (session.Info, error) {
	s, err := a.cfg.Sessions.Find(ctx, id)
	return s, missing(err, "session", id)
}

func (a *api) listSessions(ctx context.Context, in *sessionsRequest) (*answer[Sessions], error) {
	page, next, err := a.cfg.Sessions.List(ctx, session.Filter{
		User: in.User, Client: in.Client, Issuer: in.Issuer, From: in.From, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := Sessions{Sessions: make([]Session, len(page)), Next: next}
	for i, s := range page {
		out.Sessions[i] = Session{s}
	}
	return answering(out), nil
}

func (a *api) revokeSessions(ctx context.Context, in *answer[Revocation]) (*nothing, error) {
	mark, err := in.Body.Parse()
	if err != nil {
		return nil, &refusal{status: http.StatusUnprocessableEntity, detail: err.Error()}
	}
	if err := a.known(ctx, in.Body); err != nil {
		return nil, err
	}
	mark.Time = a.now()
	if err := a.cfg.Sessions.Revoke(ctx, mark); err != nil {
		return nil, err
	}
	r := in.Body
	a.note(ctx, audit.Event{
		Name: "admin.session.revoke", Session: r.Session, User: r.User, Client: r.Client,
		Issuer: r.Issuer, Key: r.Key, Subject: r.Subject,
	})
	return nil, nil
}

// known refuses to end what is not there: a typing error would look like
// success. A key cannot be looked up; tokens may have come from it all the same.
func (a *api) known(ctx context.Context, r Revocation) error {
	var err error
	switch {
	case r.Session != "":
		_, err = a.findSession(ctx, r.Session)
	case r.User != "":
		_, err = a.cfg.Users.Find(ctx, r.User)
		err = missing(err, "user", r.User)
	case r.Client != "":
		_, err = a.findClient(r.Client)
	case r.Subject != "":
		_, err = a.cfg.Users.FindLink(ctx, r.Issuer, r.Subject)
		err = missingSubject(err, SubjectName{r.Issuer, r.Subject})
	default:
		err = a.knownNamespace(r.Issuer)
	}
	return err
}

func missingSubject(err error, s SubjectName) error {
	return missing(err, "subject of issuer "+s.Issuer, s.Subject)
}
