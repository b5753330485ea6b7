package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
)

// refreshToken turns a session (RFC 6749 §6). Everything that let it in is
// asked again, as it is today. Refusals whose code is invalid_grant mean that
// the session is over for its client; what was merely asked for too much is
// refused with another code and harms nothing.
func (e *Endpoint) refreshToken(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	client, err := e.client(req)
	if err != nil {
		return nil, err
	}
	if req.RefreshToken == "" {
		return nil, missing("refresh_token")
	}
	var t *exchange.AccessToken
	var user *User
	judge := func(s *exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		var err error
		t, user, err = e.renew(ctx, req, client, s, now)
		return t, client.Idle(), err
	}
	tokens, err := e.cfg.Sessions.Refresh(ctx, req.RefreshToken, now, judge)
	if err != nil {
		return nil, err
	}
	resp := respond(tokens, t, now)
	resp.User = user
	return resp, nil
}

// renew is the access token that a session gets today, and who its user is by
// today's mapping of the claims that the session began with.
func (e *Endpoint) renew(ctx context.Context, req *Request, client *exchange.Client, s *exchange.Session, now time.Time) (*exchange.AccessToken, *User, error) {
	if s.Client != client.ID {
		return nil, nil, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, fmt.Errorf("session %s is of client %s", s.ID, s.Client))
	}
	req.Trail.about(s)
	trust := e.trust(client, s)
	if trust == nil {
		return nil, nil, ended(exchange.Refuse(exchange.ReasonIssuerUnknown, fmt.Errorf("issuer %s is gone", s.Issuer)))
	}
	if err := e.sameUser(ctx, s, now); err != nil {
		return nil, nil, err
	}
	if err := e.sameProof(req, s, trust); err != nil {
		return nil, nil, err
	}
	if err := e.stillActs(ctx, client, s, trust); err != nil {
		return nil, nil, err
	}
	ask := e.ask(req)
	d := exchange.DecideRefresh(trust, client, s, ask)
	if err := req.Trail.decided(d); err != nil {
		return nil, nil, tooMuchOrEnded(d.Err, ask)
	}
	if !d.NotAfter.After(now) {
		return nil, nil, exchange.Refuse(exchange.ReasonRefreshTokenExpired, fmt.Errorf("session %s ended at %s", s.ID, d.NotAfter))
	}
	return &exchange.AccessToken{
		User: s.User, Client: s.Client, Session: s.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details, Extra: d.Extra,
		IssuedAt: now, Expires: earlier(now.Add(client.AccessLifetime()), d.NotAfter),
		AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR, Actor: s.Actor, JKT: s.JKT,
	}, &User{ID: s.User, Email: d.Email}, nil
}

// trust is whom the session's proof is believed of today, nil if nobody.
func (e *Endpoint) trust(client *exchange.Client, s *exchange.Session) *exchange.CompiledIssuer {
	if s.Proof != "" && s.Issuer == exchange.Namespace(s.Proof, client.ID) {
		return exchange.FirstPartyIssuer(client, s.Proof)
	}
	return e.cfg.Registry().Issuer(s.Issuer)
}

// about notes whose session is asked for.
func (t *Trail) about(s *exchange.Session) {
	t.Issuer, t.Subject, t.User, t.Session, t.Key = s.Issuer, s.Subject, s.User, s.ID, s.Key
	t.Checks = t.Checks[:0] // without those of an earlier try
}

// sameUser wants the session's subject to be linked to its user still, and
// the user to be let in.
func (e *Endpoint) sameUser(ctx context.Context, s *exchange.Session, now time.Time) error {
	user, _, _, err := e.cfg.Users.Resolve(ctx, &exchange.Subject{Issuer: s.Issuer, ID: s.Subject}, false, now)
	if refused, ok := errors.AsType[*exchange.Error](err); ok {
		return ended(refused)
	}
	if err != nil {
		return err
	}
	if user.ID != s.User {
		return ended(exchange.Refuse(exchange.ReasonUserNotRegistered, fmt.Errorf("the subject is user %s now", user.ID)))
	}
	return nil
}

// sameProof wants the proof to count today: the key that signed it, and whom it
// was for, must not have been taken away. Of a proof of ours there is nothing to
// ask but whether the client still brings it, which is part of the decision.
func (e *Endpoint) sameProof(req *Request, s *exchange.Session, trust *exchange.CompiledIssuer) error {
	if s.Proof != "" {
		return nil
	}
	key := exchange.Check{
		Name: "key", Want: "one that is not withdrawn", Got: s.Key,
		Passed: !trust.Keys.Revoked(s.Key), Reason: exchange.ReasonKeyNotFound,
	}
	req.Trail.Checks = append(req.Trail.Checks, key)
	if !key.Passed {
		return ended(key.Refusal())
	}
	checks, err := e.cfg.Subjects.Recipient(trust.Issuer, s.Claims)
	req.Trail.Checks = append(req.Trail.Checks, checks...)
	if err != nil {
		return ended(exchange.AsError(err))
	}
	return nil
}

// ended says that what let a session in is no longer so.
func ended(cause *exchange.Error) error {
	if cause.Reason.Response().Code == exchange.TemporarilyUnavailable {
		return cause
	}
	e := exchange.Refuse(exchange.ReasonSessionEnded, cause)
	e.Description = cause.Description
	return e
}

// tooMuchOrEnded tells a request for more than there is from a session that
// would get nothing whatever it asked for.
func tooMuchOrEnded(cause *exchange.Error, ask exchange.Requested) error {
	asked := map[exchange.Reason]bool{
		exchange.ReasonScopeNotAllowed:             len(ask.Scopes) > 0,
		exchange.ReasonTargetNotAllowed:            len(ask.Audiences) > 0,
		exchange.ReasonAuthorizationDetailsInvalid: len(ask.Details) > 0,
	}
	if asked[cause.Reason] {
		return cause
	}
	return ended(cause)
}
