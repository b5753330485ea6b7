package grant

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Verify decides about the request's subject token as a token exchange of its
// client would now, and returns its subject. It changes nothing: a token for one
// use stays unused. Tokens of this server are refused.
func (e *Endpoint) Verify(ctx context.Context, req *Request, now time.Time) (*exchange.Subject, error) {
	subject, issuer, err := req.Trail.Verify(ctx, e.cfg.Subjects, req.subjectToken(), now)
	if err != nil {
		return nil, err
	}
	if issuer == nil {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenTypeNotAccepted, errors.New("it is this server's own token"))
	}
	v := &verified{Request: req, client: req.Client.Client, issuer: issuer, subject: subject, requested: exchange.Requested{NoAccessToken: true}}
	if err := req.Trail.RecordDecision(exchange.Decide(issuer, v.client, subject, v.requested, now)); err != nil {
		return nil, err
	}
	if _, _, _, err := e.resolve(ctx, v, now); err != nil {
		return nil, err
	}
	return subject, nil
}

// resolve finds the user of a login. It returns the writes that create an unknown
// one and that use up the request's tokens.
func (e *Endpoint) resolve(ctx context.Context, v *verified, now time.Time) (user exchange.User, isNew bool, writes []storage.Write, err error) {
	create := v.client.CreatesUsers() && !v.subject.MustExist
	user, isNew, writes, err = e.cfg.Users.Resolve(ctx, v.subject, create, now)
	if err != nil {
		return user, isNew, nil, err
	}
	if !isNew {
		v.Trail.User = user.ID
	}
	used, err := e.useTokens(ctx, v, now)
	return user, isNew, append(writes, used...), err
}
