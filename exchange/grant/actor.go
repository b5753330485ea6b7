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

// maxActors is how long a chain of actors gets. Each exchange of our own token
// may add one, and tokens must not grow for ever.
const maxActors = 8

// act decides who acts for the subject (RFC 8693 §1.1, §4.1). WithClient an actor
// token it is who that proves, and those who acted before come after it;
// without, nothing changes. What strangers' tokens say in act is not believed.
func (e *Endpoint) act(ctx context.Context, req *Request, n *entry, now time.Time) error {
	n.actor = n.subject.Actor
	if req.ActorToken == "" {
		return nil
	}
	actor, trust, err := e.proveActor(ctx, req, n.client, now)
	if err != nil {
		return err
	}
	if err := e.mayAct(req, n, actor, trust); err != nil {
		return err
	}
	n.spends(actor)
	n.actor = &exchange.Actor{Issuer: issuerOf(trust), Subject: actor.ID, Actor: n.subject.Actor}
	if depth(n.actor) > maxActors {
		return exchange.Refuse(exchange.ReasonActorNotAllowed, fmt.Errorf("more than %d actors", maxActors))
	}
	return nil
}

// proveActor verifies the actor token as it would verify a subject token that
// the client brings, conditions and all.
func (e *Endpoint) proveActor(ctx context.Context, req *Request, client *exchange.Client, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	actor, trust, checks, err := e.cfg.Subjects.Verify(ctx, exchange.SubjectToken{Text: req.ActorToken, Type: req.ActorTokenType}, nil, now)
	for _, c := range checks {
		c.Name = "actor: " + c.Name
		req.Trail.Checks = append(req.Trail.Checks, c)
	}
	if err == nil && trust == nil {
		err = e.ownActor(ctx, req, client, actor.Parent)
	}
	if err == nil && trust != nil {
		err = admissible(req, client, actor, trust)
	}
	if err != nil {
		return nil, nil, actorInvalid(err)
	}
	return actor, trust, nil
}

// actorInvalid is the refusal of an actor token. That something cannot be
// known at the moment is no fault of the token's.
func actorInvalid(err error) error {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.Reason.Response().Code == exchange.TemporarilyUnavailable {
		return err
	}
	return exchange.Refuse(exchange.ReasonActorTokenInvalid, err)
}

// ownActor wants a token of ours to be one that the client got itself, unless
// the client keeps a secret: then it may have got it from the actor. A checkout
// token is in a page's hands and makes nobody act.
func (e *Endpoint) ownActor(ctx context.Context, req *Request, client *exchange.Client, t *exchange.AccessToken) error {
	for _, c := range []exchange.Check{{
		Name: "actor: client_id", Want: client.ID, Got: t.Client,
		Passed: !client.Public() || t.Client == client.ID, Reason: exchange.ReasonActorTokenInvalid,
	}, {
		Name: "actor: token", Want: "no checkout token", Got: t.Client,
		Passed: t.Purchase == nil, Reason: exchange.ReasonActorTokenInvalid,
	}} {
		req.Trail.Checks = append(req.Trail.Checks, c)
		if !c.Passed {
			return c.Refusal()
		}
	}
	_, err := e.stands(ctx, req, t)
	return err
}

// admissible wants an issuer whose tokens the client may bring, and its
// conditions to hold.
func admissible(req *Request, client *exchange.Client, actor *exchange.Subject, trust *exchange.CompiledIssuer) error {
	checks := append([]exchange.Check{{
		Name: "client.issuers", Got: trust.Issuer.ID, Want: "an issuer of the client",
		Passed: slices.Contains(client.Issuers, trust.Issuer.ID), Reason: exchange.ReasonIssuerUnknown,
	}}, trust.Rules.Validate(actor.Claims)...)
	for _, c := range checks {
		c.Name = "actor: " + c.Name
		req.Trail.Checks = append(req.Trail.Checks, c)
		if !c.Passed && !c.Audit {
			return c.Refusal()
		}
	}
	return nil
}

