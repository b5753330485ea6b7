package registration

import (
	"strings"
	"testing"

	"cambio/exchange"
)

func TestLintRules(t *testing.T) {
	for _, row := range []struct {
		name string
		rule exchange.ClaimValidationRule
		want []problem
	}{
		{"claim", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "acme.com"}, nil},
		{"expression", exchange.ClaimValidationRule{Expression: "claims.hd == 'acme.com'", Mode: "audit", Message: "Only for Acme."}, nil},
		{"both", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Expression: "true"}, one("claimValidationRules[0]", "keep one way")},
		{"expression with value", exchange.ClaimValidationRule{RequiredValue: "a", Expression: "true"}, one("claimValidationRules[0]", "keep one way")},
		{"neither", exchange.ClaimValidationRule{Name: "a"}, one("claimValidationRules[0]", "is empty")},
		{"claim without value", exchange.ClaimValidationRule{Claim: "hd"}, one("claimValidationRules[0].requiredValue", `"hd" in claims`)},
		{"boolean as text", exchange.ClaimValidationRule{Claim: "email_verified", RequiredValue: "true"}, one("claimValidationRules[0].claim", "claims.email_verified == true")},
		{"mode", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Mode: "Audit"}, one("claimValidationRules[0].mode", "did you mean audit?")},
		{"message with quotation marks", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: `only "staff"`}, one("claimValidationRules[0].message", "RFC 6749 §5.2")},
		{"message with an umlaut", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: "für alle"}, one("claimValidationRules[0].message", "'ü'")},
		{"message of two lines", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: "a\nb"}, one("claimValidationRules[0].message", `'\n'`)},
		{"long message", exchange.ClaimValidationRule{Claim: "hd", RequiredValue: "a", Message: strings.Repeat("a", 257)}, one("claimValidationRules[0].message", "256 bytes")},
		{"name with control characters", exchange.ClaimValidationRule{Name: "a\x1b[31m", Claim: "hd", RequiredValue: "a"}, one("claimValidationRules[0].name", `\x1b`)},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := goodIssuer()
			i.ClaimValidationRules = []exchange.ClaimValidationRule{row.rule}
			same(t, LintIssuer(i), row.want)
		})
	}
	i := goodIssuer()
	i.ClaimValidationRules = []exchange.ClaimValidationRule{{Name: "a", Expression: "true"}, {Name: "a", Expression: "true"}}
	same(t, LintIssuer(i), one("claimValidationRules[1].name", "already used by claimValidationRules[0].name"))
}

func TestLintMappings(t *testing.T) {
	extra := func(keys ...string) exchange.ClaimMappings {
		var m exchange.ClaimMappings
		for _, k := range keys {
			m.Extra = append(m.Extra, exchange.ExtraMapping{Key: k, ValueExpression: "claims.a"})
		}
		return m
	}
	for _, row := range []struct {
		name     string
		mappings exchange.ClaimMappings
		want     []problem
	}{
		{"extra", extra("groups", "https://acme.com/roles", "tenant_id"), nil},
		{"extra without key", extra(""), one("claimMappings.extra[0].key", "missing")},
		{"extra twice", extra("a", "a"), one("claimMappings.extra[1].key", "already used")},
		{"extra with a space", extra("a b"), one("claimMappings.extra[0].key", "letters, digits")},
		{"extra without value", exchange.ClaimMappings{Extra: []exchange.ExtraMapping{{Key: "a"}}}, one("claimMappings.extra[0].valueExpression", "missing")},
		{"claim and expression", exchange.ClaimMappings{Subject: exchange.Mapping{Claim: "oid", Expression: "claims.oid"}}, one("claimMappings.subject", "keep one")},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := goodIssuer()
			i.ClaimMappings = row.mappings
			same(t, LintIssuer(i), row.want)
		})
	}
	for _, reserved := range strings.Fields(`iss sub aud exp nbf iat jti client_id scope sid typ act may_act cnf
		authorization_details auth_time acr amr idp origin nonce azp at_hash c_hash s_hash active token_type username events partner_id customer_id invoice_id Scope SUB Client_Id`) {
		i := goodIssuer()
		i.ClaimMappings = extra(reserved)
		same(t, LintIssuer(i), one("claimMappings.extra[0].key", "only the server writes"))
	}
}
