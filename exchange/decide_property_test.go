package exchange_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cambio/exchange"
)

// words are few, so that what is asked, had and allowed overlap often.
var words = rapid.SampledFrom([]string{"read", "write", "admin", "billing", ""})

func some(t *rapid.T, label string) []string {
	return rapid.SliceOfN(words, 0, 4).Draw(t, label)
}

// outcome is a check that passes, or fails, or fails under audit.
func outcome(t *rapid.T, name string, reason exchange.Reason) exchange.Check {
	return exchange.Check{
		Name: name, Rule: rapid.Bool().Draw(t, "rule"), Reason: reason,
		Passed: rapid.Bool().Draw(t, "passed"), Audit: rapid.Bool().Draw(t, "audit"),
	}
}

func anyWorld(t *rapid.T) *world {
	w := good()
	w.client.Scopes, w.client.DefaultScopes = some(t, "client scopes"), some(t, "default scopes")
	w.client.Audiences = some(t, "client audiences")
	w.client.ExchangeOwnTokens = rapid.Bool().Draw(t, "own")
	w.rules.gives = map[string]exchange.Check{}
	for _, s := range some(t, "rules") {
		w.rules.gives[s] = outcome(t, "scope:"+s, exchange.ReasonScopeNotAllowed)
	}
	w.rules.conditions = []exchange.Check{outcome(t, "condition", exchange.ReasonConditionFailed)}
	w.session.Scopes, w.session.Audience = some(t, "session scopes"), some(t, "session audience")
	w.parent.Scopes, w.parent.Audience = w.session.Scopes, w.session.Audience
	w.ask = exchange.Requested{Scopes: some(t, "asked scopes"), Audiences: some(t, "asked audiences")}
	return w
}

func within(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func sameSet(a, b []string) bool { return within(a, b) && within(b, a) }

// A grant is what was asked, exactly, or there is none; and it is never more
// than the client may have.
func TestScopesAreObeyedOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		for name, d := range map[string]exchange.Decision{
			"decide": w.decide(), "again": w.again(), "narrower": w.narrower(), "for client": w.forClient(),
		} {
			if d.Err != nil {
				if d.Scopes != nil || d.Audience != nil || d.Extra != nil || d.Rules != nil {
					t.Fatalf("%s: a refusal grants: %+v", name, d)
				}
				continue
			}
			if len(w.ask.Scopes) > 0 && !sameSet(d.Scopes, w.ask.Scopes) {
				t.Fatalf("%s: asked for %q, got %q", name, w.ask.Scopes, d.Scopes)
			}
			if len(w.ask.Audiences) > 0 && !sameSet(d.Audience, w.ask.Audiences) {
				t.Fatalf("%s: asked for %q, got %q", name, w.ask.Audiences, d.Audience)
			}
			if len(d.Audience) == 0 || !within(d.Audience, w.client.Audiences) || !within(d.Scopes, w.client.Scopes) {
				t.Fatalf("%s: beyond the client: %q for %q", name, d.Scopes, d.Audience)
			}
		}
	})
}

// Whatever is asked of a session or a token, and whatever rules say today, the
// result has nothing that it did not have, and does not live longer.
func TestNarrowingNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		w.issuer.MaxSession = exchange.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "cap"))
		if d := w.again(); d.Err == nil {
			if !within(d.Scopes, w.session.Scopes) || !within(d.Audience, w.session.Audience) || d.NotAfter.After(w.session.NotAfter) {
				t.Fatalf("refreshing widened: %+v", d)
			}
		}
		if d := w.narrower(); d.Err == nil {
			if !within(d.Scopes, w.parent.Scopes) || !within(d.Audience, w.parent.Audience) || d.NotAfter.After(w.parent.Expires) {
				t.Fatalf("narrowing widened: %+v", d)
			}
		}
	})
}

// A scope that is granted was given by a rule that passed or is under audit,
// and conditions that did not pass refuse unless under audit.
func TestEveryGrantHasItsReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		for _, d := range []exchange.Decision{w.decide(), w.again()} {
			if d.Err != nil {
				continue
			}
			for _, c := range w.rules.conditions {
				if !c.Passed && !c.Audit {
					t.Fatalf("granted in spite of %+v", c)
				}
			}
			for _, s := range d.Scopes {
				if g := w.rules.gives[s]; !g.Passed && !g.Audit {
					t.Fatalf("scope %q was given by nobody", s)
				}
			}
		}
	})
}
