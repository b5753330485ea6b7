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
	// The claims were signed by this server: their nesting needs no bound.
	r := strictjson.New(string(payload), strictjson.Options{MaxDepth: len(payload), AllowNUL: true, Number: number})
	c := claims{Reader: &r}
	for name := range r.Object() {
		if !c.header(name) && !c.content(name) && !exchange.ReservedClaim(name) {
			if c.token.Extra == nil {
				c.token.Extra = map[string]any{}
			}
			c.token.Extra[name] = r.Value()
		}
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	if c.purchase != (exchange.Purchase{}) {
		c.token.Purchase = &c.purchase
	}
	if c.createdAt != 0 {
		c.token.IssuedAt = time.UnixMilli(c.createdAt)
	}
	return &c.token, nil
}

// number keeps all digits of an integer: a narrowed token repeats its parent's
// claims.
func number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	return strconv.ParseFloat(text, 64)
}

// claims are an access token's claims while they are read.
type claims struct {
	*strictjson.Reader
	createdAt int64 // Unix milliseconds; 0 in tokens with a session
	purchase  exchange.Purchase
	token     exchange.AccessToken
}

// header reads a claim about the token itself and reports whether name is one.
func (c *claims) header(name string) bool {
	switch name {
	case "iss":
		c.token.Issuer = c.String()
	case "aud":
		c.token.Audience = c.Strings()
	case "jti":
		c.token.ID = c.String()
	case "iat":
		c.token.IssuedAt = time.Unix(c.Int64(), 0)
	case "exp":
		c.token.Expires = time.Unix(c.Int64(), 0)
	case "sid":
		c.token.Session = c.String()
	case "client_id":
		c.token.Client = c.String()
	case "cnf":
		c.object(map[string]*string{"jkt": &c.token.JKT})
	case "origin":
		o := &c.token.Origin
		c.object(map[string]*string{"iss": &o.Issuer, "key": &o.Key, "link": &o.Link})
	default:
		return false
	}
	return true
}

// content reads a claim about the user, or about what the token allows, and
// reports whether name is one.
func (c *claims) content(name string) bool {
	switch name {
	case "sub":
		c.token.User = c.String()
	case "scope":
		c.token.Scopes = strings.Fields(c.String())
	case "auth_time":
		c.token.AuthTime = c.Int64()
	case "acr":
		c.token.ACR = c.String()
	case "amr":
		c.token.AMR = c.Strings()
	case "act":
		if err := json.Unmarshal([]byte(c.Raw()), &c.token.Actor); c.Err() == nil && err != nil {
			c.Fail(err)
		}
	case "authorization_details":
		c.token.Details = json.RawMessage(c.Raw())
	case "partner_id":
		c.purchase.Partner = c.String()
	case "customer_id":
		c.purchase.Customer = c.String()
	case "invoice_id":
		c.purchase.Invoice = c.String()
	default:
		return false
	}
	return true
}

// object reads an object's strings, and the time of a claim origin.
func (c *claims) object(members map[string]*string) {
	for name := range c.Object() {
		if to := members[name]; to != nil {
			*to = c.String()
		} else if name == "at" {
			c.createdAt = c.Int64()
		}
	}
}
