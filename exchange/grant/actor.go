package grant

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
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
		v.checkExternalActor(&r, actor, issuer)
	}
	for _, c := range r.Checks {
		c.Name = "actor: " + c.Name
		v.Trail.Checks = append(v.Trail.Checks, c)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case r.Refused():
		return nil, nil, r.Err
	case issuer == nil:
		_, err = e.checkOrigin(ctx, v.Request, actor.Parent)
	}
	return actor, issuer, err
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

// checkExternalActor requires an issuer whose tokens the client may present, and
// its conditions to hold.
func (v *verified) checkExternalActor(r *exchange.Recorder, actor *exchange.Subject, issuer *exchange.CompiledIssuer) {
	r.Check(exchange.Check{
		Name: "client.issuers", Got: issuer.Issuer.ID, Want: "an issuer of the client",
		Passed: slices.Contains(v.client.Issuers, issuer.Issuer.ID), Reason: exchange.ReasonIssuerUnknown,
	})
	if !r.Refused() {
		r.CheckAll(issuer.Rules.Validate(actor.Claims))
	}
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
// and the actor is a user or client of this server or of an issuer whose tokens
// the client may present.
func (e *Endpoint) actorStillAllowed(ctx context.Context, client *exchange.Client, s *exchange.Session, issuer *exchange.CompiledIssuer) error {
	if s.Actor == nil {
		return nil
	}
	_, named := s.Claims["may_act"] // it names the actor, otherwise there would be no session
	if !client.Delegate && !(named && issuer.Issuer.MayAct) {
		return exchange.Refuse(exchange.ReasonActorNotAllowed, errors.New("neither the client nor the issuer allows the actor any more"))
	}
	registry := e.cfg.Registry()
	if s.Actor.Issuer == "" {
		if registry.Client(s.Actor.Subject) != nil {
			return nil
		}
		_, err := e.user(ctx, s.Actor.Subject)
		return err
	}
	for _, id := range client.Issuers {
		if t := registry.Issuer(id); t != nil && t.Issuer.URL == s.Actor.Issuer {
			return nil
		}
	}
	return exchange.Refuse(exchange.ReasonActorNotAllowed, fmt.Errorf("the actor's issuer %.128q is none of the client's", s.Actor.Issuer))
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
