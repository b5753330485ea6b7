package grant

import (
	"context"
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
	d := exchange.DecideForClient(client, e.ask(req))
	if err := req.Trail.decided(d); err != nil {
		return nil, err
	}
	t := &exchange.AccessToken{
		User: client.ID, Client: client.ID, Audience: d.Audience, Scopes: d.Scopes, Details: d.Details,
		IssuedAt: now, Expires: now.Add(client.AccessLifetime()),
	}
	tokens, err := e.cfg.Sessions.Start(ctx, nil, t, 0, false, now)
	if err != nil {
		return nil, err
	}
	return respond(tokens, t, now), nil
}
