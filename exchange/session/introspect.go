package session

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// Introspection is the state of a token (RFC 7662 §2.2). The zero value is that of
// a token that is not active.
type Introspection struct {
	Active bool
	Type   string // token_type of access tokens: Bearer or DPoP
	Token  exchange.AccessToken
}

// MarshalJSON writes the claims that an access token would have. Of a token that
// is not active it writes nothing but that.
func (i Introspection) MarshalJSON() ([]byte, error) {
	b := strictjson.Buffer(nil).Begin().Bool("active", i.Active)
	if !i.Active {
		return b.End(), nil
	}
	t := i.Token
	t.Origin = exchange.Origin{} // concerns only this server
	b, err := appendAccess(b.OmitString("token_type", i.Type), &t)
	return b.End(), err
}

// Introspect returns what an access or refresh token of this server means now. Of
// any other text, and of a token that expired or was revoked, it reports only
// that it is not active. An error is the store's.
func (s *Store) Introspect(ctx context.Context, token string, now time.Time) (Introspection, error) {
	if id, generation, ok := s.readRefresh(token); ok {
		out, err := s.introspectRefresh(ctx, id, generation, now)
		return out, storeError(err)
	}
	t, err := s.Parse(ctx, token, now)
	if err != nil {
		return Introspection{}, storeError(err)
	}
	out := Introspection{Active: true, Type: "Bearer", Token: *t}
	if t.JKT != "" {
		out.Type = "DPoP"
	}
	return out, nil
}

// introspectRefresh describes a refresh token that Refresh would accept. Scope
// and audience are those that the session was created with: what today's rules
// grant of them is only known when the token is exchanged.
func (s *Store) introspectRefresh(ctx context.Context, id string, generation uint64, now time.Time) (Introspection, error) {
	row, err := s.load(ctx, id)
	r := &row.Value
	if err == nil {
		err = s.checkActive(ctx, r, now)
	}
	if err != nil {
		return Introspection{}, err
	}
	if u := r.Rotation.use(generation, s.grace, now); u != current && u != repeated {
		return Introspection{}, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, errors.New("it was exchanged"))
	}
	sess := &r.Session
	return Introspection{Active: true, Token: exchange.AccessToken{
		Issuer: s.issuer, User: sess.User, Client: sess.Client, Session: sess.ID, Scopes: sess.Scopes, Audience: sess.Audience,
		IssuedAt: r.Rotation.Rotated, Expires: r.expires(), AuthTime: sess.AuthTime, ACR: sess.ACR, AMR: sess.AMR,
		Actor: sess.Actor, JKT: sess.JKT, Details: sess.Details,
	}}, nil
}
