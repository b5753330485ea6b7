package exchange

import "slices"

// audience grants what was requested if all of it is allowed, and the first
// allowed audience if nothing was requested.
func (d *decider) audience(requested, allowed []string) {
	d.targets(requested, allowed, allowed[:min(1, len(allowed))])
}

// narrowAudience grants what was requested of the audiences in had that the
// client may still have, and all of them if nothing was requested.
func (d *decider) narrowAudience(requested, had []string) {
	allowed := common(had, d.client.Audiences)
	d.targets(requested, allowed, allowed)
}

// targets grants what was requested, and defaults if nothing was. One of them must
// not be empty: a token without an audience would be accepted everywhere.
func (d *decider) targets(requested, allowed, defaults []string) {
	if len(requested) == 0 {
		requested = defaults
	}
	c := Check{
		Name: "audience", Want: joined(allowed), Got: joined(requested),
		Passed: len(requested) > 0, Reason: ReasonTargetNotAllowed,
	}
	if i := firstOutside(requested, allowed); i >= 0 {
		c.Got, c.Passed = requested[i], false
	}
	if d.Check(c) {
		d.out.Audience = unique(requested)
	}
}

// scopes grants the requested scopes if the client may have all of them and each
// passes the check of gives. If nothing was requested, it grants those of defaults
// that do.
func (d *decider) scopes(requested, defaults []string, gives func(scope string) Check) {
	switch {
	case d.Refused():
		return
	case len(requested) == 0:
		d.defaultScopes(unique(defaults), gives)
		return
	case !d.Check(d.clientScopes(requested)):
		return
	}
	requested = unique(requested) // bounded now, however often a scope is repeated
	for _, scope := range requested {
		if !d.Check(gives(scope)) {
			return
		}
	}
	d.out.Scopes = requested
}

// clientScopes checks that the client may have all of scopes; it shows the first
// scope that the client may not have.
func (d *decider) clientScopes(scopes []string) Check {
	c := Check{Name: "client.scopes", Want: joined(d.client.Scopes), Got: joined(scopes), Passed: true, Reason: ReasonScopeNotAllowed}
	if i := firstOutside(scopes, d.client.Scopes); i >= 0 {
		c.Got, c.Passed = scopes[i], false
	}
	return c
}

// defaultScopes grants the scopes that fit and records the others as audited:
// they were not requested, so their absence refuses nothing.
func (d *decider) defaultScopes(defaults []string, gives func(scope string) Check) {
	for _, scope := range defaults {
		c := d.clientScopes([]string{scope})
		if c.Passed {
			if c = gives(scope); c.Passed || c.Audit {
				d.out.Scopes = append(d.out.Scopes, scope)
			}
		}
		c.Audit = c.Audit || !c.Passed
		d.Check(c)
	}
}

// someScope refuses a token without any scope (RFC 6749 §3.3): nothing was
// requested, and there is no default that may be granted. Such a token would be
// good for nothing, and its client would not be told. A refresh keeps a session
// whose scopes were all withdrawn, since an operator can grant them again.
func (d *decider) someScope() {
	if !d.Refused() && len(d.out.Scopes) == 0 {
		d.Check(Check{
			Name: "scope", Want: "a requested scope, or one of the client's defaultScopes that the issuer's rules grant",
			Reason: ReasonScopeMissing,
		})
	}
}

// grantedBy checks a scope against an issuer's rules.
func grantedBy(rules Rules, claims map[string]any) func(scope string) Check {
	return func(scope string) Check { return rules.GrantsScope(claims, scope) }
}

// within refuses scopes that are not in had, and leaves the others to gives.
func within(had []string, gives func(scope string) Check) func(scope string) Check {
	return func(scope string) Check {
		if slices.Contains(had, scope) {
			return gives(scope)
		}
		return Check{Name: "granted scopes", Want: joined(had), Got: scope, Reason: ReasonScopeNotAllowed}
	}
}

// always passes: only the client's own limits apply.
func always(scope string) Check {
	return Check{Name: "scope", Want: scope, Got: scope, Passed: true}
}

// common returns the strings of a that are in b.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// firstOutside returns the index of the first string that is not in allowed, -1
// if all are.
func firstOutside(list, allowed []string) int {
	return slices.IndexFunc(list, func(s string) bool { return !slices.Contains(allowed, s) })
}

// unique returns a new list without repetitions, in the same order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
