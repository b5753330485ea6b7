package grant

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"cambio/exchange"
)

// maxActors bounds a chain of actors: each exchange of this server's own token
// may add one.
const maxActors = 8

// setActor determines the actor (RFC 8693 §1.1, §4.1): the one that the actor
// token is about, followed by the earlier actors of the subject token, if that is
// this server's own. The act claim of an external token is ignored.
func (e *Endpoint) setActor(ctx context.Context, v *verified, now time.Time) error {
	v.actor = v.subject.Actor
	if v.ActorToken == "" {
		return nil
	}
	actor, issuer, err := e.verifyActor(ctx, v, now)
	if err != nil {
		return refuseAs(exchange.ReasonActorTokenInvalid, err)
	}
	if err := e.mayAct(v, actor, issuer); err != nil {
		return err
	}
	v.actorSubject = actor
	v.actor = &exchange.Actor{Issuer: issuerURL(issuer), Subject: actor.ID, Actor: v.subject.Actor}
	if issuer != nil {
		v.actorProof = &exchange.ActorProof{Issuer: actor.Issuer, Subject: actor.ID, Key: actor.Proof.Key, Claims: actor.Claims}
	}
	if chainLength(v.actor) > maxActors {
		return exchange.Refuse(exchange.ReasonActorNotAllowed, fmt.Errorf("more than %d actors", maxActors))
	}
	return nil
}

// verifyActor verifies the actor token like a subject token that the client
// presents, including the conditions of its issuer.
func (e *Endpoint) verifyActor(ctx context.Context, v *verified, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	var r exchange.Recorder
	actor, issuer, err := e.cfg.Subjects.Verify(ctx, exchange.SubjectToken{Text: v.ActorToken, Type: v.ActorTokenType}, &r, now)
	switch {
	case err != nil:
	case issuer == nil:
		v.checkOwnActor(&r, actor.Parent)
	default:
		exchange.DecideActor(&r, issuer, v.client, actor.Claims)
	}
	v.Trail.addActorChecks(&r)
	switch {
	case err != nil:
		return nil, nil, err
	case r.Refused():
		return nil, nil, r.Err
	case issuer == nil:
		_, err = e.checkOrigin(ctx, v.Request, actor.Parent, now)
	default:
		err = e.checkActingUser(ctx, v.client, actor.Issuer, actor.ID, now)
	}
	return actor, issuer, err
}

// addActorChecks adds checks about the actor.
func (t *Trail) addActorChecks(r *exchange.Recorder) {
	for _, c := range r.Checks {
		c.Name = "actor: " + c.Name
		t.Checks = append(t.Checks, c)
	}
}

// checkActingUser refuses an actor that could not log in as a subject: one whose
// user is disabled, or that has none where the client creates no users. It creates
// no user.
func (e *Endpoint) checkActingUser(ctx context.Context, client *exchange.Client, issuer, id string, now time.Time) error {
	_, _, _, err := e.cfg.Users.Resolve(ctx, &exchange.Subject{Issuer: issuer, ID: id}, client.CreatesUsers(), now)
	return err
}

// checkOwnActor requires this server's own token to be issued to the
// client itself if that is public; a confidential client may have received it
// from the actor. A checkout token is in a page's hands and makes no actor.
func (v *verified) checkOwnActor(r *exchange.Recorder, t *exchange.AccessToken) {
	r.Check(exchange.Check{
		Name: "client_id", Want: v.client.ID, Got: t.Client,
		Passed: !v.client.Public() || t.Client == v.client.ID, Reason: exchange.ReasonActorTokenInvalid,
	})
	r.Check(exchange.Check{
		Name: "token", Want: "no checkout token", Got: t.Client,
		Passed: t.Purchase == nil, Reason: exchange.ReasonActorTokenInvalid,
	})
}

// mayAct checks that the client's registration lets the actor act, or the
// subject's issuer by a may_act claim (RFC 8693 §4.4) if its own registration
// allows that. A may_act that names another actor always refuses.
func (e *Endpoint) mayAct(v *verified, actor *exchange.Subject, issuer *exchange.CompiledIssuer) error {
	claim, present := v.subject.Claims["may_act"]
	named := present && namesActor(claim, e.identity(v.subject, v.issuer), e.identity(actor, issuer))
	byIssuer := named && v.issuer != nil && v.issuer.Issuer.MayAct
	want := "a client that may delegate"
	if present {
		want = "the actor that the may_act claim names"
	}
	return v.Trail.require(exchange.Check{
		Name: "may_act", Want: want, Got: actor.ID,
		Passed: byIssuer || v.client.Delegate && (named || !present), Reason: exchange.ReasonActorNotAllowed,
	})
}

