package registration

import (
	"fmt"
	"strings"

	"cambio/exchange"
)

func (l *linter) mappings(m *exchange.ClaimMappings) {
	l.mapping("claimMappings.subject", m.Subject)
	l.mapping("claimMappings.email", m.Email)
	l.mapping("claimMappings.name", m.Name)
	seen := firsts{}
	for i, extra := range m.Extra {
		path := fmt.Sprintf("claimMappings.extra[%d]", i)
		l.extraKey(path+".key", extra.Key)
		l.onlyOnce(seen, path+".key", extra.Key)
		if extra.ValueExpression == "" {
			l.Add(path+".valueExpression", "is missing; write a CEL expression such as claims.groups")
		}
	}
}

func (l *linter) mapping(path string, m exchange.Mapping) {
	if m.Claim != "" && m.Expression != "" {
		l.Add(path, "has claim and expression; keep one of them")
	}
	l.label(path+".claim", m.Claim)
}

func (l *linter) extraKey(path, key string) {
	odd := strings.Trim(key, alphanumeric+"._:/-") != ""
	switch {
	case key == "":
		l.Add(path, "is missing; write the name of the claim in our access tokens")
	case odd || len(key) > longestName:
		l.Add(path, "%s must be at most %d letters, digits and any of . _ : / -", exchange.Quote(key), longestName)
	case exchange.ReservedClaim(key):
		l.Add(path, "%s is a claim that only the server writes; choose another name", exchange.Quote(key))
	}
}

func (l *linter) rules(rules []exchange.ClaimValidationRule) {
	names := firsts{}
	for i := range rules {
		path := fmt.Sprintf("claimValidationRules[%d]", i)
		l.rule(path, &rules[i])
		l.onlyOnce(names, path+".name", rules[i].Name)
	}
}

func (l *linter) rule(path string, r *exchange.ClaimValidationRule) {
	switch {
	case r.Expression != "" && (r.Claim != "" || r.RequiredValue != ""):
		l.Add(path, "has claim or requiredValue beside expression; keep one way of saying it")
	case r.Expression == "" && r.Claim == "":
		l.Add(path, "is empty; write claim and requiredValue, or expression")
	case r.Claim != "" && r.RequiredValue == "":
		l.Add(path+".requiredValue", "is missing; to ask only that the claim exists write expression: %s in claims", exchange.Quote(r.Claim))
	case r.Claim == "email_verified":
		l.Add(path+".claim", "email_verified is a boolean and requiredValue a string; write expression: claims.email_verified == true")
	}
	l.label(path+".name", r.Name)
	l.label(path+".claim", r.Claim)
	l.message(path+".message", r.Message)
	l.mode(path+".mode", r.Mode)
}

func (l *linter) mode(path string, m exchange.Mode) {
	if m != "" {
		l.oneOf(path, string(m), string(exchange.ModeEnforce), string(exchange.ModeAudit))
	}
}
