package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
)

// tokenExchange is RFC 8693: a subject token, and perhaps an actor token, for
// a token of ours.
func (e *Endpoint) tokenExchange(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	issue, err := req.issued()
	if err != nil {
		return nil, err
	}
	if err := req.complete(); err != nil {
		return nil, err
	}
	if req.Client != nil { // else the subject token has to name it
		if _, err := e.client(req); err != nil {
			return nil, err
		}
	}
	subject, trust, err := e.prove(ctx, req, now)
	if err != nil {
		return nil, err
	}
	client, err := e.clientOf(req, subject, trust)
	if err != nil {
		return nil, err
	}
	entry := &entry{trust: trust, client: client, subject: subject, ask: e.ask(req), issue: issue}
	if err := e.act(ctx, req, entry, now); err != nil {
		return nil, err
	}
	switch {
	case subject.Parent == nil:
		return e.enter(ctx, req, entry, now)
	case exchange.RequestsCheckout(req.Details):
		return e.checkout(ctx, req, entry, now)
	}
	return e.narrow(ctx, req, entry, now)
}

// prove verifies the subject token and notes what it says.
func (e *Endpoint) prove(ctx context.Context, req *Request, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	token := exchange.SubjectToken{
		Text: req.SubjectToken, Type: req.SubjectTokenType, Proof: req.SubjectProof, IssuerID: req.IssuerID, Nonce: req.Nonce,
		Credential: req.Credential, RequestID: req.RequestID, CodeVerifier: req.CodeVerifier,
	}
	if req.Client != nil {
		token.Client = req.Client.Client
	}
	return e.verify(ctx, req, token, now)
}

func (e *Endpoint) verify(ctx context.Context, req *Request, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	t := &req.Trail
	subject, trust, checks, err := e.cfg.Subjects.Verify(ctx, token, t.Checks, now)
	t.Checks = checks
	if trust != nil {
		t.Issuer = trust.Issuer.ID
	}
	if err != nil {
		return nil, nil, err
	}
	t.Subject, t.Key = subject.ID, subject.Proof.Key
	if subject.Parent != nil {
		t.User, t.Session = subject.Parent.User, subject.Parent.Session
	}
	return subject, trust, nil
}

// clientOf is the client of the request: the one it names, else, where the
// issuer's registration allows it, the one public client whose ID is an
// audience of the subject token. Such a client proves nothing of itself, so
// its origins are checked here as the server checks those of named clients.
func (e *Endpoint) clientOf(req *Request, subject *exchange.Subject, trust *exchange.CompiledIssuer) (*exchange.Client, error) {
	if req.Client != nil {
		return req.Client.Client, nil
	}
	if trust == nil || !trust.Issuer.ClientByAudience {
		return e.client(req)
	}
	party, err := e.byAudience(subject.Proof.Audience)
	if err != nil {
		return nil, err
	}
	req.Client, req.Trail.Client = party, party.Client.ID
	if !party.Client.AllowsOrigin(req.Origin) {
		return nil, exchange.Refuse(exchange.ReasonOriginNotAllowed, fmt.Errorf("client %s: origin %.128q", party.Client.ID, req.Origin))
	}
	return e.client(req)
}

// byAudience is the one public client among audiences.
func (e *Endpoint) byAudience(audiences []string) (*exchange.CompiledClient, error) {
	registry := e.cfg.Registry()
	var found *exchange.CompiledClient
	for _, id := range slices.Compact(slices.Sorted(slices.Values(audiences))) {
		party := registry.Client(id)
		if party == nil || !party.Client.Public() {
			continue
		}
		if found != nil {
			return nil, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("several clients are audiences of the subject token"))
		}
		found = party
	}
	if found == nil {
		return nil, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("no public client is an audience of the subject token"))
	}
	return found, nil
}
