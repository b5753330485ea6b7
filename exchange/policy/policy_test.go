package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"cambio/exchange"
	"cambio/exchange/policy"
	"cambio/jwks/strictjson"
)

func problems(i exchange.Issuer) []exchange.Problem {
	_, found := policy.Compile(&i)
	return found
}

func TestCompileRefusesConditions(t *testing.T) {
	for expression, says := range map[string]string{
		`claim.hd == "x"`:                      "undeclared reference to 'claim' (did you mean 'claims'?), at line 1, column 1\n | claim.hd == \"x\"\n | ^",
		"true &&\n  clams == 1":                "at line 2, column 3\n |   clams == 1\n | ..^",
		`claims.hd ==`:                         "mismatched input '<EOF>', at line 1, column 13",
		`claims.hd`:                            "must be true or false, but is dyn; compare it",
		`claims.email_verified`:                "claims.email_verified == true",
		`"a" + claims.hd`:                      "must be true or false, but is string",
		`claims.hd == 1 + "a"`:                 "no matching overload for '_+_'",
		`now() > claims.exp`:                   "undeclared reference to 'now'",
		`timestamp(claims.exp) > timestamp(0)`: "expressions have no clock",
		`duration("1h") > duration("2h")`:      "expressions have no clock",
		`claims.hd.matches("[")`:               "missing closing ]",
		strings.Repeat(" ", 4<<10) + "true":    "has 4100 bytes; at most 4096",
		strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100) + " == claims.a": "recursion",
		`claims.a.replace(claims.b, claims.c) == ""`:                               "replace may take only one operand from claims",
		`claims.a.join(claims.b) == ""`:                                            "join may take only one",
		`sets.contains(claims.a, claims.b)`:                                        "sets.contains may take only one",
		`claims.a.exists(x, x.indexOf(claims.b) > 0)`:                              "indexOf may take only one",
		`claims.a.all(x, claims.a.all(y, claims.a.all(z, x == y && y == z)))`:      "costs too much",
		`claims.a == 1)`: "extraneous input",
	} {
		found := problems(when(expression))
		if len(found) != 1 || found[0].Path != "claimValidationRules[0].expression" || !strings.Contains(found[0].Message, says) {
			t.Errorf("%.80s: got %v, want %q", expression, found, says)
		}
	}
}

func TestCompileRefusesMappings(t *testing.T) {
	for expression, says := range map[string]string{
		`1`:                          "must be a string, but is int",
		`claims.a == claims.b`:       "must be a string, but is bool",
		`"alice"`:                    "every user would have the same subject",
		`[claims.sub]`:               "must be a string, but is list",
		`optional.of(claims.a == 1)`: "must be a string, but is optional_type(bool)",
		`claims.email`:               "does not identify a user",
	} {
		found := problems(exchange.Issuer{ClaimMappings: exchange.ClaimMappings{Subject: exchange.Mapping{Expression: expression}}})
		if len(found) != 1 || found[0].Path != "claimMappings.subject.expression" && found[0].Path != "claimMappings.subject" || !strings.Contains(found[0].Message, says) {
			t.Errorf("%s: got %v, want %q", expression, found, says)
		}
	}
}

