package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	strict "github.com/go-jose/go-jose/v4/json"

	"cambio/exchange"
	"cambio/keys"
	"cambio/storage"
)

// Parse reads one of our access tokens: signed by a key of ours, of type
// at+jwt, from our issuer, not expired, not revoked, and ended by no mark.
// IssuedAt is to the millisecond where the token has no session. The error is
// an *exchange.Error or the store's.
func (s *Store) Parse(ctx context.Context, accessToken string, now time.Time) (*exchange.AccessToken, error) {
	t, err := s.read(accessToken)
	if err != nil {
		return nil, err
	}
	if !now.Before(t.Expires) {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenExpired,
			fmt.Errorf("expired at %s", t.Expires.UTC().Format(time.RFC3339)))
	}
	if err := s.stands(ctx, t); err != nil {
		return nil, err
	}
	return t, nil
}

// read verifies a token and decodes it, whatever time it is.
func (s *Store) read(accessToken string) (*exchange.AccessToken, error) {
	payload, err := s.ring.Verify(accessToken, typeAccess)
	if err != nil {
		return nil, exchange.Refuse(reasonOf(err), err)
	}
	t, err := decode(payload)
	if err == nil && t.Issuer != s.issuer {
		err = fmt.Errorf("issuer is %.128q", t.Issuer)
	}
	if err != nil {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenClaimInvalid, err)
	}
	return t, nil
}

func reasonOf(err error) exchange.Reason {
	switch {
	case errors.Is(err, keys.ErrMalformed):
		return exchange.ReasonSubjectTokenMalformed
	case errors.Is(err, keys.ErrUnknownKey):
		return exchange.ReasonKeyNotFound
	}
	return exchange.ReasonSubjectTokenSignatureInvalid
}

// stands refuses a token that was revoked or whose origin was ended.
func (s *Store) stands(ctx context.Context, t *exchange.AccessToken) error {
	born := birth{user: t.User, client: t.Client, origin: t.Origin, at: t.IssuedAt}
	if t.Session != "" {
		row, err := s.sessions.Get(ctx, t.Session)
		if errors.Is(err, storage.ErrNotFound) {
			return exchange.Refuse(exchange.ReasonSessionEnded, errors.New("its session is gone"))
		}
		if err != nil {
			return err
		}
		born = birthOf(&row.Value.Session)
		if t.Client != born.client { // it was narrowed by another, who has an end too
			if err := s.lives(ctx, birth{client: t.Client, at: t.IssuedAt}); err != nil {
				return err
			}
		}
	}
	if err := s.lives(ctx, born); err != nil {
		return err
	}
	_, err := s.revoked.Get(ctx, revokedKey(t))
	if err == nil {
		return exchange.Refuse(exchange.ReasonSessionEnded, errors.New("the token was revoked"))
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return nil
}

// claims are an access token's claims as they are read.
type claims struct {
	iat, exp int64
	scope    string
	cnf      struct {
		JKT string `json:"jkt"`
	}
	origin origin
	// purchase is what a checkout token is for.
	purchase exchange.Purchase
	token    exchange.AccessToken
}

// member is where the value of a reserved claim goes.
func (c *claims) member(name string) any {
	switch name {
	case "iss":
		return &c.token.Issuer
	case "sub":
		return &c.token.User
	case "aud":
		return &c.token.Audience
	case "client_id":
		return &c.token.Client
	case "scope":
		return &c.scope
	case "sid":
		return &c.token.Session
	case "jti":
		return &c.token.ID
	case "iat":
		return &c.iat
	case "exp":
		return &c.exp
	case "auth_time":
		return &c.token.AuthTime
	case "acr":
		return &c.token.ACR
	case "amr":
		return &c.token.AMR
	case "act":
		return &c.token.Actor
	case "cnf":
		return &c.cnf
	case "origin":
		return &c.origin
	case "partner_id":
		return &c.purchase.Partner
	case "customer_id":
		return &c.purchase.Customer
	case "invoice_id":
		return &c.purchase.Invoice
	}
	return nil
}

// decode reads the claims that accessClaims wrote. What is not reserved is a
// mapped claim.
func decode(payload []byte) (*exchange.AccessToken, error) {
	var members map[string]strict.RawMessage
	if err := strict.Unmarshal(payload, &members); err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	var c claims
	for name, raw := range members {
		if err := c.set(name, raw); err != nil {
			return nil, fmt.Errorf("reading claim %.128q: %w", name, err)
		}
	}
	t := &c.token
	t.Scopes = strings.Fields(c.scope)
	t.JKT = c.cnf.JKT
	t.IssuedAt, t.Expires = time.Unix(c.iat, 0), time.Unix(c.exp, 0)
	t.Origin = exchange.Origin{Issuer: c.origin.Issuer, Key: c.origin.Key, Link: c.origin.Link}
	if c.purchase != (exchange.Purchase{}) {
		t.Purchase = &c.purchase
	}
	if c.origin.At != 0 {
		t.IssuedAt = time.UnixMilli(c.origin.At)
	}
	return t, nil
}

func (c *claims) set(name string, raw []byte) error {
	if name == "authorization_details" {
		c.token.Details = json.RawMessage(raw)
		return nil
	}
	if to := c.member(name); to != nil {
		return strict.Unmarshal(raw, to)
	}
	if exchange.ReservedClaim(name) {
		return nil
	}
	v, err := value(raw)
	if err != nil {
		return err
	}
	if c.token.Extra == nil {
		c.token.Extra = map[string]any{}
	}
	c.token.Extra[name] = v
	return nil
}

// value reads a mapped claim. Integers keep all their digits as int64: a token
// that is narrowed says what its parent said.
func value(raw []byte) (v any, err error) {
	d := strict.NewDecoder(bytes.NewReader(raw))
	d.SetNumberType(strict.UnmarshalIntOrFloat)
	err = d.Decode(&v)
	return v, err
}
