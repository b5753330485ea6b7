package subject

import (
	"context"
	"time"

	"cambio/exchange"
)

// accessToken verifies an access token: ours if it says so, else an external
// issuer's.
func (v *Verifier) accessToken(ctx context.Context, l *list, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	parsed := l.parse(token.Text)
	if parsed != nil && parsed.Issuer() == v.cfg.OwnIssuer {
		return v.own(ctx, l, token, now), nil
	}
	return v.externalJWT(ctx, l, token, parsed, now)
}

func (v *Verifier) own(ctx context.Context, l *list, token exchange.SubjectToken, now time.Time) *exchange.Subject {
	if l.namesNobody(token); l.refused() {
		return nil
	}
	parent, err := v.cfg.FirstParty.Parse(ctx, token.Text, now)
	if err != nil {
		l.fail(exchange.Check{Name: "access token", Want: "a live one of ours", Got: err.Error()}, revoked(exchange.AsError(err)))
		return nil
	}
	l.check(exchange.Check{Name: "access token", Want: "a live one of ours", Got: parent.ID, Passed: true})
	return &exchange.Subject{
		ID: parent.User, Extra: parent.Extra, Actor: parent.Actor, Parent: parent,
		Proof: exchange.Proof{
			TokenType: token.Type, Expires: parent.Expires, AuthTime: parent.AuthTime,
			ACR: parent.ACR, AMR: parent.AMR, Audience: parent.Audience,
		},
	}
}

// namesNobody refuses what goes with an external issuer's token: whoever sends
// it believes that it is checked.
func (l *list) namesNobody(token exchange.SubjectToken) {
	l.check(exchange.Check{
		Name: "issuer_id", Want: "none, for a proof of ours", Got: token.IssuerID,
		Passed: token.IssuerID == "", Reason: exchange.ReasonIssuerUnknown,
	})
	l.check(exchange.Check{
		Name: "nonce", Want: "none, for a proof of ours", Got: presence(token.Nonce != ""),
		Passed: token.Nonce == "", Reason: exchange.ReasonNonceMismatch,
	})
}

// revoked keeps a token whose session has ended from ending the session of who
// brought it: a bad subject token is invalid_request (RFC 8693 §2.2.2), and
// invalid_grant would be about a refresh token.
func revoked(e *exchange.Error) *exchange.Error {
	if e.Reason != exchange.ReasonSessionEnded {
		return e
	}
	return exchange.Refuse(exchange.ReasonSubjectTokenRevoked, e)
}
