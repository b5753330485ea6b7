package admin

import (
	"context"
	"net/http"

	"cambio/exchange/audit"
	"cambio/exchange/session"
)

func (a *api) sessions() {
	handle(a, "listSessions", "GET /v1/sessions", "List sessions, oldest first", a.listSessions,
		description("A page can be empty although others follow: continue while there is a next."))
	handle(a, "showSession", "GET /v1/sessions/{id}", "Show a session", func(ctx context.Context, in *byID) (Session, error) {
		return a.findSession(ctx, in.ID)
	})
	handleEmpty(a, "revokeSessions", "POST /v1/sessions:revoke", "Revoke sessions and the tokens that came from them", a.revokeSessions)
}

func (a *api) findSession(ctx context.Context, id string) (Session, error) {
	s, err := a.cfg.Sessions.Find(ctx, id)
	return Session{s}, missing(err, "session", id)
}

func (a *api) listSessions(ctx context.Context, in *SessionFilter) (Sessions, error) {
	page, next, err := a.cfg.Sessions.List(ctx, session.Filter(*in))
	out := Sessions{Sessions: make([]Session, len(page)), Next: next}
	for i, s := range page {
		out.Sessions[i] = Session{s}
	}
	return out, err
}

func (a *api) revokeSessions(ctx context.Context, in *body[Revocation]) error {
	r := in.Body
	revocation, err := r.Parse()
	if err != nil {
		return &refusal{status: http.StatusUnprocessableEntity, detail: err.Error()}
	}
	if err := a.known(ctx, r); err != nil {
		return err
	}
	revocation.Time = a.now()
	if err := a.cfg.Sessions.Revoke(ctx, revocation); err != nil {
		return err
	}
	a.note(ctx, audit.Event{
		Name: "admin.session.revoke", Session: r.Session, User: r.User, Client: r.Client,
		Issuer: r.Issuer, Key: r.Key, Subject: r.Subject,
	})
	return nil
}

// known refuses a revocation of something unknown: a typing error would look like
// success. A key is not looked up; tokens of a key that is no longer published may
// exist.
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