// mayAct asks who may let the actor act: the client's registration, or the
// issuer by a may_act claim (RFC 8693 §4.4) if its own registration lets it. A
// may_act that names somebody else forbids in any case.
func (e *Endpoint) mayAct(req *Request, n *entry, actor *exchange.Subject, trust *exchange.CompiledIssuer) error {
	claim, present := n.subject.Claims["may_act"]
	named := present && names(claim, e.identity(n.subject, n.trust), e.identity(actor, trust))
	byIssuer := named && n.trust != nil && n.trust.Issuer.MayAct
	c := exchange.Check{
		Name: "may_act", Want: wantActor(present), Got: actor.ID,
		Passed: byIssuer || n.client.Delegate && (named || !present), Reason: exchange.ReasonActorNotAllowed,
	}
	req.Trail.Checks = append(req.Trail.Checks, c)
	if !c.Passed {
		return c.Refusal()
	}
	return nil
}

// stillActs wants the actor of a session to be let act today, as far as that
// can be seen without the actor's token: by the client or the issuer, and being
// a user or client of ours or of an issuer that the client may bring.
func (e *Endpoint) stillActs(ctx context.Context, client *exchange.Client, s *exchange.Session, trust *exchange.CompiledIssuer) error {
	if s.Actor == nil {
		return nil
	}
	_, named := s.Claims["may_act"] // it names the actor, or there would be no session
	if !client.Delegate && !(named && trust.Issuer.MayAct) {
		return ended(exchange.Refuse(exchange.ReasonActorNotAllowed, errors.New("nobody lets the actor act any more")))
	}
	if s.Actor.Issuer == "" {
		return e.ourActor(ctx, s.Actor.Subject)
	}
	for _, id := range client.Issuers {
		if t := e.cfg.Registry().Issuer(id); t != nil && t.Issuer.URL == s.Actor.Issuer {
			return nil
		}
	}
	return ended(exchange.Refuse(exchange.ReasonActorNotAllowed, fmt.Errorf("the actor is of %.128q", s.Actor.Issuer)))
}

// ourActor is a client, or a user who may come in.
func (e *Endpoint) ourActor(ctx context.Context, id string) error {
	if e.cfg.Registry().Client(id) != nil {
		return nil
	}
	_, err := e.user(ctx, id)
	if refused, ok := errors.AsType[*exchange.Error](err); ok {
		return ended(refused)
	}
	return err
}

func wantActor(present bool) string {
	if present {
		return "the actor that the may_act claim names"
	}
	return "a client that may delegate"
}

// names says whether a may_act claim names an actor: every member of it is
// the actor's own claim. Its sub is required, and where it has no iss it
// speaks of the issuer that made it.
func names(claim any, subject, actor map[string]any) bool {
	who, ok := claim.(map[string]any)
	if _, named := who["sub"].(string); !ok || !named {
		return false
	}
	if _, ok := who["iss"]; !ok && (subject["iss"] == nil || subject["iss"] != actor["iss"]) {
		return false
	}
	for name, v := range who {
		if v == nil || !reflect.DeepEqual(v, actor[name]) {
			return false
		}
	}
	return true
}

// identity is the claims that say who somebody is.
func (e *Endpoint) identity(s *exchange.Subject, trust *exchange.CompiledIssuer) map[string]any {
	if trust != nil {
		return s.Claims
	}
	return map[string]any{"iss": e.cfg.Issuer, "sub": s.ID, "client_id": s.Parent.Client}
}

// issuerOf is the iss of an actor: none for our own users, whose sub means the
// same as that of the token it stands in.
func issuerOf(trust *exchange.CompiledIssuer) string {
	if trust == nil {
		return ""
	}
	return trust.Issuer.URL
}

func depth(a *exchange.Actor) int {
	n := 0
	for ; a != nil; a = a.Actor {
		n++
	}
	return n
}
