package exchange

import (
	"slices"
	"strings"
)

// decider records the checks of one decision and what it grants.
type decider struct {
	Recorder
	client *Client
	out    Decision
}

func newDecider(client *Client) *decider {
	const usual = 4 // checks of a decision with a rule
	return &decider{client: client, Recorder: Recorder{Checks: make([]Check, 0, usual)}}
}

// decision returns what was decided. A refused decision grants nothing, so a
// caller that forgets to look at Err grants nothing either.
func (d *decider) decision() Decision {
	if d.Refused() {
		return Decision{Checks: d.Checks, Err: d.Err}
	}
	d.out.Checks = d.Checks
	for _, c := range d.Checks {
		if c.Rule && c.Passed {
			d.out.Rules = append(d.out.Rules, c.Name)
		}
	}
	return d.out
}

func (d *decider) conditions(rules Rules, claims map[string]any) {
	if !d.Refused() {
		d.CheckAll(rules.Validate(claims))
	}
}

// audience grants what was asked for if all of it is allowed, and the first
// allowed one if nothing was asked for.
func (d *decider) audience(asked, allowed []string) {
	if len(asked) == 0 && len(allowed) > 0 {
		asked = allowed[:1]
	}
	d.targets(asked, allowed)
}

// narrowAudience grants what was asked for if it is in had and the client may
// still have it, and all of that if nothing was asked for.
func (d *decider) narrowAudience(asked, had []string) {
	allowed := common(had, d.client.Audiences)
	if len(asked) == 0 {
		asked = allowed
	}
	d.targets(asked, allowed)
}

// targets grants asked, which is never nothing: a token without an audience
// would be good everywhere.
func (d *decider) targets(asked, allowed []string) {
	missing, found := firstOutside(asked, allowed)
	c := Check{Name: "audience", Want: list(allowed), Got: list(asked), Passed: !found && len(asked) > 0, Reason: ReasonTargetNotAllowed}
	if found {
		c.Got = missing
	}
	if d.Check(c) {
		d.out.Audience = unique(asked)
	}
}

// scopes grants what was asked for if the client may have it and gives agrees.
// When nothing was asked for, it grants those of defaults that fit.
func (d *decider) scopes(asked, defaults []string, gives func(string) Check) {
	if d.Refused() {
		return
	}
	if len(asked) == 0 {
		d.defaultScopes(unique(defaults), gives)
		return
	}
	if !d.Check(d.clientScopes(asked)) {
		return
	}
	asked = unique(asked) // short now, however often a stranger repeats a scope
	for _, scope := range asked {
		if !d.Check(gives(scope)) {
			return
		}
	}
	d.out.Scopes = asked
}

// clientScopes asks whether the client may have all of scopes; a refusal names
// the first that it may not.
func (d *decider) clientScopes(scopes []string) Check {
	c := Check{Name: "client.scopes", Want: list(d.client.Scopes), Got: list(scopes), Passed: true, Reason: ReasonScopeNotAllowed}
	if missing, found := firstOutside(scopes, d.client.Scopes); found {
		c.Got, c.Passed = missing, false
	}
	return c
}

// defaultScopes grants what fits and notes the rest as audited: nobody asked
// for it, so its absence refuses nothing.
func (d *decider) defaultScopes(defaults []string, gives func(string) Check) {
	for _, scope := range defaults {
		if !contains(d.client.Scopes, scope) {
			d.Check(audited(d.clientScopes([]string{scope})))
			continue
		}
		given := gives(scope)
		if given.Passed || given.Audit {
			d.out.Scopes = append(d.out.Scopes, scope)
		}
		d.Check(audited(given))
	}
}

// audited is c, refusing nothing.
func audited(c Check) Check {
	c.Audit = c.Audit || !c.Passed
	return c
}

// givenBy asks an issuer's rules about a scope.
func givenBy(rules Rules, claims map[string]any) func(string) Check {
	return func(scope string) Check { return rules.GrantsScope(claims, scope) }
}

// within asks gives only about scopes that are in had.
func within(had []string, gives func(string) Check) func(string) Check {
	return func(scope string) Check {
		if contains(had, scope) {
			return gives(scope)
		}
		return Check{Name: "granted scopes", Want: list(had), Got: scope, Reason: ReasonScopeNotAllowed}
	}
}

// always gives: the limit is the client's own.
func always(scope string) Check {
	return Check{Name: "scope", Want: scope, Got: scope, Passed: true}
}

// common keeps the members of a that are in b.
func common(a, b []string) []string {
	var out []string
	for _, s := range a {
		if contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

// firstOutside finds the first of list that is not in allowed.
func firstOutside(list, allowed []string) (string, bool) {
	for _, s := range list {
		if !contains(allowed, s) {
			return s, true
		}
	}
	return "", false
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func list(words []string) string { return strings.Join(words, " ") }

// unique drops repetitions and keeps the order, sharing nothing with list.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
