package exchange_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cambio/exchange"
)

// words are few, so that requested, granted and allowed words overlap often.
var words = rapid.SampledFrom([]string{"read", "write", "admin", "billing", ""})

func some(t *rapid.T, label string) []string {
	return rapid.SliceOfN(words, 0, 4).Draw(t, label)
}

// outcome returns a check that passes or fails, perhaps under audit.
func outcome(t *rapid.T, name string, reason exchange.Reason) exchange.Check {
	return exchange.Check{
		Name: name, Rule: rapid.Bool().Draw(t, "rule"), Reason: reason,
		Passed: rapid.Bool().Draw(t, "passed"), Audit: rapid.Bool().Draw(t, "audit"),
	}
}

func anyInputs(t *rapid.T) *inputs {
	in := good()
	in.client.Scopes, in.client.DefaultScopes = some(t, "client scopes"), some(t, "default scopes")
	in.client.Audiences = some(t, "client audiences")
	in.client.ExchangeOwnTokens = rapid.Bool().Draw(t, "own")
	in.rules.gives = map[string]exchange.Check{}
	for _, s := range some(t, "rules") {
		in.rules.gives[s] = outcome(t, "scope:"+s, exchange.ReasonScopeNotAllowed)
	}
	in.rules.conditions = []exchange.Check{outcome(t, "condition", exchange.ReasonConditionFailed)}
	in.session.Scopes, in.session.Audience = some(t, "session scopes"), some(t, "session audience")
	in.parent.Scopes, in.parent.Audience = in.session.Scopes, in.session.Audience
	in.requested = exchange.Requested{Scopes: some(t, "asked scopes"), Audiences: some(t, "asked audiences")}
	return in
}

func within(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func sameSet(a, b []string) bool { return within(a, b) && within(b, a) }

// What is granted is exactly what was requested, and never more than the client
// may have.
func TestRequestIsGrantedOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInputs(t)
		for name, d := range map[string]exchange.Decision{
			"decide": in.decide(), "refresh": in.refresh(), "narrowing": in.narrow(), "client credentials": in.clientCredentials(),
		} {
			if d.Err != nil {
				if d.Scopes != nil || d.Audience != nil || d.Extra != nil || d.Rules != nil {
					t.Fatalf("%s: a refusal grants: %+v", name, d)
				}
				continue
			}
			if len(in.requested.Scopes) > 0 && !sameSet(d.Scopes, in.requested.Scopes) {
				t.Fatalf("%s: requested %q, got %q", name, in.requested.Scopes, d.Scopes)
			}
			if len(in.requested.Audiences) > 0 && !sameSet(d.Audience, in.requested.Audiences) {
				t.Fatalf("%s: requested %q, got %q", name, in.requested.Audiences, d.Audience)
			}
			if len(d.Audience) == 0 || !within(d.Audience, in.client.Audiences) || !within(d.Scopes, in.client.Scopes) {
				t.Fatalf("%s: beyond the client: %q for %q", name, d.Scopes, d.Audience)
			}
		}
	})
}

// Whatever is requested of a session or a token, and whatever the rules are today,
// the result has nothing more and does not expire later.
func TestNarrowingNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInputs(t)
		in.issuer.MaxSession = exchange.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "cap"))
		if d := in.refresh(); d.Err == nil {
			if !within(d.Scopes, in.session.Scopes) || !within(d.Audience, in.session.Audience) || d.NotAfter.After(in.session.NotAfter) {
				t.Fatalf("refreshing widened: %+v", d)
			}
		}
		if d := in.narrow(); d.Err == nil {
			if !within(d.Scopes, in.parent.Scopes) || !within(d.Audience, in.parent.Audience) || d.NotAfter.After(in.parent.Expires) {
				t.Fatalf("narrowing widened: %+v", d)
			}
		}
	})
}

// A granted scope has a rule that passed or is under audit, and a condition that
// did not pass refuses unless it is under audit.
func TestGrantedScopesHaveRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInputs(t)
		for _, d := range []exchange.Decision{in.decide(), in.refresh()} {
			if d.Err != nil {
				continue
			}
			for _, c := range in.rules.conditions {
				if !c.Passed && !c.Audit {
					t.Fatalf("granted in spite of %+v", c)
				}
			}
			for _, s := range d.Scopes {
				if g := in.rules.gives[s]; !g.Passed && !g.Audit {
					t.Fatalf("scope %q has no rule that grants it", s)
				}
			}
		}
	})
}
