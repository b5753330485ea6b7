package policy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"cambio/exchange"
	"cambio/exchange/policy"
	"cambio/jwks/strictjson"
)

// FuzzCompile uses the same text for every expression of an issuer: it is compiled
// or refused, never both, and a compiled program evaluates any claims.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`claims.hd == "acme.com"`, `claims.?a.orValue("x")`, `claims.groups.exists(g, g.startsWith("a"))`, `claims["email"]`,
		`claims.email_verified == true ? claims.email : ""`, `"%s".format([claims.a])`, `claims.a.matches("^a+$")`, `{"a": [claims.b]}`,
		`claims.map(k, k)`, `cel.bind(x, claims.a, x)`, `[1,2].slice(0, 9)`, `claims.a.split(",", -9)[0]`, `-(-9223372036854775807 - 1)`,
		`1 / claims.n`, `"\`, "\xff", `claims . a`, `b"a"`, `size(claims)`,
	} {
		f.Add(seed)
	}
	odd := map[string]any{"sub": "a", "a": []any{nil, "x", 1e300}, "n": 0.0, "groups": map[string]any{"a": nil}, "email": 7.5}
	f.Fuzz(func(t *testing.T, text string) {
		for _, issuer := range everywhere(text) {
			p, problems := policy.Compile(&issuer)
			if (p == nil) != (len(problems) > 0) {
				t.Fatalf("%q: program %v, problems %v", text, p != nil, problems)
			}
			if p == nil {
				continue
			}
			for _, claims := range []map[string]any{nil, {}, odd} {
				probe(t, p, claims)
			}
		}
	})
}

func everywhere(text string) []exchange.Issuer {
	m := exchange.Mapping{Expression: text}
	return []exchange.Issuer{
		{ClaimMappings: exchange.ClaimMappings{Subject: m, Email: m, Name: m}},
		{ClaimMappings: exchange.ClaimMappings{Extra: []exchange.ExtraMapping{{Key: "a", ValueExpression: text}}}},
		when(text),
		{ScopeRules: []exchange.ScopeRule{{Scope: "a", When: text}}},
	}
}

// FuzzClaims evaluates an issuer's rules with any JSON object.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{google, entra, auth0, firebase, cognito, keycloak,
		`{}`, `{"sub":"\u0000"}`, `{"sub":1e999}`, `{"sub":["a"],"groups":{"a":1},"n":-0}`, `{"n":9007199254740993}`,
		`{"groups":[[[[[[[[]]]]]]]]}`, `{"email":"a","email_verified":"true"}`,
		`{"sub":` + strings.Repeat("1", 300) + `,"name":` + strings.Repeat("1", 300) + `}`,
		`{"email":"a","email_verified":"` + strings.Repeat(`\u0001`, 300) + `"}`,
	} {
		f.Add(seed)
	}
	p := compile(f, exchange.Issuer{
		ClaimMappings: exchange.ClaimMappings{
			Subject: exchange.Mapping{Expression: `claims.?n.hasValue() ? string(claims.n) : claims.sub`},
			Extra: []exchange.ExtraMapping{
				{Key: "groups", ValueExpression: "claims.?groups"}, {Key: "all", ValueExpression: `claims.email_verified == true ? claims : {}`},
			},
		},
		ClaimValidationRules: []exchange.ClaimValidationRule{
			{Claim: "hd", RequiredValue: "acme.com", Mode: exchange.ModeAudit},
			{Expression: `claims.groups.exists(g, g == "admin")`, Mode: exchange.ModeAudit},
			{Expression: `claims.email.matches("@acme[.]com$") && claims.email_verified == true`, Mode: exchange.ModeAudit},
		},
		ScopeRules: []exchange.ScopeRule{{Scope: "a", When: `claims.n > 5 || "a" in claims.groups`}},
	})
	plain := compile(f, exchange.Issuer{})
	f.Fuzz(func(t *testing.T, text string) {
		r := strictjson.New(text, strictjson.Options{AllowNUL: true, KeepNumbers: true})
		strict := r.Map()
		var floats map[string]any
		if json.Unmarshal([]byte(text), &floats) != nil || r.End() != nil {
			return
		}
		a, b := probe(t, p, floats), probe(t, p, strict)
		if a != "" && a != b {
			t.Fatalf("%s: %q as float64, %q by strictjson", text, a, b)
		}
		probe(t, plain, floats)
	})
}

// probe evaluates all rules, checks the properties of what passed, and returns the
// subject.
func probe(t *testing.T, p *policy.Program, claims map[string]any) string {
	t.Helper()
	m, checks := p.Map(claims)
	refused := false
	for _, c := range append(append(checks, p.Validate(claims)...), p.GrantsScope(claims, "a")) {
		if len(c.Got) > 128 || c.Name == "" || c.Reason == "" {
			t.Fatalf("%+v", c)
		}
		refused = refused || !c.Passed && !c.Audit && c.Reason == exchange.ReasonSubjectTokenClaimInvalid
	}
	if !refused && (m.Subject == "" || len(m.Subject) > 255 || !utf8.ValidString(m.Subject) || strings.ContainsFunc(m.Subject, unicode.IsControl)) {
		t.Fatalf("accepted the subject %q", m.Subject)
	}
	if !checks[0].Passed && m.Subject != "" {
		t.Fatalf("refused, but the subject is %q", m.Subject)
	}
	if m.Email != "" && claims["email_verified"] != true && claims["email_verified"] != "true" && claims["email"] == m.Email {
		t.Fatalf("an unverified address was mapped")
	}
	if text, err := json.Marshal(m.Extra); err != nil || len(text) > 4<<10 {
		t.Fatalf("extra of %d bytes: %v", len(text), err)
	}
	return m.Subject
}
