package session

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"cambio/exchange"
)

// Introspection is what a token means now (RFC 7662 §2.2). The zero value is
// that of a token that means nothing.
type Introspection struct {
	Active    bool            `json:"active"`
	Scope     string          `json:"scope,omitempty"`
	Client    string          `json:"client_id,omitempty"`
	TokenType string          `json:"token_type,omitempty"` // of access tokens: Bearer or DPoP
	Expires   int64           `json:"exp,omitempty"`        // seconds
	IssuedAt  int64           `json:"iat,omitempty"`        // seconds
	Subject   string          `json:"sub,omitempty"`
	Audience  []string        `json:"aud,omitempty"`
	Issuer    string          `json:"iss,omitempty"`
	ID        string          `json:"jti,omitempty"`
	Session   string          `json:"sid,omitempty"`
	AuthTime  int64           `json:"auth_time,omitempty"`
	ACR       string          `json:"acr,omitempty"`
	AMR       []string        `json:"amr,omitempty"`
	Actor     *exchange.Actor `json:"act,omitempty"`
	Confirm   *Confirmation   `json:"cnf,omitempty"`
	Details   json.RawMessage `json:"authorization_details,omitempty"` // RFC 9396 §9.2
	// Partner, Customer and Invoice are what a checkout token is for.
	Partner  string `json:"partner_id,omitempty"`
	Customer string `json:"customer_id,omitempty"`
	Invoice  string `json:"invoice_id,omitempty"`
	// Extra are the mapped claims, members of their own in JSON.
	Extra map[string]any `json:"-"`
}

// Confirmation is the key a token is bound to (RFC 7800 §3.1, RFC 9449 §6.2).
type Confirmation struct {
	JKT string `json:"jkt"`
}

// MarshalJSON writes the mapped claims beside the others, never over one.
func (i Introspection) MarshalJSON() ([]byte, error) {
	type plain Introspection
	b, err := json.Marshal(plain(i))
	if err != nil || !i.Active || len(i.Extra) == 0 {
		return b, err
	}
	o := object{b: b[:len(b)-1]}
	o.mapped(i.Extra)
	o.end()
	return o.b, o.err
}

// Introspect says what one of our access or refresh tokens means now. Of any
// other text, and of a token that expired or was ended, it says that it is not
// active and nothing else; an error is the store's.
func (s *Store) Introspect(ctx context.Context, token string, now time.Time) (Introspection, error) {
	if id, generation, ok := s.readRefresh(token); ok {
		out, err := s.introspectRefresh(ctx, id, generation, now)
		return out, unlessInvalid(err)
	}
	t, err := s.Parse(ctx, token, now)
	if err != nil {
		return Introspection{}, unlessInvalid(err)
	}
	return introspection(t), nil
}

func introspection(t *exchange.AccessToken) Introspection {
	out := Introspection{
		Active: true, TokenType: "Bearer", Scope: strings.Join(t.Scopes, " "), Client: t.Client,
		Expires: t.Expires.Unix(), IssuedAt: t.IssuedAt.Unix(), Subject: t.User, Audience: t.Audience,
		Issuer: t.Issuer, ID: t.ID, Session: t.Session, AuthTime: t.AuthTime, ACR: t.ACR, AMR: t.AMR,
		Actor: t.Actor, Details: t.Details, Extra: t.Extra,
	}
	if p := t.Purchase; p != nil {
		out.Partner, out.Customer, out.Invoice = p.Partner, p.Customer, p.Invoice
	}
	if t.JKT != "" {
		out.TokenType, out.Confirm = "DPoP", &Confirmation{t.JKT}
	}
	return out
}

// introspectRefresh tells of a refresh token that Refresh would take. Its scope
// and audience are those the session was born with: what today's rules leave of
// them is known when it is exchanged.
func (s *Store) introspectRefresh(ctx context.Context, id string, generation uint64, now time.Time) (Introspection, error) {
	row, err := s.load(ctx, id)
	sess, at := &row.Value.Session, row.Value.Turn
	if err == nil {
		err = s.fresh(ctx, sess, at, now)
	}
	if err != nil {
		return Introspection{}, err
	}
	if u := at.use(generation, s.grace, now); u != current && u != repeated {
		return Introspection{}, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, errors.New("it was exchanged"))
	}
	out := Introspection{
		Active: true, Scope: strings.Join(sess.Scopes, " "), Client: sess.Client, Subject: sess.User,
		Audience: sess.Audience, Issuer: s.issuer, Session: sess.ID, IssuedAt: at.Turned.Unix(),
		Expires: earlier(at.IdleUntil, sess.NotAfter).Unix(), AuthTime: sess.AuthTime,
		ACR: sess.ACR, AMR: sess.AMR, Actor: sess.Actor, Details: sess.Details,
	}
	if sess.JKT != "" {
		out.Confirm = &Confirmation{sess.JKT}
	}
	return out, nil
}
