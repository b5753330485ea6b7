package grant

import (
	"context"
	"fmt"
	"time"

	"cambio/exchange"
)

// refreshToken refreshes a session (RFC 6749 §6). Everything that its login was
// decided by is evaluated again, as it is today. A refusal whose code is
// invalid_grant means that the client has lost the session; a request for too
// much is refused with another code and harms nothing.
func (e *Endpoint) refreshToken(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	client, err := req.client()
	if err != nil {
		return nil, err
	}
	if req.RefreshToken == "" {
		return nil, missing("refresh_token")
	}
	var t *exchange.AccessToken
	var user *User
	evaluate := func(s *exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		var err error
		t, user, err = e.renew(ctx, req, client, s, now)
		return t, client.Idle(), err
	}
	tokens, err := e.cfg.Sessions.Refresh(ctx, req.RefreshToken, now, evaluate)
	if err != nil {
		return nil, err
	}
	if tokens.Repeated {
		req.Trail.Check(exchange.Check{
			Name: "refresh_token", Want: "the current token, or its predecessor while the current one is unused", Got: "the predecessor", Audit: true,
		})
	}
	resp := newResponse(tokens, t, now)
	resp.User = user
	return resp, e.addIDToken(resp, client, t, "") // OpenID Connect Core §12.2
}

// renew returns the access token that a session gets today, and its user as
// today's mapping makes it of the claims of the login.
func (e *Endpoint) renew(ctx context.Context, req *Request, client *exchange.Client, s *exchange.Session, now time.Time) (*exchange.AccessToken, *User, error) {
	if s.Client != client.ID {
		return nil, nil, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, fmt.Errorf("session %s is of client %s", s.ID, s.Client))
	}
	req.Trail.session(s)
	issuer := e.issuer(client, s)
	if issuer == nil {
		return nil, nil, refuseAs(exchange.ReasonSessionEnded, exchange.Refuse(exchange.ReasonIssuerUnknown, fmt.Errorf("issuer %s was removed", s.Issuer)))
	}
	if err := e.checkSession(ctx, req, client, s, issuer, now); err != nil {
		return nil, nil, refuseAs(exchange.ReasonSessionEnded, err)
	}
	requested := e.requested(req)
	d := exchange.DecideRefresh(issuer, client, s, requested)
	if err := req.Trail.RecordDecision(d); err != nil {
		return nil, nil, excessOrEnded(d.Err, requested)
	}
	if !d.NotAfter.After(now) {
		return nil, nil, exchange.Refuse(exchange.ReasonRefreshTokenExpired, fmt.Errorf("session %s ended at %s", s.ID, d.NotAfter))
	}
	return &exchange.AccessToken{
		User: s.User, Client: s.Client, Session: s.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details, Extra: d.Extra,
		IssuedAt: now, Expires: exchange.Earlier(now.Add(client.AccessLifetime()), d.NotAfter),
		AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR, Actor: s.Actor, JKT: s.JKT,
	}, &User{ID: s.User, Email: d.Email}, nil
}

// issuer returns the issuer of the session as registered today, or nil.
func (e *Endpoint) issuer(client *exchange.Client, s *exchange.Session) *exchange.CompiledIssuer {
	if s.Proof != "" && s.Issuer == exchange.Namespace(s.Proof, client.ID) {
		return exchange.FirstPartyIssuer(client, s.Proof)
	}
	return e.cfg.Registry().Issuer(s.Issuer)
}

// checkSession checks that the user, the proof and the actor of a session are
// still good.
func (e *Endpoint) checkSession(ctx context.Context, req *Request, client *exchange.Client, s *exchange.Session, issuer *exchange.CompiledIssuer, now time.Time) error {
	user, _, _, err := e.cfg.Users.Resolve(ctx, &exchange.Subject{Issuer: s.Issuer, ID: s.Subject}, false, now)
	if err != nil {
		return err
	}
	if user.ID != s.User {
		return exchange.Refuse(exchange.ReasonUserNotRegistered, fmt.Errorf("the subject is linked to user %s now", user.ID))
	}
	if err := e.checkProof(req, s, issuer); err != nil {
		return err
	}
	return e.actorStillAllowed(ctx, req, client, s, issuer, now)
}

// checkProof checks that the key that signed the proof has not been revoked and
// that its recipient is still accepted. A first-party proof has neither; whether
// the client may still present it is part of the decision.
func (e *Endpoint) checkProof(req *Request, s *exchange.Session, issuer *exchange.CompiledIssuer) error {
	if s.Proof != "" {
		return nil
	}
	if err := req.Trail.require(exchange.Check{
		Name: "key", Want: "one that is not revoked", Got: s.Key,
		Passed: !issuer.Keys.Revoked(s.Key), Reason: exchange.ReasonKeyNotFound,
	}); err != nil {
		return err
	}
	e.cfg.Subjects.CheckRecipient(&req.Trail.Recorder, issuer.Issuer, s.Claims)
	return req.Trail.require()
}

// excessOrEnded returns the refusal of a request for more than the session has,
// and ends a session that would get nothing whatever it requested.
func excessOrEnded(refusal *exchange.Error, requested exchange.Requested) error {
	excess := map[exchange.Reason]bool{
		exchange.ReasonScopeNotAllowed:             len(requested.Scopes) > 0,
		exchange.ReasonTargetNotAllowed:            len(requested.Audiences) > 0,
		exchange.ReasonAuthorizationDetailsInvalid: len(requested.Details) > 0,
	}
	if excess[refusal.Reason] {
		return refusal
	}
	return refuseAs(exchange.ReasonSessionEnded, refusal)
}
