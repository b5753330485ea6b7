package session

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"cambio/exchange"
)

// Introspection is the state of a token (RFC 7662 §2.2). The zero value is that of
// a token that is not active.
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
	// Partner, Customer and Invoice identify the invoice of a checkout token.
	Partner  string `json:"partner_id,omitempty"`
	Customer string `json:"customer_id,omitempty"`
	Invoice  string `json:"invoice_id,omitempty"`
	// Extra holds the mapped claims, which are members beside the others in JSON.
	Extra map[string]any `json:"-"`
}

// Confirmation is the key a token is bound to (RFC 7800 §3.1, RFC 9449 §6.2).
type Confirmation struct {
	JKT string `json:"jkt"`
}

// MarshalJSON writes the mapped claims beside the others and replaces none.
func (i Introspection) MarshalJSON() ([]byte, error) {
	type plain Introspection
	b, err := json.Marshal(plain(i))
	if err != nil || !i.Active {
		return b, err
	}
	out, err := appendMapped(b[:len(b)-1], i.Extra)
	return out.End(), err
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
	out := introspection(&exchange.AccessToken{
		Issuer: s.issuer, User: sess.User, Client: sess.Client, Session: sess.ID, Scopes: sess.Scopes, Audience: sess.Audience,
		IssuedAt: r.Rotation.Rotated, Expires: r.expires(), AuthTime: sess.AuthTime, ACR: sess.ACR, AMR: sess.AMR,
		Actor: sess.Actor, JKT: sess.JKT, Details: sess.Details,
	})
	out.TokenType = ""
	return out, nil
}
