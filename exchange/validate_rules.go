package exchange

import (
	"fmt"
	"slices"
	"strings"
)

// reservedClaims are those of our access tokens that only the server writes:
// the protocol's own (RFC 7519, 7800, 8693, 9068, 9396; OpenID Connect Core)
// and ours. A mapped claim of the same name would let an issuer speak for us.
var reservedClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ",
	"client_id", "scope", "scp", "sid", "act", "may_act", "cnf", "authorization_details",
	"auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "s_hash",
	"idp", "origin", "active", "token_type", "username", "events", "crit",
	"partner_id", "customer_id", "invoice_id",
}

// ReservedClaim says whether name is a claim that only the server writes, also
// in another case: decoders that ignore case, as Go's own does, would take one
// for the other.
func ReservedClaim(name string) bool {
	return slices.ContainsFunc(reservedClaims, func(r string) bool { return strings.EqualFold(r, name) })
}

func (p *problems) mappings(m *ClaimMappings) {
	p.mapping("claimMappings.subject", m.Subject)
	p.mapping("claimMappings.email", m.Email)
	p.mapping("claimMappings.name", m.Name)
	seen := firsts{}
	for i, extra := range m.Extra {
		path := fmt.Sprintf("claimMappings.extra[%d]", i)
		p.extraKey(path+".key", extra.Key)
		p.onlyOnce(seen, path+".key", extra.Key)
		if extra.ValueExpression == "" {
			p.add(path+".valueExpression", "is missing; write a CEL expression such as claims.groups")
		}
	}
}

func (p *problems) mapping(path string, m Mapping) {
	if m.Claim != "" && m.Expression != "" {
		p.add(path, "has claim and expression; keep one of them")
	}
	p.claimName(path+".claim", m.Claim)
}

func (p *problems) extraKey(path, key string) {
	odd := strings.ContainsFunc(key, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._:/-", r))
	})
	switch {
	case key == "":
		p.add(path, "is missing; write the name of the claim in our access tokens")
	case odd || len(key) > longestName:
		p.add(path, "%s must be at most %d letters, digits and any of . _ : / -", Quote(key), longestName)
	case ReservedClaim(key):
		p.add(path, "%s is a claim that only the server writes; choose another name", Quote(key))
	}
}

func (p *problems) rules(rules []ClaimValidationRule) {
	names := firsts{}
	for i := range rules {
		path := fmt.Sprintf("claimValidationRules[%d]", i)
		p.rule(path, &rules[i])
		p.onlyOnce(names, path+".name", rules[i].Name)
	}
}

func (p *problems) rule(path string, r *ClaimValidationRule) {
	switch {
	case r.Expression != "" && (r.Claim != "" || r.RequiredValue != ""):
		p.add(path, "has claim or requiredValue beside expression; keep one way of saying it")
	case r.Expression == "" && r.Claim == "":
		p.add(path, "is empty; write claim and requiredValue, or expression")
	case r.Claim != "" && r.RequiredValue == "":
		p.add(path+".requiredValue", "is missing; to ask only that the claim exists write expression: %s in claims", Quote(r.Claim))
	case r.Claim == "email_verified":
		p.add(path+".claim", "email_verified is a boolean and requiredValue a string; write expression: claims.email_verified == true")
	}
	p.label(path+".name", r.Name)
	p.claimName(path+".claim", r.Claim)
	p.message(path+".message", r.Message)
	p.mode(path+".mode", r.Mode)
}

func (p *problems) mode(path string, m Mode) {
	if m != "" {
		p.oneOf(path, string(m), string(ModeEnforce), string(ModeAudit))
	}
}
