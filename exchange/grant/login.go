package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// maxAttempts bounds how often a login whose commit conflicts is decided again. A
// user's first login conflicts at most once with another of the same subject.
const maxAttempts = 8

// login issues tokens, and perhaps creates a user and a session, for a subject
// that an external issuer's token or a first-party proof has proven.
func (e *Endpoint) login(ctx context.Context, v *verified, now time.Time) (*Response, error) {
	if v.issuance.refresh && !v.storesSession() {
		return nil, invalid("requested_token_type", "is one that this client does not get")
	}
	if err := v.idTokenAudience(); err != nil {
		return nil, err
	}
	d := exchange.Decide(v.issuer, v.client, v.subject, v.requested, now)
	if err := v.Trail.RecordDecision(d); err != nil {
		return nil, err
	}
	var resp *Response
	err := storage.Retry(ctx, maxAttempts, func() (err error) {
		resp, err = e.commitLogin(ctx, v, &d, now)
		return err
	})
	return resp, err
}

// storesSession reports whether the login stores a session.
func (v *verified) storesSession() bool {
	return v.client.RefreshTokens && v.client.MayUse(exchange.GrantRefreshToken) && !v.noRefresh && !v.issuance.idToken
}

// idTokenAudience makes the client the audience of an ID token (OpenID Connect
// Core §2) and refuses any other.
func (v *verified) idTokenAudience() error {
	if !v.issuance.idToken {
		return nil
	}
	for _, a := range v.requested.Audiences {
		if a != v.client.ID {
			return exchange.Check{
				Name: "audience", Want: v.client.ID, Got: a, Reason: exchange.ReasonTargetNotAllowed,
			}.Refusal()
		}
	}
	v.requested.Audiences = nil
	return nil
}

// commitLogin resolves the user and commits what was decided, all or nothing: a
// new user, a session, used tokens. Without any of these it commits nothing.
func (e *Endpoint) commitLogin(ctx context.Context, v *verified, d *exchange.Decision, now time.Time) (*Response, error) {
	user, isNew, writes, err := e.resolve(ctx, v, now)
	if err != nil {
		return nil, err
	}
	t, sess := v.accessToken(user.ID, d, now), v.session(user.ID, d, now)
	if err := e.countSession(v, sess, now); err != nil {
		return nil, err
	}
	tokens, err := e.cfg.Sessions.Create(ctx, sess, t, v.client.Idle(), sess != nil, now, writes...)
	if err != nil {
		return nil, err
	}
	if tokens.Ended != "" {
		v.Trail.Check(exchange.Check{
			Name: "maxSessionsPerUser", Want: fmt.Sprint(v.client.MaxSessions()), Got: "ended " + tokens.Ended, Audit: true,
		})
	}
	v.Trail.User, v.Trail.Session = user.ID, t.Session
	resp := newResponse(tokens, t, now)
	resp.User = &User{ID: user.ID, Email: user.Email, IsNew: isNew}
	if err := e.addIDToken(resp, v.client, t, v.Nonce); err != nil {
		return nil, err
	}
	return e.issue(resp, v, t)
}

// countSession refuses a session if its user got too many at the client in a short
// time: one token can be exchanged again and again. Each login counts once.
func (e *Endpoint) countSession(v *verified, sess *exchange.Session, now time.Time) error {
	if sess == nil || v.counted || e.cfg.NewSession == nil {
		return nil
	}
	v.counted = true
	if wait, over := e.cfg.NewSession(sess.Client, sess.User, now); over {
		return &exchange.Error{
			Reason: exchange.ReasonTooManySessions, RetryAfter: wait, Err: fmt.Errorf("user %s at client %s", sess.User, sess.Client),
		}
	}
	return nil
}

// accessToken returns the access token of a login. One without a session carries
// its origin itself.
func (v *verified) accessToken(user string, d *exchange.Decision, now time.Time) *exchange.AccessToken {
	p := &v.subject.Proof
	t := &exchange.AccessToken{
		User: user, Client: v.client.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details, Extra: d.Extra,
		IssuedAt: now, Expires: exchange.Earlier(now.Add(v.client.AccessLifetime()), d.NotAfter),
		AuthTime: p.AuthTime, ACR: p.ACR, AMR: p.AMR, Actor: v.actor, Order: v.order,
	}
	if !v.storesSession() {
		t.Origin = exchange.Origin{Issuer: v.subject.Issuer, Key: p.Key, Link: v.subject.LinkKey()}
	}
	return t
}

// session returns the session of a login, from which each refresh is decided,
// or nil if none is stored.
func (v *verified) session(user string, d *exchange.Decision, now time.Time) *exchange.Session {
	if !v.storesSession() {
		return nil
	}
	p := &v.subject.Proof
	var proof string
	if exchange.FirstPartyType(p.TokenType) {
		proof = p.TokenType
	}
	return &exchange.Session{
		User: user, Client: v.client.ID, Issuer: v.subject.Issuer, Subject: v.subject.ID, Proof: proof, Key: p.Key,
		Rules: d.Rules, Scopes: d.Scopes, Audience: d.Audience, Details: d.Details, Claims: v.subject.Claims,
		AuthTime: p.AuthTime, ACR: p.ACR, AMR: p.AMR, Actor: v.actor, ActorProof: v.actorProof,
		Created: now, NotAfter: exchange.Earlier(now.Add(v.client.Absolute()), d.NotAfter),
	}
}

// useTokens returns the writes that use up the request's tokens: those whose
// issuer allows each token once, and those that answer a challenge.
func (e *Endpoint) useTokens(ctx context.Context, v *verified, now time.Time) ([]storage.Write, error) {
	writes, err := e.useToken(ctx, v.subject, now)
	if err != nil || v.actorSubject == nil {
		return writes, err
	}
	s, a := v.subject, v.actorSubject
	if a.Proof.Replay != "" && a.Issuer == s.Issuer && a.Proof.Replay == s.Proof.Replay {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenReplayed, errors.New("the actor token is the subject token"))
	}
	used, err := e.useToken(ctx, a, now)
	return append(writes, used...), err
}

func (e *Endpoint) useToken(ctx context.Context, s *exchange.Subject, now time.Time) (writes []storage.Write, err error) {
	if s.Proof.Replay != "" {
		id := string(exchange.LengthPrefixed(s.Issuer, s.Proof.Replay))
		if writes, err = e.cfg.Replays.Once(ctx, "subject token", id, s.Proof.ReplayEnd, now); err != nil {
			return nil, err
		}
	}
	if s.Proof.Challenge != "" {
		w, err := e.cfg.Challenges.Spend(ctx, s.Proof.Challenge, now)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	return writes, nil
}
