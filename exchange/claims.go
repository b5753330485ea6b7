package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// UnmarshalJSON reads a session whose claims are what was verified: integers
// are int64, as package subject reads them, and keep all their digits. With
// encoding/json's float64 a rule could judge a refresh otherwise than it
// judged the exchange.
func (s *Session) UnmarshalJSON(data []byte) error {
	type fields Session // which has no methods
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode((*fields)(s)); err != nil {
		return err
	}
	for name, v := range s.Claims {
		n, err := plain(v)
		if err != nil {
			return fmt.Errorf("claim %s: %w", Quote(name), err)
		}
		s.Claims[name] = n
	}
	return nil
}

// plain replaces each json.Number in v, in place, by what it is.
func plain(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = plain(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func number(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	return n.Float64()
}

// reservedClaims are the claims of access tokens that only the server writes: the
// protocol's (RFC 7519, 7800, 8693, 9068, 9396; OpenID Connect Core) and Cambio's.
// A mapped claim of the same name would let an issuer make claims for the server.
var reservedClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ",
	"client_id", "scope", "scp", "sid", "act", "may_act", "cnf", "authorization_details",
	"auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "s_hash",
	"idp", "origin", "active", "token_type", "username", "events", "crit",
	"partner_id", "customer_id", "invoice_id",
}

// ReservedClaim reports whether name is a claim that only the server writes, in
// any case: decoders that ignore case, as encoding/json does, take one for the
// other.
func ReservedClaim(name string) bool {
	return slices.ContainsFunc(reservedClaims, func(r string) bool { return strings.EqualFold(r, name) })
}
