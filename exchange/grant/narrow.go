package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// narrow exchanges an access token of ours for one that may do less. It lives
// no longer, belongs to the same session and is about the same login. Nothing
// is stored but that an actor token for one use is spent.
func (e *Endpoint) narrow(ctx context.Context, req *Request, n *entry, now time.Time) (*Response, error) {
	if n.issue.refresh || n.issue.id {
		return nil, invalid("requested_token_type", "cannot be had for an access token")
	}
	parent := n.subject.Parent
	d := exchange.DecideNarrowing(n.client, parent, n.ask)
	if err := req.Trail.decided(d); err != nil {
		return nil, err
	}
	user, err := e.stands(ctx, req, parent)
	if err != nil {
		return nil, err
	}
	resp, err := e.reissue(ctx, n, &exchange.AccessToken{
		User: parent.User, Client: n.client.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details, Extra: d.Extra,
		IssuedAt: now, Expires: earlier(now.Add(n.client.AccessLifetime()), d.NotAfter),
		Session: parent.Session, AuthTime: parent.AuthTime, ACR: parent.ACR, AMR: parent.AMR,
		Actor: n.actor, JKT: parent.JKT, Origin: parent.Origin,
	}, now)
	if err != nil {
		return nil, err
	}
	resp.User = user
	return resp, nil
}

// reissue signs what became of a token of ours.
func (e *Endpoint) reissue(ctx context.Context, n *entry, t *exchange.AccessToken, now time.Time) (*Response, error) {
	spent, err := e.spent(ctx, n, now)
	if err != nil {
		return nil, err
	}
	tokens, err := e.cfg.Sessions.Create(ctx, nil, t, 0, false, now, spent...)
	if errors.Is(err, storage.ErrConflict) { // there is no other write to lose by
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, err)
	}
	if err != nil {
		return nil, err
	}
	return e.issue(respond(tokens, t, now), n.issue, t)
}

// stands checks that what a token of ours came from is still there, and
// answers its user, nil if it is a client's own.
func (e *Endpoint) stands(ctx context.Context, req *Request, t *exchange.AccessToken) (*User, error) {
	registry := e.cfg.Registry()
	checks := []exchange.Check{{
		Name: "client_id", Want: "a registered client", Got: t.Client,
		Passed: registry.Client(t.Client) != nil, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	}}
	if id := t.Origin.Issuer; id != "" {
		checks = append(checks, exchange.Check{
			Name: "issuer", Want: "a registered issuer", Got: id,
			Passed: exchange.IsNamespace(id) || registry.Issuer(id) != nil, Reason: exchange.ReasonIssuerUnknown,
		})
	}
	for _, c := range checks {
		req.Trail.Checks = append(req.Trail.Checks, c)
		if !c.Passed {
			return nil, c.Refusal()
		}
	}
	if clients(t) {
		return nil, nil
	}
	return e.user(ctx, t.User)
}

// user is a user who may come in.
func (e *Endpoint) user(ctx context.Context, id string) (*User, error) {
	u, err := e.cfg.Users.Find(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, exchange.Refuse(exchange.ReasonUserNotRegistered, err)
	case err != nil:
		return nil, err
	case u.Disabled:
		return nil, exchange.Refuse(exchange.ReasonUserDisabled, fmt.Errorf("user %s is disabled", u.ID))
	}
	return &User{ID: u.ID, Email: u.Email}, nil
}

// clients says whether a token of ours is about a client, not a user: every
// user's has a session or the origin of one.
func clients(t *exchange.AccessToken) bool {
	return t.Session == "" && t.Origin == exchange.Origin{}
}
