package grant

import (
	"context"
	"time"

	"cambio/exchange"
)

// jwtBearer exchanges an assertion about a user (RFC 7523 §2.1), verified like a
// subject token. A client that can present one can present the next, so there is
// no refresh token.
func (e *Endpoint) jwtBearer(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	client, err := req.confidentialClient()
	if err != nil {
		return nil, err
	}
	if req.Assertion == "" {
		return nil, missing("assertion")
	}
	subject, issuer, err := req.Trail.Verify(ctx, e.cfg.Subjects, exchange.SubjectToken{
		Text: req.Assertion, Type: exchange.TypeJWT, IssuerID: req.IssuerID, Nonce: req.Nonce,
	}, now)
	if err != nil {
		return nil, assertionInvalid(err)
	}
	resp, err := e.login(ctx, &verified{
		Request: req, client: client, issuer: issuer, subject: subject, requested: e.requested(req), noRefresh: true,
	}, now)
	return resp, assertionInvalid(err)
}

// assertionInvalid gives a refusal the code that RFC 7523 §3.1 requires for an
// assertion, invalid_grant, where RFC 8693 §2.2.2 requires invalid_request.
func assertionInvalid(err error) error {
	if err == nil || exchange.AsError(err).Reason.Response().Code != exchange.InvalidRequest {
		return err
	}
	return refuseAs(exchange.ReasonAssertionInvalid, err)
}
