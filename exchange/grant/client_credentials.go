package grant

import (
	"context"
	"slices"
	"time"

	"cambio/exchange"
)

// clientCredentials issues a client's own access token (RFC 6749 §4.4). There is
// no user, and no refresh token, since the client can ask again.
func (e *Endpoint) clientCredentials(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	client, err := req.confidentialClient()
	if err != nil {
		return nil, err
	}
	requested := e.requested(req)
	d := exchange.DecideClientCredentials(client, requested)
	if err := req.Trail.RecordDecision(d); err != nil {
		return nil, err
	}
	if len(requested.Audiences) == 0 && slices.Equal(d.Scopes, []string{exchange.ScopeCheckout}) {
		// The scope determines the audience (RFC 9068 §3): only this server's own
		// checkout endpoint serves it.
		d.Audience = []string{e.cfg.Issuer}
	}
	t := &exchange.AccessToken{
		User: client.ID, Client: client.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details,
		IssuedAt: now, Expires: now.Add(client.AccessLifetime()), Order: req.order,
	}
	tokens, err := e.cfg.Sessions.Create(ctx, nil, t, 0, false, now)
	if err != nil {
		return nil, err
	}
	return newResponse(tokens, t, now), nil
}
