package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
	"cambio/keys"
	"cambio/storage"
)

// Parse validates an access token of this server: its signature, type, issuer
// and expiry, and that neither it nor its session or origin was revoked.
// IssuedAt is to the millisecond if the token has no session. The error is an
// *exchange.Error or the store's.
func (s *Store) Parse(ctx context.Context, accessToken string, now time.Time) (*exchange.AccessToken, error) {
	t, err := s.read(accessToken)
	if err != nil {
		return nil, err
	}
	if !now.Before(t.Expires) {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenExpired,
			fmt.Errorf("expired at %s", t.Expires.UTC().Format(time.RFC3339)))
	}
	if err := s.checkToken(ctx, t); err != nil {
		return nil, err
	}
	return t, nil
}

// read verifies a token's signature and decodes it. It does not look at its times.
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

// checkToken refuses a token if it, its session or its origin was revoked.
func (s *Store) checkToken(ctx context.Context, t *exchange.AccessToken) error {
	c := creation{user: t.User, client: t.Client, origin: t.Origin, at: t.IssuedAt}
	if t.Session != "" {
		row, err := s.sessions.Get(ctx, t.Session)
		if errors.Is(err, storage.ErrNotFound) {
			return exchange.Refuse(exchange.ReasonSessionEnded, errors.New("its session no longer exists"))
		}
		if err != nil {
			return err
		}
		c = creationOf(&row.Value.Session)
		if t.Client != c.client { // another client, which can be revoked too, narrowed the token
			if err := s.checkRevocations(ctx, creation{client: t.Client, at: t.IssuedAt}); err != nil {
				return err
			}
		}
	}
	if err := s.checkRevocations(ctx, c); err != nil {
		return err
	}
	_, err := s.revokedTokens.Get(ctx, revokedTokenKey(t))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = exchange.Refuse(exchange.ReasonSessionEnded, errors.New("the token was revoked"))
	}
	return err
}

// decode reads the claims that appendAccess wrote. A claim that is not reserved
// is a mapped one.
func decode(payload []byte) (*exchange.AccessToken, error) {
	var (
		t               exchange.AccessToken
		p               exchange.Purchase
		scope           string
		iat, exp, since int64
	)
	members := map[string]any{
		"iss": &t.Issuer, "sub": &t.User, "aud": &t.Audience, "client_id": &t.Client, "scope": &scope, "sid": &t.Session,
		"jti": &t.ID, "iat": &iat, "exp": &exp, "auth_time": &t.AuthTime, "acr": &t.ACR, "amr": &t.AMR,
		"act": &t.Actor, "authorization_details": &t.Details, "cnf": map[string]any{"jkt": &t.JKT},
		"origin":     map[string]any{"iss": &t.Origin.Issuer, "key": &t.Origin.Key, "link": &t.Origin.Link, "at": &since},
		"partner_id": &p.Partner, "customer_id": &p.Customer, "invoice_id": &p.Invoice,
	}
	// The claims were signed by this server: their nesting needs no bound.
	r := strictjson.New(string(payload), strictjson.Options{MaxDepth: len(payload), AllowNUL: true, Number: number})
	for name := range r.Object() {
		if to := members[name]; to != nil {
			read(&r, to)
		} else if !exchange.ReservedClaim(name) {
			if t.Extra == nil {
				t.Extra = map[string]any{}
			}
			t.Extra[name] = r.Value()
		}
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	t.Scopes, t.IssuedAt, t.Expires = strings.Fields(scope), time.Unix(iat, 0), time.Unix(exp, 0)
	if since != 0 {
		t.IssuedAt = time.UnixMilli(since)
	}
	if p != (exchange.Purchase{}) {
		t.Purchase = &p
	}
	return &t, nil
}

// read reads a claim into what to points to, or an object into its members.
func read(r *strictjson.Reader, to any) {
	switch to := to.(type) {
	case *string:
		*to = r.String()
	case *[]string:
		*to = r.Strings()
	case *int64:
		*to = r.Int64()
	case *json.RawMessage:
		*to = json.RawMessage(r.Raw())
	case **exchange.Actor:
		actor := &exchange.Actor{}
		*to = actor
		read(r, map[string]any{"iss": &actor.Issuer, "sub": &actor.Subject, "act": &actor.Actor})
	case map[string]any:
		for name := range r.Object() {
			read(r, to[name])
		}
	}
}

// number keeps all digits of an integer: a narrowed token repeats its parent's
// claims.
func number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	return strconv.ParseFloat(text, 64)
}
