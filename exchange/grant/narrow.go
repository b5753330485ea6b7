package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// narrow exchanges one of this server's access tokens for one that may do less.
// It expires no later, belongs to the same session and is about the same login.
// Nothing is written unless an actor token is for single use.
func (e *Endpoint) narrow(ctx context.Context, v *verified, now time.Time) (*Response, error) {
	parent := v.subject.Parent
	d := exchange.DecideNarrowing(v.client, parent, v.requested)
	if err := v.Trail.RecordDecision(d); err != nil {
		return nil, err
	}
	user, err := e.checkOrigin(ctx, v.Request, parent, now)
	if err != nil {
		return nil, err
	}
	resp, err := e.reissue(ctx, v, &exchange.AccessToken{
		User: parent.User, Client: v.client.ID, Audience: d.Audience, Scopes: remaining(d.Scopes, parent.Scopes), Details: d.Details, Extra: d.Extra,
		IssuedAt: now, Expires: exchange.Earlier(now.Add(v.client.AccessLifetime()), d.NotAfter),
		Session: parent.Session, AuthTime: parent.AuthTime, ACR: parent.ACR, AMR: parent.AMR,
		Actor: v.actor, JKT: parent.JKT, Origin: parent.Origin,
	}, now)
	if err != nil {
		return nil, err
	}
	resp.User = user
	return resp, nil
}

// maxParents bounds how often a token can be exchanged for the next one, which
// carries what is checked of all before it.
const maxParents = 8

// reissue signs a token that another access token was exchanged for. It is revoked
// with that one.
func (e *Endpoint) reissue(ctx context.Context, v *verified, t *exchange.AccessToken, now time.Time) (*Response, error) {
	parent := v.subject.Parent
	t.Parents, t.Order = append(slices.Clip(parent.Parents), parent.AsParent()), v.order
	if len(t.Parents) > maxParents {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenTypeNotAccepted, fmt.Errorf("exchanged %d times already", maxParents))
	}
	used, err := e.useTokens(ctx, v, now)
	if err != nil {
		return nil, err
	}
	tokens, err := e.cfg.Sessions.Create(ctx, nil, t, 0, false, now, used...)
	if errors.Is(err, storage.ErrConflict) { // only a used token's write can conflict
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, err)
	}
	if err != nil {
		return nil, err
	}
	return e.issue(newResponse(tokens, t, now), v, t)
}

// checkOrigin checks that an access token would be issued today: its client and
// issuer are registered, and the login that it came from passes the checks of a
// refresh, as far as the login is stored. It takes from t the scopes that a refresh
// would not grant, and returns its user, or nil for a client's own token.
func (e *Endpoint) checkOrigin(ctx context.Context, req *Request, t *exchange.AccessToken, now time.Time) (*User, error) {
	client := e.cfg.Registry().Client(t.Client)
	if err := req.Trail.require(exchange.Check{
		Name: "client_id", Want: "a registered client", Got: t.Client,
		Passed: client != nil, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	}); err != nil {
		return nil, err
	}
	switch {
	case t.Session != "":
		if err := e.checkTokenSession(ctx, req, t, now); err != nil {
			return nil, err
		}
	case t.Origin == (exchange.Origin{}): // a user's token has one of both
		return nil, nil
	case t.Origin.Issuer != "" && !exchange.IsNamespace(t.Origin.Issuer):
		if err := e.checkTokenIssuer(req, t); err != nil {
			return nil, err
		}
	}
	return e.user(ctx, t.User)
}

// checkTokenIssuer checks the issuer of a token without a session. It may have been
// issued to another client by a client that the issuer's tokens are for.
func (e *Endpoint) checkTokenIssuer(req *Request, t *exchange.AccessToken) error {
	issuer := e.cfg.Registry().Issuer(t.Origin.Issuer)
	if err := req.Trail.require(exchange.Check{
		Name: "issuer", Want: "a registered issuer", Got: t.Origin.Issuer,
		Passed: issuer != nil, Reason: exchange.ReasonIssuerUnknown,
	}); err != nil {
		return err
	}
	return req.Trail.require(exchange.Check{
		Name: "key", Want: "one that is not revoked", Got: t.Origin.Key,
		Passed: !issuer.Keys.Revoked(t.Origin.Key), Reason: exchange.ReasonKeyNotFound,
	})
}