// actorStillAllowed checks that a session's actor may still act, as far as that
// can be decided without the actor's token: the client or the issuer allows it,
// and the actor is an enabled user or a client of this server, or its own proof
// passes today what it passed at the exchange.
func (e *Endpoint) actorStillAllowed(ctx context.Context, req *Request, client *exchange.Client, s *exchange.Session, issuer *exchange.CompiledIssuer, now time.Time) error {
	if s.Actor == nil {
		return nil
	}
	_, named := s.Claims["may_act"] // it names the actor, otherwise there would be no session
	if !client.Delegate && !(named && issuer.Issuer.MayAct) {
		return exchange.Refuse(exchange.ReasonActorNotAllowed, errors.New("neither the client nor the issuer allows the actor any more"))
	}
	registry := e.cfg.Registry()
	switch {
	case s.ActorProof != nil:
		return e.checkActorProof(ctx, req, client, s.ActorProof, now)
	case s.Actor.Issuer == "":
		if registry.Client(s.Actor.Subject) != nil {
			return nil
		}
		_, err := e.user(ctx, s.Actor.Subject)
		return err
	}
	for _, id := range client.Issuers { // a session of an earlier version has no proof
		if t := registry.Issuer(id); t != nil && t.Issuer.URL == s.Actor.Issuer {
			return e.checkActingUser(ctx, client, id, s.Actor.Subject, now)
		}
	}
	return exchange.Refuse(exchange.ReasonActorNotAllowed, fmt.Errorf("the actor's issuer %.128q is none of the client's", s.Actor.Issuer))
}

// checkActorProof evaluates the proof of a session's actor under today's rules, as
// a refresh evaluates that of the subject.
func (e *Endpoint) checkActorProof(ctx context.Context, req *Request, client *exchange.Client, p *exchange.ActorProof, now time.Time) error {
	issuer := e.cfg.Registry().Issuer(p.Issuer)
	if issuer == nil {
		return exchange.Refuse(exchange.ReasonIssuerUnknown, fmt.Errorf("the actor's issuer %s was removed", p.Issuer))
	}
	var r exchange.Recorder
	r.Check(exchange.Check{
		Name: "key", Want: "one that is not revoked", Got: p.Key,
		Passed: !issuer.Keys.Revoked(p.Key), Reason: exchange.ReasonKeyNotFound,
	})
	e.cfg.Subjects.CheckRecipient(&r, issuer.Issuer, p.Claims)
	exchange.DecideActor(&r, issuer, client, p.Claims)
	if !r.Refused() {
		mapped, checks := issuer.Rules.Map(p.Claims)
		r.CheckAll(checks)
		r.Check(exchange.Check{
			Name: "subject", Want: p.Subject, Got: mapped.Subject,
			Passed: mapped.Subject == p.Subject, Reason: exchange.ReasonSubjectTokenClaimInvalid,
		})
	}
	req.Trail.addActorChecks(&r)
	if r.Refused() {
		return r.Err
	}
	return e.checkActingUser(ctx, client, p.Issuer, p.Subject, now)
}

// namesActor reports whether a may_act claim names an actor: every member of it
// equals the actor's claim. sub is required; without iss the claim is about
// subjects of the issuer that made it.
func namesActor(claim any, subject, actor map[string]any) bool {
	mayAct, ok := claim.(map[string]any)
	if _, named := mayAct["sub"].(string); !ok || !named {
		return false
	}
	if _, ok := mayAct["iss"]; !ok && (subject["iss"] == nil || subject["iss"] != actor["iss"]) {
		return false
	}
	for name, v := range mayAct {
		if v == nil || !reflect.DeepEqual(v, actor[name]) {
			return false
		}
	}
	return true
}

// identity returns the claims that identify a subject.
func (e *Endpoint) identity(s *exchange.Subject, issuer *exchange.CompiledIssuer) map[string]any {
	if issuer != nil {
		return s.Claims
	}
	return map[string]any{"iss": e.cfg.Issuer, "sub": s.ID, "client_id": s.Parent.Client}
}

// issuerURL returns the iss of an actor: empty for this server's own users, whose
// sub means the same as that of the token that names them.
func issuerURL(issuer *exchange.CompiledIssuer) string {
	if issuer == nil {
		return ""
	}
	return issuer.Issuer.URL
}

func chainLength(a *exchange.Actor) int {
	n := 0
	for ; a != nil; a = a.Actor {
		n++
	}
	return n
}