func TestProblemPaths(t *testing.T) {
	bad := exchange.Mapping{Expression: "x"}
	found := problems(exchange.Issuer{
		ClaimMappings: exchange.ClaimMappings{
			Subject: bad, Email: bad, Name: bad, Extra: []exchange.ExtraMapping{{Key: "a", ValueExpression: "claims.a"}, {Key: "b", ValueExpression: "x"}},
		},
		ClaimValidationRules: []exchange.ClaimValidationRule{{Claim: "a", RequiredValue: "b"}, {Expression: "x"}},
		ScopeRules:           []exchange.ScopeRule{{Scope: "a", When: "x"}},
	})
	var paths []string
	for _, p := range found {
		paths = append(paths, p.Path)
	}
	want := "claimMappings.subject.expression claimMappings.email.expression claimMappings.name.expression " +
		"claimMappings.extra[1].valueExpression claimValidationRules[1].expression scopeRules[0].when"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEmailNeedsVerification(t *testing.T) {
	const uses = `claims.email.endsWith("@acme.com")`
	const verifies = `claims.email_verified == true`
	rule := func(expression string, mode exchange.Mode) exchange.ClaimValidationRule {
		return exchange.ClaimValidationRule{Expression: expression, Mode: mode}
	}
	mapped := func(expression string) exchange.ClaimMappings {
		return exchange.ClaimMappings{Email: exchange.Mapping{Expression: expression}}
	}
	extra := func(m exchange.ClaimMappings, expression string) exchange.ClaimMappings {
		m.Extra = []exchange.ExtraMapping{{Key: "a", ValueExpression: expression}}
		return m
	}
	rules := func(r ...exchange.ClaimValidationRule) exchange.Issuer {
		return exchange.Issuer{ClaimValidationRules: r}
	}
	for _, row := range []struct {
		name    string
		issuer  exchange.Issuer
		refused bool
	}{
		{"a rule that does not verify", rules(rule(uses, "")), true},
		{"a rule that verifies itself", rules(rule(uses+" && "+verifies, "")), false},
		{"another rule verifies", rules(rule(uses, ""), rule(verifies, "")), false},
		{"another rule verifies under audit", rules(rule(uses, ""), rule(verifies, "audit")), true},
		{"by index", rules(rule(`claims["email"] == "a"`, "")), true},
		{"by index, verified by index", rules(rule(`claims["email"] == "a" && claims["email_verified"] == true`, "")), false},
		{"by optional", rules(rule(`claims.?email.orValue("") == "a"`, "")), true},
		{"by optional index", rules(rule(`claims[?"email"].orValue("") == "a"`, "")), true},
		{"verified by optional, as Kubernetes has it", rules(rule(uses+` && claims.?email_verified.orValue(true) == true`, "")), false},
		{"by presence", rules(rule(`has(claims.email)`, "")), true},
		{"presence does not verify", rules(rule(uses+` && has(claims.email_verified)`, "")), true},
		{"membership does not verify", rules(rule(uses+` && "email_verified" in claims`, "")), true},
		{"by a computed name", rules(rule(`claims["e" + "mail"] == "a"`, "")), true},
		{"by all claims", rules(rule(`claims.exists(k, v, k == "email" && v == "a")`, "")), true},
		{"in a loop", rules(rule(`claims.groups.exists(g, g == claims.email)`, "")), true},
		{"email of another object", rules(rule(`claims.profile.email == "a"`, "")), false},
		{"another claim", rules(rule(`claims.hd == "acme.com"`, "")), false},
		{"a required address", rules(exchange.ClaimValidationRule{Claim: "email", RequiredValue: "a"}), true},
		{"a required address, verified", rules(exchange.ClaimValidationRule{Claim: "email", RequiredValue: "a"}, rule(verifies, "")), false},
		{"a mapping", exchange.Issuer{ClaimMappings: mapped(`claims.email`)}, true},
		{"a mapping that verifies", exchange.Issuer{ClaimMappings: mapped(`claims.email_verified == true ? claims.email : ""`)}, false},
		{"a mapping and a rule", exchange.Issuer{ClaimMappings: mapped(`claims.email`), ClaimValidationRules: []exchange.ClaimValidationRule{rule(verifies, "")}}, false},
		{"a mapping and an extra claim", exchange.Issuer{ClaimMappings: extra(mapped(`claims.email`), `claims.email_verified`)}, false},
		{"an extra claim", exchange.Issuer{ClaimMappings: extra(exchange.ClaimMappings{}, `claims.email`)}, true},
		{"a rule and an extra claim", exchange.Issuer{ClaimMappings: extra(exchange.ClaimMappings{}, `claims.email_verified`), ClaimValidationRules: []exchange.ClaimValidationRule{rule(uses, "")}}, true},
		{"a scope rule", exchange.Issuer{ScopeRules: []exchange.ScopeRule{{Scope: "a", When: uses}}}, true},
		{"a scope rule that verifies", exchange.Issuer{ScopeRules: []exchange.ScopeRule{{Scope: "a", When: uses + " && " + verifies}}}, false},
		{"a scope rule and a rule", exchange.Issuer{ScopeRules: []exchange.ScopeRule{{Scope: "a", When: uses}}, ClaimValidationRules: []exchange.ClaimValidationRule{rule(verifies, "")}}, false},
		{"a scope rule and another that verifies", exchange.Issuer{ScopeRules: []exchange.ScopeRule{{Scope: "a", When: uses}, {Scope: "b", When: verifies}}}, true},
		{"the default mapping", exchange.Issuer{}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := problems(row.issuer)
			if (len(found) > 0) != row.refused {
				t.Fatalf("got %v", found)
			}
			for _, p := range found {
				if !strings.Contains(p.Message, "email_verified") {
					t.Errorf("%s: %s", p.Path, p.Message)
				}
			}
		})
	}
}

