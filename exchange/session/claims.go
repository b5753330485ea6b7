package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cambio/exchange"
)

// Types of our tokens: typ in their headers.
const (
	typeAccess = "at+jwt" // RFC 9068 §2.1
	typeID     = "JWT"
)

// origin is the claim of tokens without a stored session that the marks are
// checked by.
type origin struct {
	Issuer string `json:"iss"`
	Key    string `json:"key,omitempty"`
	Link   string `json:"link,omitempty"`
	At     int64  `json:"at"` // birth, Unix milliseconds: iat is too coarse to compare with a mark
}

// Sign makes the access token that t says (RFC 9068 §2). It fills t's Issuer,
// and its ID if that is empty. IssuedAt and Expires are the caller's; a token
// that would not be valid for a second is an error.
func (s *Store) Sign(t *exchange.AccessToken) (string, error) {
	t.Issuer = s.issuer
	if t.ID == "" {
		t.ID = newTokenID()
	}
	return s.sign(typeAccess, t, accessClaims)
}

// SignIDToken makes an ID token for the client of t, about t's user, as long as
// t is valid (OpenID Connect Core §2; requested_token_type in RFC 8693 §2.1). It
// has a jti of its own.
func (s *Store) SignIDToken(t *exchange.AccessToken) (string, error) {
	id := *t
	id.Issuer, id.ID = s.issuer, newTokenID()
	id.Audience = []string{t.Client}
	return s.sign(typeID, &id, commonClaims)
}

func (s *Store) sign(typ string, t *exchange.AccessToken, claims func(*object, *exchange.AccessToken)) (string, error) {
	if expired(t) {
		return "", fmt.Errorf("signing %s: it would expire when it is issued", typ)
	}
	o := s.objects.Get().(*object)
	defer s.release(o)
	o.restart()
	claims(o, t)
	o.end()
	if o.err != nil {
		return "", fmt.Errorf("signing %s: %w", typ, o.err)
	}
	return s.ring.Sign(typ, o.b)
}

// release keeps an object for later tokens, without the claims that were in it,
// unless one large token made room in it.
func (s *Store) release(o *object) {
	if cap(o.b) > 8<<10 {
		return
	}
	clear(o.b)
	s.objects.Put(o)
}

// expired says whether t has no second to live: NumericDates have no smaller
// unit here, and exp never comes before iat, whatever the wall clock did.
func expired(t *exchange.AccessToken) bool { return t.Expires.Unix() <= t.IssuedAt.Unix() }

// accessClaims are those of an access token (RFC 9068 §2.2).
func accessClaims(o *object, t *exchange.AccessToken) {
	o.text("client_id", t.Client)
	if len(t.Scopes) > 0 {
		o.text("scope", strings.Join(t.Scopes, " "))
	}
	if t.JKT != "" { // RFC 7800 §3.1, RFC 9449 §6.1
		o.begin("cnf")
		o.text("jkt", t.JKT)
		o.end()
	}
	if len(t.Details) > 0 {
		o.value("authorization_details", t.Details)
	}
	if p := t.Purchase; p != nil {
		o.text("partner_id", p.Partner)
		o.text("customer_id", p.Customer)
		o.text("invoice_id", p.Invoice)
	}
	if t.Session == "" && t.Origin.Issuer != "" {
		o.begin("origin")
		o.text("iss", t.Origin.Issuer)
		o.text("key", t.Origin.Key)
		o.text("link", t.Origin.Link)
		o.number("at", t.IssuedAt.UnixMilli())
		o.end()
	}
	commonClaims(o, t)
}

// commonClaims are those that access and ID tokens share.
func commonClaims(o *object, t *exchange.AccessToken) {
	o.text("iss", t.Issuer)
	o.text("sub", t.User)
	o.list("aud", t.Audience)
	o.number("iat", t.IssuedAt.Unix())
	o.number("exp", t.Expires.Unix())
	o.text("jti", t.ID)
	o.text("sid", t.Session)
	if t.AuthTime != 0 {
		o.number("auth_time", t.AuthTime)
	}
	o.text("acr", t.ACR)
	if len(t.AMR) > 0 {
		o.list("amr", t.AMR)
	}
	if t.Actor != nil {
		o.value("act", t.Actor)
	}
	o.mapped(t.Extra)
}

// mapped writes mapped claims. None of them becomes one that says what the
// token is, whatever the mapping says.
func (o *object) mapped(extra map[string]any) {
	if len(extra) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if !exchange.ReservedClaim(name) {
			o.value(name, extra[name])
		}
	}
}
