package grant

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
)

// jwtBearer is RFC 7523 §2.1: an assertion about a user, verified like a
// subject token. Whoever can make one can make another, so there is no refresh
// token.
func (e *Endpoint) jwtBearer(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	client, err := e.confidential(req)
	if err != nil {
		return nil, err
	}
	if req.Assertion == "" {
		return nil, missing("assertion")
	}
	subject, trust, err := e.verify(ctx, req, exchange.SubjectToken{
		Text: req.Assertion, Type: exchange.TypeJWT, IssuerID: req.IssuerID, Nonce: req.Nonce,
	}, now)
	if err != nil {
		return nil, badAssertion(err)
	}
	entry := &entry{trust: trust, client: client, subject: subject, ask: e.ask(req), bearer: true}
	resp, err := e.enter(ctx, req, entry, now)
	return resp, badAssertion(err)
}

// badAssertion gives what is wrong with an assertion the code that RFC 7523
// §3.1 asks for, invalid_grant, where RFC 8693 §2.2.2 has invalid_request for
// the same.
func badAssertion(err error) error {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.Reason.Response().Code != exchange.InvalidRequest {
		return err
	}
	bad := exchange.Refuse(exchange.ReasonAssertionInvalid, e)
	bad.Description = e.Description
	return bad
}