// checkTokenSession evaluates the session of an access token as a refresh of it
// would be.
func (e *Endpoint) checkTokenSession(ctx context.Context, req *Request, t *exchange.AccessToken, now time.Time) error {
	s, err := e.cfg.Sessions.Session(ctx, t.Session)
	if err != nil {
		return err
	}
	client := e.cfg.Registry().Client(s.Client)
	if client == nil {
		return exchange.Refuse(exchange.ReasonSubjectTokenRevoked, fmt.Errorf("client %s of session %s was removed", s.Client, s.ID))
	}
	issuer := e.issuer(client.Client, s)
	if issuer == nil {
		return exchange.Refuse(exchange.ReasonIssuerUnknown, fmt.Errorf("issuer %s was removed", s.Issuer))
	}
	if err := e.checkSession(ctx, req, client.Client, s, issuer, now); err != nil {
		return err
	}
	d := exchange.DecideRefresh(issuer, client.Client, s, exchange.Requested{Types: e.cfg.Registry().DetailType})
	if d.Err != nil {
		req.Trail.CheckAll(d.Checks)
		return d.Err
	}
	t.Scopes = remaining(t.Scopes, d.Scopes)
	return nil
}

// remaining returns those of scopes that are still granted.
func remaining(scopes, granted []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(granted, s) })
}

// user returns an enabled user.
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

// checkout exchanges a client's own access token for a checkout token: for one
// invoice of one customer, validated by the source that the client's registration
// names. Nothing is stored, so a page that lost its token can get another.
func (e *Endpoint) checkout(ctx context.Context, v *verified, now time.Time) (*Response, error) {
	if v.ActorToken != "" {
		return nil, invalid("actor_token", "has no meaning for a checkout token")
	}
	parent := v.subject.Parent
	d, purchase := exchange.DecideCheckout(v.client, parent, v.requested)
	if err := v.Trail.RecordDecision(d); err != nil {
		return nil, err
	}
	v.Trail.Purchase = purchase
	if _, err := e.checkOrigin(ctx, v.Request, parent, now); err != nil {
		return nil, err
	}
	if err := e.checkInvoice(ctx, v.Request, *purchase, now); err != nil {
		return nil, err
	}
	lifetime := min(v.client.AccessLifetime(), exchange.MaxCheckout)
	if v.MaxLifetime > 0 {
		lifetime = min(lifetime, v.MaxLifetime)
	}
	return e.reissue(ctx, v, &exchange.AccessToken{
		User: parent.User, Client: v.client.ID, Audience: d.Audience, Details: d.Details, Purchase: purchase,
		IssuedAt: now, Expires: exchange.Earlier(now.Add(lifetime), d.NotAfter), Actor: v.actor, JKT: parent.JKT,
	}, now)
}

// checkInvoice checks that the invoice is the customer's.
func (e *Endpoint) checkInvoice(ctx context.Context, req *Request, p exchange.Purchase, now time.Time) error {
	source := req.Client.Client.Checkout.Invoices
	var err error
	switch {
	case source == "" || source == exchange.InvoicesNone:
		return nil // the client is trusted with that
	case e.cfg.Invoices == nil:
		err = exchange.Refuse(exchange.ReasonInvoicesUnavailable, errors.New("this server validates no invoices"))
	default:
		err = e.cfg.Invoices.Accept(ctx, req.Client, p, req.ID, now)
	}
	c := exchange.Check{Name: "invoice", Want: "one of the customer's by " + string(source), Got: p.Invoice, Passed: err == nil}
	if err != nil {
		req.Trail.Fail(c, err)
		return err
	}
	return req.Trail.require(c)
}
