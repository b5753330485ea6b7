package policy_test

import (
	"testing"

	"cambio/exchange"
)

var five = []string{
	`claims.email_verified == true`,
	`claims.email.endsWith("@acme.com")`,
	`"Orders.Read" in claims.roles`,
	`claims.exp - claims.iat <= 86400`,
	`claims.realm_access.roles.exists(r, r == "staff")`,
}

func benchmarkRules(b *testing.B, expressions ...string) {
	i := exchange.Issuer{Scopes: []string{"read"}}
	for _, e := range expressions {
		i.ClaimValidationRules = append(i.ClaimValidationRules, exchange.ClaimValidationRule{Expression: e})
	}
	p := compile(b, i)
	c := claims(b, keycloak)
	c["email"], c["roles"] = "alice@acme.com", []any{"Orders.Write", "Orders.Read"}
	b.ReportAllocs()
	for b.Loop() {
		m, _ := p.Map(c)
		for _, check := range p.Validate(c) {
			if !check.Passed {
				b.Fatal(check)
			}
		}
		if m.Subject == "" || !p.GrantsScope(c, "read").Passed {
			b.Fatal("refused")
		}
	}
}

// Each iteration evaluates the rules of one exchange: the mappings, the conditions
// and one scope.
func BenchmarkNoRules(b *testing.B)   { benchmarkRules(b) }
func BenchmarkOneRule(b *testing.B)   { benchmarkRules(b, five[0]) }
func BenchmarkFiveRules(b *testing.B) { benchmarkRules(b, five...) }

func BenchmarkRequiredValue(b *testing.B) {
	p := compile(b, required("azp", "web"))
	c := claims(b, keycloak)
	b.ReportAllocs()
	for b.Loop() {
		if !p.Validate(c)[0].Passed {
			b.Fatal("refused")
		}
	}
}

// A loop in a loop can reach the limit, so its cost is counted.
func BenchmarkCountedRule(b *testing.B) {
	benchmarkRules(b, `claims.roles.exists(r, claims.realm_access.roles.exists(s, s == "staff" && r == "Orders.Read"))`)
}

func BenchmarkCompile(b *testing.B) {
	i := when(five[0])
	b.ReportAllocs()
	for b.Loop() {
		compile(b, i)
	}
}
