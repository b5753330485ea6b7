package exchange

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cambio/jwks/strictjson"
)

// UnmarshalJSON reads a session whose claims are as they were verified: whole
// numbers are int64 and keep all their digits. With the float64 of encoding/json,
// a rule could evaluate a refresh differently than the exchange.
func (s *Session) UnmarshalJSON(data []byte) error {
	type fields Session // without methods
	stored := struct {
		*fields
		Claims json.RawMessage `json:"claims"`
	}{fields: (*fields)(s)}
	if err := json.Unmarshal(data, &stored); err != nil || len(stored.Claims) == 0 {
		return err
	}
	r := strictjson.New(string(stored.Claims), strictjson.Options{AllowNUL: true})
	if !r.Null() {
		s.Claims = r.Map()
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("claims of the session: %w", err)
	}
	return nil
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
