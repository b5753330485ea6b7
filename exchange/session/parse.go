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
	t, err := s.read(accessToken, typeAccess)
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

// Recognizes reports whether a token claims, by its header, to be an access token of
// this server; Parse validates it.
func (s *Store) Recognizes(token string) bool { return s.ring.Recognizes(token, typeAccess) }

// read verifies a token's signature and type and decodes it. It does not look at its
// times.
func (s *Store) read(token, typ string) (*exchange.AccessToken, error) {
	payload, err := s.ring.Verify(token, typ)
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

// checkToken refuses a token if it, its session or its origin was revoked, or a
// token that it was exchanged from.
func (s *Store) checkToken(ctx context.Context, t *exchange.AccessToken) error {
	chain := append(t.Parents[:len(t.Parents):len(t.Parents)], t.AsParent())
	c := creation{user: t.User, client: chain[0].Client, origin: t.Origin, at: t.IssuedAt, order: chain[0].Order}
	if t.Session != "" {
		row, err := s.sessions.Get(ctx, t.Session)
		if errors.Is(err, storage.ErrNotFound) {
			return exchange.Refuse(exchange.ReasonSessionEnded, errors.New("its session no longer exists"))
		}
		if err != nil {
			return err
		}
		c = creationOf(&row.Value)
	}
	if err := s.checkRevocations(ctx, c); err != nil {
		return err
	}
	for _, link := range chain {
		if link.Client != c.client { // another client, which can be revoked too, narrowed the token
			if err := s.checkRevocations(ctx, creation{client: link.Client, at: t.IssuedAt, order: link.Order}); err != nil {
				return err
			}
		}
		if err := s.checkRevokedToken(ctx, link); err != nil {
			return err
		}
	}
	return nil
}

// checkRevokedToken refuses a token that was revoked by itself.
func (s *Store) checkRevokedToken(ctx context.Context, t exchange.ParentToken) error {
	_, err := s.revokedTokens.Get(ctx, revokedTokenKey(t))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil
	case err == nil:
		return exchange.Refuse(exchange.ReasonSessionEnded, fmt.Errorf("token %.128q was revoked", t.ID))
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
		order           int64
	)
	members := map[string]any{
		"iss": &t.Issuer, "sub": &t.User, "aud": &t.Audience, "client_id": &t.Client, "scope": &scope, "sid": &t.Session,
		"jti": &t.ID, "iat": &iat, "exp": &exp, "auth_time": &t.AuthTime, "acr": &t.ACR, "amr": &t.AMR,
		"act": &t.Actor, "authorization_details": &t.Details, "cnf": map[string]any{"jkt": &t.JKT},
		"origin":     map[string]any{"iss": &t.Origin.Issuer, "key": &t.Origin.Key, "link": &t.Origin.Link, "at": &since, "seq": &order, "parents": &t.Parents},
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
	t.Order = uint64(order)
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
	case *[]exchange.ParentToken:
		for range r.Array() {
			var p exchange.ParentToken
			var order int64
			read(r, map[string]any{"jti": &p.ID, "exp": &p.Expires, "client_id": &p.Client, "seq": &order})
			p.Order = uint64(order)
			*to = append(*to, p)
		}
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
	t.Origin, t.Order, t.Parents = exchange.Origin{}, 0, nil // they concern only this server
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

// Unused reports whether a token of this server is valid now and, if it is a refresh
// token, was never exchanged: unlike Introspect, it does not accept one that only
// the grace still accepts. An error is the store's.
func (s *Store) Unused(ctx context.Context, token string, now time.Time) (bool, error) {
	if id, generation, ok := s.readRefresh(token); ok {
		row, err := s.loadActive(ctx, id, now)
		return err == nil && generation == row.Value.Rotation.Generation, storeError(err)
	}
	if s.ring.Recognizes(token, typeID) {
		t, err := s.read(token, typeID)
		return err == nil && now.Before(t.Expires), storeError(err)
	}
	_, err := s.Parse(ctx, token, now)
	return err == nil, storeError(err)
}

// introspectRefresh describes a refresh token that Refresh would accept. Scope
// and audience are those that the session was created with: what today's rules
// grant of them is only known when the token is exchanged.
func (s *Store) introspectRefresh(ctx context.Context, id string, generation uint64, now time.Time) (Introspection, error) {
	row, err := s.loadActive(ctx, id, now)
	if err != nil {
		return Introspection{}, err
	}
	r := &row.Value
	if u := s.use(r, generation, now); u != current && u != repeated {
		return Introspection{}, exchange.Refuse(exchange.ReasonRefreshTokenInvalid, errors.New("it was exchanged"))
	}
	sess := &r.Session
	return Introspection{Active: true, Token: exchange.AccessToken{
		Issuer: s.issuer, User: sess.User, Client: sess.Client, Session: sess.ID, Scopes: sess.Scopes, Audience: sess.Audience,
		IssuedAt: r.Rotation.Rotated, Expires: r.expires(), AuthTime: sess.AuthTime, ACR: sess.ACR, AMR: sess.AMR,
		Actor: sess.Actor, JKT: sess.JKT, Details: sess.Details,
	}}, nil
}
