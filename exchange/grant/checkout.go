package grant

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
)

// checkout exchanges a client's own access token for a checkout token: for one
// invoice of one customer, whom the client's source of truth is asked about
// here, whichever way the request came. Nothing is stored, so that a page whose
// token was lost gets another.
func (e *Endpoint) checkout(ctx context.Context, req *Request, n *entry, now time.Time) (*Response, error) {
	if n.issue.refresh || n.issue.id {
		return nil, invalid("requested_token_type", "cannot be had for an access token")
	}
	if req.ActorToken != "" {
		return nil, invalid("actor_token", "has no meaning for a checkout token")
	}
	parent := n.subject.Parent
	d, purchase := exchange.DecideCheckout(n.client, parent, n.ask)
	if err := req.Trail.decided(d); err != nil {
		return nil, err
	}
	req.Trail.Purchase = purchase
	if _, err := e.stands(ctx, req, parent); err != nil {
		return nil, err
	}
	if err := e.accepted(ctx, req, *purchase, now); err != nil {
		return nil, err
	}
	lifetime := min(n.client.AccessLifetime(), exchange.MaxCheckout)
	if req.MaxLifetime > 0 {
		lifetime = min(lifetime, req.MaxLifetime)
	}
	return e.reissue(ctx, n, &exchange.AccessToken{
		User: parent.User, Client: n.client.ID, Audience: d.Audience, Details: d.Details, Purchase: purchase,
		IssuedAt: now, Expires: earlier(now.Add(lifetime), d.NotAfter), Actor: n.actor, JKT: parent.JKT,
	}, now)
}

// accepted asks whether the invoice is the customer's.
func (e *Endpoint) accepted(ctx context.Context, req *Request, p exchange.Purchase, now time.Time) error {
	truth := req.Client.Client.Checkout.Invoices
	var err error
	switch {
	case truth == "" || truth == exchange.InvoicesNone:
		return nil // the client's own word counts
	case e.cfg.Invoices == nil:
		err = exchange.Refuse(exchange.ReasonInvoicesUnavailable, errors.New("nobody knows invoices here"))
	default:
		err = e.cfg.Invoices.Accept(ctx, req.Client, p, req.ID, now)
	}
	c := exchange.Check{
		Name: "invoice", Want: "one of the customer's by " + string(truth), Got: exchange.Clip(p.Invoice), Passed: err == nil,
	}
	if err != nil {
		c.Reason = refusal(err).Reason
	}
	req.Trail.Checks = append(req.Trail.Checks, c)
	return err
}
