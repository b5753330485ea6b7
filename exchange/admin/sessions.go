package admin

import (
	"context"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/storage"
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
		return refused(http.StatusUnprocessableEntity, "%v", err)
	}
	if err := a.checkKnown(ctx, r); err != nil {
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

// checkKnown refuses a revocation of something unknown: a typing error would look like
// success. A key is not looked up; tokens of a key that is no longer published may
// exist.
func (a *api) checkKnown(ctx context.Context, r Revocation) error {
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
		err = a.checkNamespace(r.Issuer)
	}
	return err
}

func missingSubject(err error, s SubjectName) error {
	return missing(err, "subject of issuer "+s.Issuer, s.Subject)
}

// revoking commits revocations together with a change. A concurrent exchange that
// read its user before that commit began before it, so that its session is revoked;
// one that read a registration before it was replaced in memory may have begun
// after, so the revocations are then committed once more.
func (a *api) revoking(ctx context.Context, change func([]storage.Write) error, list ...exchange.Revocation) error {
	err := storage.Retry(ctx, attempts, func() error { // another revocation may be faster
		writes, err := a.revocationWrites(ctx, list)
		if err != nil {
			return err
		}
		return change(writes)
	})
	if err == nil {
		a.revokeAgain(ctx, list)
	}
	return err
}

// attempts is how often a change with revocations is tried.
const attempts = 16

// revokeAgain commits revocations once more. The change is committed already, so a
// failure is only logged.
func (a *api) revokeAgain(ctx context.Context, list []exchange.Revocation) {
	now := a.now()
	for i := range list {
		list[i].Time = now
	}
	if err := a.cfg.Sessions.Revoke(ctx, list...); err != nil {
		a.log.ErrorContext(ctx, "revoking the sessions that were created during a change", "error", err)
	}
}

func (a *api) revocationWrites(ctx context.Context, list []exchange.Revocation) ([]storage.Write, error) {
	now := a.now()
	for i := range list {
		list[i].Time = now
	}
	return a.cfg.Sessions.Revocations(ctx, list...)
}

// revocations returns the revocations of what came from the issuers, clients and
// keys that a plan removes.
func revocations(plan registry.Plan) []exchange.Revocation {
	var out []exchange.Revocation
	for _, c := range plan {
		switch {
		case c.Action == registry.Remove && c.Kind == registry.KindIssuer:
			out = append(out, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: c.ID})
		case c.Action == registry.Remove && c.Kind == registry.KindClient:
			out = append(out, clientRevocations(c.ID)...)
		}
		for _, key := range c.RevokedKeys {
			out = append(out, exchange.Revocation{Kind: exchange.RevocationKey, ID: c.ID + "/" + key})
		}
	}
	return out
}

// clientRevocations revoke the sessions of a client, and those that other clients
// got for tokens of its first-party users.
func clientRevocations(id string) []exchange.Revocation {
	out := []exchange.Revocation{{Kind: exchange.RevocationClient, ID: id}}
	for _, namespace := range exchange.Namespaces(id) {
		out = append(out, exchange.Revocation{Kind: exchange.RevocationIssuer, ID: namespace})
	}
	return out
}
