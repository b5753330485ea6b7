package grant

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
)

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
	if _, err := e.checkOrigin(ctx, v.Request, parent); err != nil {
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
