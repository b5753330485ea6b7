package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
)

// verified is a request whose subject token has been verified.
type verified struct {
	*Request
	client       *exchange.Client
	issuer       *exchange.CompiledIssuer // nil when the subject token is this server's own
	subject      *exchange.Subject
	actorSubject *exchange.Subject // of the actor token, nil without one
	actor        *exchange.Actor
	actorProof   *exchange.ActorProof // nil unless an issuer's token proved the actor
	requested    exchange.Requested
	issuance     issuance
	noRefresh    bool // never issue a refresh token
	counted      bool // among the sessions of its user, see countSession
}

// tokenExchange exchanges a subject token, and perhaps an actor token, for tokens
// of this server (RFC 8693).
func (e *Endpoint) tokenExchange(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	issuance, err := req.issuance()
	if err != nil {
		return nil, err
	}
	if err := req.checkTokens(); err != nil {
		return nil, err
	}
	if req.Client != nil { // otherwise the subject token has to name it
		if _, err := req.client(); err != nil {
			return nil, err
		}
	}
	subject, issuer, err := req.Trail.Verify(ctx, e.cfg.Subjects, req.subjectToken(), now)
	if err != nil {
		return nil, err
	}
	client, err := e.clientOf(req, subject, issuer)
	if err != nil {
		return nil, err
	}
	v := &verified{Request: req, client: client, issuer: issuer, subject: subject, requested: e.requested(req), issuance: issuance}
	v.requested.NoAccessToken = issuance.idToken
	if err := e.setActor(ctx, v, now); err != nil {
		return nil, err
	}
	switch {
	case subject.Parent == nil:
		return e.login(ctx, v, now)
	case issuance.refresh || issuance.idToken:
		return nil, invalid("requested_token_type", "is not issued for an access token")
	case exchange.RequestsCheckout(req.Details):
		return e.checkout(ctx, v, now)
	}
	return e.narrow(ctx, v, now)
}

// subjectToken returns the subject token and what goes with it.
func (r *Request) subjectToken() exchange.SubjectToken {
	token := exchange.SubjectToken{
		Text: r.SubjectToken, Type: r.SubjectTokenType, Proof: r.SubjectProof, IssuerID: r.IssuerID, Nonce: r.Nonce,
		Credential: r.Credential, RequestID: r.RequestID, CodeVerifier: r.CodeVerifier,
	}
	if r.Client != nil {
		token.Client = r.Client.Client
	}
	return token
}

// clientOf returns the client that the request names or, where the issuer's
// registration allows it, the one public client whose ID is an audience of the
// subject token. That client is not authenticated, so its origins are checked
// here as the server checks those of a named client.
func (e *Endpoint) clientOf(req *Request, subject *exchange.Subject, issuer *exchange.CompiledIssuer) (*exchange.Client, error) {
	if req.Client != nil {
		return req.Client.Client, nil
	}
	if issuer == nil || !issuer.Issuer.ClientByAudience {
		return req.client()
	}
	client, err := e.clientByAudience(subject.Proof.Audience)
	if err != nil {
		return nil, err
	}
	req.Client, req.Trail.Client = client, client.Client.ID
	if !client.Client.AllowsOrigin(req.Origin) {
		return nil, exchange.Refuse(exchange.ReasonOriginNotAllowed, fmt.Errorf("client %s: origin %.128q", client.Client.ID, req.Origin))
	}
	return req.client()
}

// clientByAudience returns the only public client among audiences.
func (e *Endpoint) clientByAudience(audiences []string) (*exchange.CompiledClient, error) {
	registry := e.cfg.Registry()
	var found *exchange.CompiledClient
	for _, id := range slices.Compact(slices.Sorted(slices.Values(audiences))) {
		client := registry.Client(id)
		if client == nil || !client.Client.Public() {
			continue
		}
		if found != nil {
			return nil, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("several clients are audiences of the subject token"))
		}
		found = client
	}
	if found == nil {
		return nil, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("no public client is an audience of the subject token"))
	}
	return found, nil
}
