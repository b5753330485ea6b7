package grant

import (
	"context"
	"slices"
	"time"

	"cambio/exchange"
)

// clientCredentials is a client that asks for itself (RFC 6749 §4.4): there is
// no user, and no refresh token, since it can ask again.
func (e *Endpoint) clientCredentials(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	client, err := e.confidential(req)
	if err != nil {
		return nil, err
	}
	ask := e.ask(req)
	d := exchange.DecideClientCredentials(client, ask)
	if err := req.Trail.decided(d); err != nil {
		return nil, err
	}
	if len(ask.Audiences) == 0 && slices.Equal(d.Scopes, []string{exchange.ScopeCheckout}) {
		// The scope says whom the token is for (RFC 9068 §3): the door of ours
		// that makes checkout tokens, and nobody else.
		d.Audience = []string{e.cfg.Issuer}
	}
	t := &exchange.AccessToken{
		User: client.ID, Client: client.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details,
		IssuedAt: now, Expires: now.Add(client.AccessLifetime()),
	}
	tokens, err := e.cfg.Sessions.Create(ctx, nil, t, 0, false, now)
	if err != nil {
		return nil, err
	}
	return respond(tokens, t, now), nil
}