func TestSubjectMapping(t *testing.T) {
	byID := exchange.ClaimMappings{Subject: exchange.Mapping{Expression: "string(claims.id)"}}
	optional := exchange.ClaimMappings{Subject: exchange.Mapping{Expression: "claims.?id"}}
	for _, row := range []struct {
		name     string
		mappings exchange.ClaimMappings
		claims   string
		subject  string // empty: refused
		got      string
	}{
		{"a string", exchange.ClaimMappings{}, `{"sub":"a"}`, "a", "a"},
		{"absent", exchange.ClaimMappings{}, `{}`, "", "none"},
		{"null", exchange.ClaimMappings{}, `{"sub":null}`, "", "none"},
		{"empty", exchange.ClaimMappings{}, `{"sub":""}`, "", ""},
		{"a number", exchange.ClaimMappings{}, `{"sub":1}`, "", "not a string: 1"},
		{"a list", exchange.ClaimMappings{}, `{"sub":["a"]}`, "", "a list of 1"},
		{"255 bytes", exchange.ClaimMappings{}, `{"sub":"` + strings.Repeat("a", 255) + `"}`, strings.Repeat("a", 255), ""},
		{"256 bytes", exchange.ClaimMappings{}, `{"sub":"` + strings.Repeat("a", 256) + `"}`, "", ""},
		{"a NUL", exchange.ClaimMappings{}, `{"sub":"a\u0000"}`, "", ""},
		{"a line break", exchange.ClaimMappings{}, `{"sub":"a\nb"}`, "", ""},
		{"a C1 control", exchange.ClaimMappings{}, `{"sub":"a\u0085"}`, "", ""},
		{"other case", exchange.ClaimMappings{}, `{"Sub":"a"}`, "", "none"},
		{"a numeric ID", byID, `{"id":9007199254740991}`, "9007199254740991", ""},
		{"a numeric ID that does not fit", byID, `{"id":9007199254740993}`, "", "beyond 2^53"},
		{"a larger numeric ID", byID, `{"id":1e300}`, "", "beyond 2^53"},
		{"no ID", byID, `{}`, "", "no such key: id"},
		{"an optional ID", optional, `{"id":"a"}`, "a", ""},
		{"no optional ID", optional, `{}`, "", "none"},
		{"an optional ID that is not a string", optional, `{"id":{}}`, "", "a map"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, checks := compile(t, exchange.Issuer{ClaimMappings: row.mappings}).Map(claims(t, row.claims))
			c := checks[0]
			if m.Subject != row.subject || c.Passed != (row.subject != "") || !strings.Contains(c.Got, row.got) {
				t.Errorf("subject %q, got %q", m.Subject, c.Got)
			}
			if c.Reason != exchange.ReasonSubjectTokenClaimInvalid || c.Audit || len(c.Got) > 128 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// The same claims have the same subject, however their numbers were decoded. A
// float64 beyond 2^53 may have been rounded.
func TestNumbersAreSameHoweverDecoded(t *testing.T) {
	p := compile(t, exchange.Issuer{
		ClaimMappings:        exchange.ClaimMappings{Subject: exchange.Mapping{Expression: "string(claims.id)"}},
		ClaimValidationRules: []exchange.ClaimValidationRule{{Expression: "claims.n.x == 3 && claims.list == [1, 2.5] && claims.id > 1"}},
	})
	const text = `{"id":1234567,"n":{"x":3},"list":[1.0,2.5]}`
	r := strictjson.New(text, strictjson.Options{})
	strict := r.Map()
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	exact := map[string]any{"id": int64(1234567), "n": map[string]any{"x": int64(3)}, "list": []any{1.0, 2.5}}
	for name, claims := range map[string]map[string]any{"float64": claims(t, text), "strictjson": strict, "int64": exact} {
		m, _ := p.Map(claims)
		if c := p.Validate(claims)[0]; m.Subject != "1234567" || !c.Passed {
			t.Errorf("%s: subject %q, %+v", name, m.Subject, c)
		}
	}
	for id, want := range map[any]string{
		int64(9007199254740993): "9007199254740993", 9007199254740993.0: "",
	} {
		if m, _ := p.Map(map[string]any{"id": id}); m.Subject != want {
			t.Errorf("%T %v: subject %q, want %q", id, id, m.Subject, want)
		}
	}
}

func TestDisplayMappings(t *testing.T) {
	name := func(expression string) exchange.ClaimMappings {
		return exchange.ClaimMappings{Name: exchange.Mapping{Expression: expression}}
	}
	for _, row := range []struct {
		name     string
		mappings exchange.ClaimMappings
		claims   string
		want     exchange.Mapped
		checks   string // of others than the subject
	}{
		{"absent", exchange.ClaimMappings{}, `{}`, exchange.Mapped{}, ""},
		{"verified", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":true}`, exchange.Mapped{Email: "a@b"}, ""},
		{"verified in text", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":"true"}`, exchange.Mapped{Email: "a@b"}, ""},
		{"unverified", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":false}`, exchange.Mapped{}, "claimMappings.email audited"},
		{"verified in capitals", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":"True"}`, exchange.Mapped{}, "claimMappings.email audited"},
		{"verified with a space", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":"true "}`, exchange.Mapped{}, "claimMappings.email audited"},
		{"verified by 1", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":"1"}`, exchange.Mapped{}, "claimMappings.email audited"},
		{"verified by a list", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":["true"]}`, exchange.Mapped{}, "claimMappings.email audited"},
		{"verified by a number", exchange.ClaimMappings{}, `{"email":"a@b","email_verified":1}`, exchange.Mapped{}, "claimMappings.email audited"},
		{"name that is not a string", exchange.ClaimMappings{}, `{"name":{"first":"A"}}`, exchange.Mapped{}, "claimMappings.name audited"},
		{"name that is too long", exchange.ClaimMappings{}, `{"name":"` + strings.Repeat("a", 1025) + `"}`, exchange.Mapped{}, "claimMappings.name audited"},
		{"name with a line break", exchange.ClaimMappings{}, `{"name":"a\r\nb"}`, exchange.Mapped{}, "claimMappings.name audited"},
		{"expression", name(`claims.first + " " + claims.last`), `{"first":"A","last":"B"}`, exchange.Mapped{Name: "A B"}, ""},
		{"expression that fails", name(`claims.first + " " + claims.last`), `{"first":"A"}`, exchange.Mapped{}, "claimMappings.name refuses"},
		{"expression that makes no string", name(`claims.first`), `{"first":1}`, exchange.Mapped{}, "claimMappings.name refuses"},
		{"expression that makes null", name(`claims.first`), `{"first":null}`, exchange.Mapped{}, ""},
		{"expression with a line break", name(`claims.first`), `{"first":"a\nb"}`, exchange.Mapped{}, "claimMappings.name audited"},
		{"empty optional", name(`claims.?first`), `{}`, exchange.Mapped{}, ""},
		{"expression that drops an address", exchange.ClaimMappings{
			Email: exchange.Mapping{Expression: `claims.email_verified == true ? claims.email : null`},
		}, `{"email":"a@b","email_verified":"false"}`, exchange.Mapped{}, "claimMappings.email audited"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, checks := compile(t, exchange.Issuer{ClaimMappings: row.mappings}).Map(claims(t, row.claims))
			if m.Email != row.want.Email || m.Name != row.want.Name {
				t.Errorf("got %+v", m)
			}
			var got []string
			for _, c := range checks[1:] {
				got = append(got, c.Name+map[bool]string{true: " audited", false: " refuses"}[c.Audit])
			}
			if strings.Join(got, ", ") != row.checks {
				t.Errorf("checks %q, want %q", got, row.checks)
			}
		})
	}
}

func TestExtraClaims(t *testing.T) {
	for _, row := range []struct {
		name       string
		expression string
		claims     string
		want       string // JSON of the value, or what is wrong
		ok         bool
	}{
		{"a string", `claims.a`, `{"a":"x"}`, `{"k":"x"}`, true},
		{"a constant", `"x"`, `{}`, `{"k":"x"}`, true},
		{"a whole number", `claims.a`, `{"a":7}`, `{"k":7}`, true},
		{"a fraction", `claims.a`, `{"a":0.5}`, `{"k":0.5}`, true},
		{"a condition", `claims.a == 7`, `{"a":7}`, `{"k":true}`, true},
		{"a list", `claims.a.filter(x, x != "b")`, `{"a":["a","b",null,{"c":[1]}]}`, `{"k":["a",null,{"c":[1]}]}`, true},
		{"an object", `{"id": claims.a, "more": {"b": [claims.a]}}`, `{"a":"x"}`, `{"k":{"id":"x","more":{"b":["x"]}}}`, true},
		{"an empty list", `claims.a`, `{"a":[]}`, `{"k":[]}`, true},
		{"null is left out", `claims.a`, `{"a":null}`, `{}`, true},
		{"an empty optional is left out", `claims.?a`, `{}`, `{}`, true},
		{"an optional", `claims.?a`, `{"a":"x"}`, `{"k":"x"}`, true},
		{"absent", `claims.a`, `{}`, "no such key: a", false},
		{"too large", `claims.a`, `{"a":"` + strings.Repeat("x", 4090) + `"}`, "more than 4 KiB", false},
		{"large", `claims.a`, `{"a":"` + strings.Repeat("x", 4080) + `"}`, `{"k":"` + strings.Repeat("x", 4080) + `"}`, true},
		{"too large once escaped", `claims.a`, `{"a":"` + strings.Repeat(`\u0001`, 1000) + `"}`, "more than 4 KiB", false},
		{"many", `claims.a`, `{"a":[` + strings.Repeat("[],", 3000) + `1]}`, "more than 4 KiB", false},
		{"deep", `claims.a`, `{"a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "nested too deep", false},
		{"bytes inside", `[bytes(claims.a)]`, `{"a":"x"}`, "a bytes is not JSON", false},
		{"keys that are numbers", `{1: claims.a}`, `{"a":"x"}`, "a key that is not a string", false},
		{"not a number", `[0.0 / (claims.a * 1.5)]`, `{"a":0.5}`, `{"k":[0]}`, true},
		{"infinite", `1.0 / (claims.a - 0.5)`, `{"a":0.5}`, "a number that JSON cannot express", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := exchange.Issuer{ClaimMappings: exchange.ClaimMappings{
				Subject: exchange.Mapping{Claim: "iss"},
				Extra:   []exchange.ExtraMapping{{Key: "k", ValueExpression: row.expression}},
			}}
			c := claims(t, row.claims)
			c["iss"] = "alice"
			m, checks := compile(t, i).Map(c)
			if !row.ok {
				if len(checks) != 2 || checks[1].Passed || checks[1].Audit || !strings.Contains(checks[1].Got, row.want) || m.Extra != nil {
					t.Errorf("got %+v", checks)
				}
				return
			}
			text, err := json.Marshal(m.Extra)
			if err != nil || string(text) != row.want || len(checks) != 1 {
				t.Errorf("got %s, %v, %+v", text, err, checks)
			}
		})
	}
}

func TestExtraClaimsShareOneLimit(t *testing.T) {
	i := exchange.Issuer{ClaimMappings: exchange.ClaimMappings{Extra: []exchange.ExtraMapping{
		{Key: "a", ValueExpression: "claims.a"}, {Key: "b", ValueExpression: "claims.a"},
	}}}
	p := compile(t, i)
	if _, checks := p.Map(map[string]any{"sub": "s", "a": strings.Repeat("x", 3000)}); len(checks) != 2 || checks[1].Name != "claimMappings.extra[1].valueExpression" {
		t.Errorf("%+v", checks)
	}
}

func TestCostOfHugeClaimsIsLimited(t *testing.T) {
	many := make([]any, 8000)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	hostile := map[string]any{"sub": "a", "a": many, "b": many, "re": strings.Repeat("(a*)*", 2000)}
	for _, expression := range []string{
		`claims.a.all(x, claims.b.all(y, x != y + "z"))`,
		`claims.a.map(x, claims.b.map(y, x + y)).size() == 0`,
		`claims.sub.matches(claims.re)`,
	} {
		c := compile(t, when(expression)).Validate(hostile)[0]
		if c.Passed || !strings.Contains(c.Got, "exceeded") && !strings.Contains(c.Got, "regex") {
			t.Errorf("%s: %q", expression, c.Got)
		}
	}
}

func TestGrantsScope(t *testing.T) {
	p := compile(t, exchange.Issuer{
		Scopes: []string{"read"},
		ScopeRules: []exchange.ScopeRule{
			{Scope: "write", When: `claims.a == 1`, Message: "first"},
			{Scope: "write", When: `claims.b == 1`, Message: "second"},
			{Scope: "beta", When: `claims.a == 1`},
			{Scope: "beta", When: `claims.b == 1`, Mode: exchange.ModeAudit},
		},
	})
	for _, row := range []struct {
		scope, claims, message string
		passed, audit, rule    bool
	}{
		{"read", `{}`, "", true, false, false},
		{"write", `{"a":1}`, "first", true, false, true},
		{"write", `{"b":1}`, "second", true, false, true},
		{"write", `{"a":2,"b":2}`, "first", false, false, true},
		{"write", `{}`, "first", false, false, true},
		{"beta", `{}`, "", false, true, true},
		{"beta", `{"a":1}`, "", true, false, true},
		{"admin", `{"a":1,"b":1}`, "", false, false, false},
		{"", `{}`, "", false, false, false},
	} {
		c := p.GrantsScope(claims(t, row.claims), row.scope)
		if c.Passed != row.passed || c.Audit != row.audit || c.Rule != row.rule || c.Message != row.message || c.Reason != exchange.ReasonScopeNotAllowed {
			t.Errorf("%q of %s: %+v", row.scope, row.claims, c)
		}
	}
}

func TestAuditedConditionsNeverRefuse(t *testing.T) {
	p := compile(t, exchange.Issuer{ClaimValidationRules: []exchange.ClaimValidationRule{
		{Name: "hd", Expression: `claims.hd == "acme.com"`, Mode: exchange.ModeAudit},
		{Claim: "acr", RequiredValue: "2", Mode: exchange.ModeAudit},
	}})
	for _, c := range p.Validate(map[string]any{}) {
		if c.Passed || !c.Audit {
			t.Errorf("%+v", c)
		}
	}
}

func TestDefaultRulesAllocateNothing(t *testing.T) {
	p := compile(t, exchange.Issuer{Scopes: []string{"read"}})
	c := claims(t, google)
	if n := testing.AllocsPerRun(100, func() { p.Validate(c); p.GrantsScope(c, "read") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { p.Map(c) }); n > 1 {
		t.Errorf("%v allocations for the default mappings, want one for the checks", n)
	}
}

func TestNilClaimsHaveNoSubject(t *testing.T) {
	p := compile(t, when(`claims.hd == "acme.com" || size(claims) == 0 && claims.email_verified == true`))
	if _, checks := p.Map(nil); checks[0].Passed {
		t.Error("nil claims were mapped to a subject")
	}
	if c := p.Validate(nil)[0]; c.Passed {
		t.Errorf("%+v", c)
	}
}

func TestProgramIsSafeForConcurrentUse(t *testing.T) {
	p := compile(t, when(`claims.groups.all(g, claims.groups.exists(h, h == g)) && claims.email.matches("^a") && claims.email_verified == true`))
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			good := n%2 == 0
			c := map[string]any{"groups": []any{"a", "b"}, "email": "alice", "email_verified": good}
			for range 50 {
				if got := p.Validate(c)[0]; got.Passed != good {
					t.Errorf("%d: %+v", n, got)
				}
			}
		})
	}
	group.Wait()
}

// An e-mail address is never the subject, verified or not.
func TestEmailIsNeverSubject(t *testing.T) {
	for _, row := range []struct {
		name    string
		subject exchange.Mapping
		path    string // of the problem, empty for none
	}{
		{"sub", exchange.Mapping{Claim: "sub"}, ""},
		{"another claim", exchange.Mapping{Expression: `claims.oid`}, ""},
		{"the claim", exchange.Mapping{Claim: "email"}, "claimMappings.subject.claim"},
		{"verified", exchange.Mapping{Expression: `claims.email_verified ? claims.email : claims.sub`}, "claimMappings.subject.expression"},
		{"by index", exchange.Mapping{Expression: `claims.email_verified ? claims["email"] : ""`}, "claimMappings.subject.expression"},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := problems(exchange.Issuer{ClaimMappings: exchange.ClaimMappings{Subject: row.subject}})
			if row.path == "" && len(found) > 0 || row.path != "" && (len(found) != 1 || found[0].Path != row.path) {
				t.Errorf("got %v", found)
			}
		})
	}
}

// A number that no float64 holds exactly is an error to what reads it, however
// CEL compares it, and nothing to what does not.
func TestRulesRefuseNumbersThatTheyCannotHold(t *testing.T) {
	const text = `{"sub":"a","n":1e999,"list":[1,1000000000000000000000],"meta":{"plan":"pro","score":0.1000000000000000055511151231257827}}`
	r := strictjson.New(text, strictjson.Options{KeepNumbers: true})
	claims := r.Map()
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string]bool{
		`claims.sub == "a"`: true, `claims.meta.plan == "pro"`: true, `has(claims.n) && "score" in claims.meta`: true,
		`claims.list[0] == 1 && size(claims.list) == 2`: true, `claims.exists(k, k == "n")`: true,
		`claims.n != 5`: false, `claims.n > 1.0`: false, `claims.n != null`: false, `string(claims.n) != ""`: false, `type(claims.n) != int`: false,
		`claims.list == [1, 5]`: false, `claims.list != [1, 5]`: false, `!(5 in claims.list)`: false, `!sets.intersects(claims.list, [5])`: false,
		`claims.meta == {"plan": "pro", "score": 0.1}`: false, `claims.list[1] != 5`: false,
		`claims.list.exists(n, n == 1000)`: false, `claims.?meta.?score.hasValue()`: false, `claims.meta.score < 1.0`: false,
		`claims.list.all(n, dyn(n) != "x")`: false, `[claims.n].size() == 1`: false,
	} {
		p := compile(t, exchange.Issuer{
			ClaimValidationRules: []exchange.ClaimValidationRule{{Expression: expression + ` && (true || claims.email_verified == true)`}},
		})
		if c := p.Validate(claims)[0]; c.Passed != want || !want && !strings.Contains(c.Got, "number") {
			t.Errorf("%s: %+v", expression, c)
		}
	}
	for expression, want := range map[string]bool{"claims.meta.plan": true, "claims.list": false, "claims.meta": false, "[claims.n]": false} {
		p := compile(t, exchange.Issuer{ClaimMappings: exchange.ClaimMappings{Extra: []exchange.ExtraMapping{{Key: "x", ValueExpression: expression}}}})
		if m, checks := p.Map(claims); (m.Extra != nil) != want || !want && !strings.Contains(checks[1].Got, "number") {
			t.Errorf("extra %s: %v, %+v", expression, m.Extra, checks)
		}
	}
	p := compile(t, exchange.Issuer{ClaimMappings: exchange.ClaimMappings{Subject: exchange.Mapping{Expression: "string(claims.n)"}}})
	if m, checks := p.Map(claims); m.Subject != "" || checks[0].Passed {
		t.Errorf("subject %q, %+v", m.Subject, checks)
	}
}

// The text "true" counts as true for email_verified (Apple sends it), and no other
// text does. An expression that asks for the text itself finds it.
func TestEmailVerifiedInText(t *testing.T) {
	for _, row := range []struct {
		expression            string
		text, boolean, others bool // whether it passes
	}{
		{`claims.email_verified == true`, true, true, false},
		{`claims["email_verified"] == true && claims.email.endsWith("@acme.com")`, true, true, false},
		{`claims.?email_verified.orValue(false) == true`, true, true, false},
		{`claims.email_verified == true && claims.admin == "true"`, true, true, false},
		{`claims.email_verified != true`, false, false, true},
		{`claims.email_verified ? true : false`, true, true, false},
		{`claims.email_verified == "true"`, true, false, false},
		{`claims.email_verified == true || claims.email_verified == "true"`, true, true, false},
		{`claims.email_verified in [true, "true"]`, true, true, false},
		{`string(claims.email_verified) == "true"`, true, true, false},
		{`string(claims.email_verified).matches("^(true)$")`, true, true, false},
		{`claims.exists(k, v, k == "email_verified" && v == true) && claims.?email_verified.hasValue()`, true, true, false},
	} {
		p := compile(t, exchange.Issuer{
			ClaimValidationRules: []exchange.ClaimValidationRule{{Expression: row.expression}},
			ScopeRules:           []exchange.ScopeRule{{Scope: "s", When: row.expression}},
		})
		for value, want := range map[any]bool{
			"true": row.text, true: row.boolean,
			false: row.others, "True": row.others, "TRUE": row.others, " true": row.others, "1": row.others, "yes": row.others, int64(1): row.others,
		} {
			claims := map[string]any{"email": "a@acme.com", "email_verified": value, "admin": "true"}
			if got, scope := p.Validate(claims)[0], p.GrantsScope(claims, "s"); got.Passed != want || scope.Passed != want {
				t.Errorf("%s with %#v: %+v, %+v", row.expression, value, got, scope)
			}
			if claims["email_verified"] != value {
				t.Errorf("%s changed the claims", row.expression)
			}
		}
	}
	const verified = `claims.email_verified == true ? claims.email : null`
	p := compile(t, exchange.Issuer{ClaimMappings: exchange.ClaimMappings{
		Email: exchange.Mapping{Expression: verified}, Extra: []exchange.ExtraMapping{{Key: "mail", ValueExpression: verified}},
	}})
	if m, _ := p.Map(map[string]any{"sub": "a", "email": "a@b", "email_verified": "true"}); m.Email != "a@b" || m.Extra["mail"] != "a@b" {
		t.Errorf("mapped %+v", m)
	}
}
