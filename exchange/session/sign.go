package session

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// The types of tokens: typ in their headers.
const (
	typeAccess = "at+jwt" // RFC 9068 §2.1
	typeID     = "JWT"
)

// Sign signs the access token t (RFC 9068 §2). It fills t's Issuer, and its ID if
// that is empty. IssuedAt and Expires are the caller's; a token that would not
// be valid for a second is an error.
func (s *Store) Sign(t *exchange.AccessToken) (string, error) {
	t.Issuer = s.issuer
	if t.ID == "" {
		t.ID = newTokenID()
	}
	return s.sign("", typeAccess, t, appendAccess)
}

// SignIDToken signs an ID token for the client of t, about t's user, valid as
// long as t (OpenID Connect Core §2; requested_token_type in RFC 8693 §2.1). It
// has its own jti, and the nonce
// unless that is empty. The empty algorithm is that of access tokens.
func (s *Store) SignIDToken(t *exchange.AccessToken, nonce, algorithm string) (string, error) {
	id := *t
	id.Issuer, id.ID = s.issuer, newTokenID()
	id.Audience = []string{t.Client}
	return s.sign(algorithm, typeID, &id, func(b strictjson.Buffer, t *exchange.AccessToken) (strictjson.Buffer, error) {
		return appendCommon(b.OmitString("nonce", nonce), t)
	})
}

// newTokenID returns a jti: 128 random bits in base64url. It makes each signed
// payload unique.
func newTokenID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *Store) sign(algorithm, typ string, t *exchange.AccessToken, claims func(strictjson.Buffer, *exchange.AccessToken) (strictjson.Buffer, error)) (string, error) {
	if expired(t) {
		return "", fmt.Errorf("signing %s: it would expire when it is issued", typ)
	}
	const usual = 1 << 10 // bytes of claims
	b, err := claims(make(strictjson.Buffer, 0, usual).Begin(), t)
	if err != nil {
		return "", fmt.Errorf("signing %s: %w", typ, err)
	}
	return s.ring.SignBy(algorithm, typ, b.End())
}

// expired reports whether t would be valid for less than a second, the smallest
// unit of a NumericDate here. exp is never before iat, whatever the clock did.
func expired(t *exchange.AccessToken) bool { return t.Expires.Unix() <= t.IssuedAt.Unix() }

// appendAccess appends the claims of an access token (RFC 9068 §2.2).
func appendAccess(b strictjson.Buffer, t *exchange.AccessToken) (_ strictjson.Buffer, err error) {
	b = b.OmitString("client_id", t.Client).OmitString("scope", strings.Join(t.Scopes, " "))
	if t.JKT != "" { // RFC 7800 §3.1, RFC 9449 §6.1
		b = b.Key("cnf").Begin().String("jkt", t.JKT).End()
	}
	if len(t.Details) > 0 {
		if b, err = b.Value("authorization_details", t.Details); err != nil {
			return b, err
		}
	}
	if p := t.Purchase; p != nil {
		b = b.OmitString("partner_id", p.Partner).OmitString("customer_id", p.Customer).OmitString("invoice_id", p.Invoice)
	}
	if b, err = appendOrigin(b, t); err != nil {
		return b, err
	}
	return appendCommon(b, t)
}

// appendOrigin appends what revocations of a token are about that other claims and
// its session do not tell. Only this server reads it.
func appendOrigin(b strictjson.Buffer, t *exchange.AccessToken) (_ strictjson.Buffer, err error) {
	login := t.Session == "" && t.Origin.Issuer != ""
	if !login && t.Order == 0 && len(t.Parents) == 0 {
		return b, nil
	}
	b = b.Key("origin").Begin()
	if o := t.Origin; login {
		b = b.String("iss", o.Issuer).OmitString("key", o.Key).OmitString("link", o.Link).Int("at", t.IssuedAt.UnixMilli())
	}
	if t.Order != 0 {
		b = b.Int("seq", int64(t.Order))
	}
	if len(t.Parents) > 0 {
		if b, err = b.Value("parents", t.Parents); err != nil {
			return b, err
		}
	}
	return b.End(), nil
}

// appendCommon appends the claims that access and ID tokens share. aud is always
// an array: an API that searches it for its own name cannot find a substring.
func appendCommon(b strictjson.Buffer, t *exchange.AccessToken) (_ strictjson.Buffer, err error) {
	b = b.OmitString("iss", t.Issuer).OmitString("sub", t.User).Strings("aud", t.Audience)
	b = b.Int("iat", t.IssuedAt.Unix()).Int("exp", t.Expires.Unix())
	b = b.OmitString("jti", t.ID).OmitString("sid", t.Session)
	if t.AuthTime != 0 {
		b = b.Int("auth_time", t.AuthTime)
	}
	b = b.OmitString("acr", t.ACR).OmitStrings("amr", t.AMR)
	if t.Actor != nil {
		if b, err = b.Value("act", t.Actor); err != nil {
			return b, err
		}
	}
	return appendMapped(b, t.Extra)
}

// appendMapped appends mapped claims, except those with a reserved name.
func appendMapped(b strictjson.Buffer, extra map[string]any) (_ strictjson.Buffer, err error) {
	if len(extra) == 0 {
		return b, nil
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if exchange.ReservedClaim(name) {
			continue
		}
		if b, err = b.Value(name, extra[name]); err != nil {
			return b, err
		}
	}
	return b, nil
}
