package subject

import (
	"context"
	"time"

	"cambio/exchange"
	"cambio/exchange/keylogin"
)

// Requests checks one-time tokens and mailed codes, and names what is to be
// spent. Errors are of type *exchange.Error but for the store's own.
type Requests interface {
	VerifyToken(ctx context.Context, client *exchange.Client, id, token, verifier string, now time.Time) (keylogin.Verified, error)
	VerifyCode(ctx context.Context, client *exchange.Client, r keylogin.CodeProof, now time.Time) (keylogin.Verified, error)
}

// oneTimeToken takes a token that a request for a login by auth key gave,
// together with the ID of the request and, if the request asked for one, the
// code_verifier (RFC 7636 §4.5). It speaks of the user to whom the key is
// linked, and of nobody new.
func (v *Verifier) oneTimeToken(ctx context.Context, l *list, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := l.broughtBy(token)
	if client == nil || !l.check(exchange.Check{
		Name: "request_id", Want: "that of the request", Got: presence(token.RequestID != ""),
		Passed: token.RequestID != "", Reason: exchange.ReasonParameterMissing, Message: "request_id is missing",
	}) {
		return nil, nil
	}
	trust := exchange.FirstPartyIssuer(client, token.Type)
	proven, err := v.cfg.Requests.VerifyToken(ctx, client, token.RequestID, token.Text, token.CodeVerifier, now)
	if !l.challenge("one_time_token", "that of the request, unspent", err) {
		return nil, trust
	}
	token.Credential = proven.Signer
	s := l.own(trust, exchange.FirstPartyClaims(proven.Key, "", false, ""), token)
	s.MustExist, s.Proof.Challenge = true, proven.Challenge
	return s, trust
}

// challenge notes whether what we handed out was proven.
func (l *list) challenge(name, want string, err error) bool {
	c := exchange.Check{Name: name, Want: want, Passed: true}
	if err != nil {
		l.fail(c, exchange.AsError(err))
		return false
	}
	return l.check(c)
}
