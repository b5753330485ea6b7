package subject

import (
	"context"
	"time"

	"cambio/exchange"
)

// accessToken verifies an access token: this server's own if its iss says so,
// otherwise an external issuer's.
func (v *Verifier) accessToken(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	jws := r.parse(token.Text)
	if jws != nil && jws.Issuer() == v.cfg.OwnIssuer {
		return v.ownToken(ctx, r, token, now), nil
	}
	return v.externalJWT(ctx, r, token, jws, now)
}

func (v *Verifier) ownToken(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) *exchange.Subject {
	if r.noIssuerParameters(token); r.Refused() {
		return nil
	}
	c := exchange.Check{Name: "access token", Want: "a valid one of this server"}
	parent, err := v.cfg.FirstParty.Parse(ctx, token.Text, now)
	if err != nil {
		c.Got = err.Error()
		r.Fail(c, tokenRevoked(err))
		return nil
	}
	c.Got, c.Passed = parent.ID, true
	r.Check(c)
	return &exchange.Subject{
		ID: parent.User, Extra: parent.Extra, Actor: parent.Actor, Parent: parent,
		Proof: exchange.Proof{
			TokenType: token.Type, Expires: parent.Expires, AuthTime: parent.AuthTime,
			ACR: parent.ACR, AMR: parent.AMR, Audience: parent.Audience,
		},
	}
}

// noIssuerParameters refuses parameters that belong to an external issuer's token:
// their sender would assume that they are checked.
func (r *recorder) noIssuerParameters(token exchange.SubjectToken) {
	r.Check(exchange.Check{
		Name: "issuer_id", Want: "none, for a first-party token", Got: token.IssuerID,
		Passed: token.IssuerID == "", Reason: exchange.ReasonIssuerUnknown,
	})
	r.Check(exchange.Check{
		Name: "nonce", Want: "none, for a first-party token", Got: presence(token.Nonce != ""),
		Passed: token.Nonce == "", Reason: exchange.ReasonNonceMismatch,
	})
}

// tokenRevoked returns SESSION_ENDED as another reason: a bad subject token is
// invalid_request (RFC 8693 §2.2.2), and invalid_grant would tell the client that
// its own session has ended.
func tokenRevoked(err error) error {
	if exchange.AsError(err).Reason != exchange.ReasonSessionEnded {
		return err
	}
	return exchange.Refuse(exchange.ReasonSubjectTokenRevoked, err)
}
