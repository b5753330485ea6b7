// Package policy compiles an issuer's claim mappings and conditions, written
// in CEL over the variable claims, into [exchange.Rules].
//
// An expression is checked when it is compiled: its syntax and types, its cost for
// claims of a usual size, and that it does not use claims.email without
// claims.email_verified. Its cost for hostile claims is limited when it is
// evaluated. It sees only the claims: no clock, no network, no other token.
//
// Mappings and conditions that name a claim are map lookups; CEL is used only for
// expressions.
package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cambio/exchange"
)

// Program holds the compiled rules of an issuer. It is immutable and safe for
// concurrent use.
type Program struct {
	subject, email, name mapping
	extra                []extra
	conditions           []condition
	unconditional        []string               // scopes that every subject has
	rules                map[string][]condition // scope → conditions, one of which must pass
	scopes               string                 // all scopes, for display
}

var _ exchange.Rules = (*Program)(nil)

// Compile compiles the rules of an issuer in which registration.LintIssuer found
// no problem. Paths of problems are relative to the issuer, such as
// claimValidationRules[1].expression; with a problem there is no program.
func Compile(i *exchange.Issuer) (*Program, []exchange.Problem) {
	c := &compiler{largestClaim: i.TokenSize()}
	p := &Program{}
	c.mappings(p, &i.ClaimMappings)
	c.conditions(p, i.ClaimValidationRules)
	c.scopes(p, i)
	c.refuseEmailAsSubject(i.ClaimMappings.Subject)
	c.demandVerifiedEmail()
	if len(c.Problems) > 0 {
		return nil, c.Problems
	}
	return p, nil
}

// compiler collects problems, and all expressions and named claims.
type compiler struct {
	exchange.Problems
	written      []written
	largestClaim int // bytes of a claim, or items in it
}

// written is an expression or a named claim of a registration.
type written struct {
	path     string
	role     role
	enforced bool // it can refuse
	uses     uses
}

type role int

const (
	roleMapping role = iota
	roleExtra
	roleCondition
	roleScope
)

func (c *compiler) mappings(p *Program, m *exchange.ClaimMappings) {
	p.subject = c.mapping("claimMappings.subject", m.Subject, "sub")
	p.email = c.mapping("claimMappings.email", m.Email, "email")
	p.name = c.mapping("claimMappings.name", m.Name, "name")
	for i, e := range m.Extra {
		path := fmt.Sprintf("claimMappings.extra[%d].valueExpression", i)
		p.extra = append(p.extra, extra{path: path, key: e.Key, value: c.expression(path, e.ValueExpression, roleExtra, true)})
	}
}

// subjectExpression is the path of the expression that maps the subject.
const subjectExpression = "claimMappings.subject.expression"

// refuseEmailAsSubject refuses an e-mail address, verified or not, as the subject: an
// address can be reassigned to another person.
func (c *compiler) refuseEmailAsSubject(m exchange.Mapping) {
	const why = "an e-mail address does not identify a user, because it can be reassigned; use a claim that the issuer never reassigns, such as claim: sub"
	if m.Claim == "email" {
		c.Add("claimMappings.subject.claim", why)
	}
	for _, w := range c.written {
		if w.path == subjectExpression && w.uses.email {
			c.Add(w.path, why)
		}
	}
}

func (c *compiler) mapping(path string, m exchange.Mapping, fallback string) mapping {
	if m.Expression != "" {
		return mapping{path: path, value: c.expression(path+".expression", m.Expression, roleMapping, true)}
	}
	return mapping{path: path, claim: cmp.Or(m.Claim, fallback)}
}

func (c *compiler) conditions(p *Program, rules []exchange.ClaimValidationRule) {
	for i, r := range rules {
		check := exchange.Check{
			Name: r.Name, Want: r.RequiredValue, Rule: true,
			Audit: r.Mode == exchange.ModeAudit, Message: r.Message, Reason: exchange.ReasonConditionFailed,
		}
		if r.Claim != "" {
			check.Name = cmp.Or(r.Name, r.Claim)
			p.conditions = append(p.conditions, condition{check: check, claim: r.Claim})
			path := fmt.Sprintf("claimValidationRules[%d].claim", i)
			c.written = append(c.written, written{path, roleCondition, !check.Audit, usesClaim(r.Claim)})
			continue
		}
		path := fmt.Sprintf("claimValidationRules[%d].expression", i)
		check.Name, check.Want = cmp.Or(r.Name, r.Expression), r.Expression
		e := c.expression(path, r.Expression, roleCondition, !check.Audit)
		p.conditions = append(p.conditions, condition{check: check, when: e})
	}
}

func (c *compiler) scopes(p *Program, i *exchange.Issuer) {
	p.unconditional, p.rules = slices.Clone(i.Scopes), map[string][]condition{}
	all := slices.Clone(i.Scopes)
	for n, r := range i.ScopeRules {
		path := fmt.Sprintf("scopeRules[%d].when", n)
		check := exchange.Check{
			Name: "scope:" + r.Scope, Want: r.When, Rule: true,
			Audit: r.Mode == exchange.ModeAudit, Message: r.Message, Reason: exchange.ReasonScopeNotAllowed,
		}
		e := c.expression(path, r.When, roleScope, !check.Audit)
		p.rules[r.Scope] = append(p.rules[r.Scope], condition{check: check, when: e})
		all = append(all, r.Scope)
	}
	p.scopes = strings.Join(all, " ")
}

// Map maps verified claims. The subject always has a check; the others have one
// only if there is a problem.
func (p *Program) Map(claims map[string]any) (exchange.Mapped, []exchange.Check) {
	var m exchange.Mapped
	checks := make([]exchange.Check, 1, 2)
	m.Subject, checks[0] = p.subject.subject(claims)
	var failed [3]*exchange.Check
	m.Email, failed[0] = p.email.display(claims)
	m.Name, failed[1] = p.name.display(claims)
	m.Extra, failed[2] = mapExtra(p.extra, claims)
	for _, check := range failed {
		if check != nil {
			checks = append(checks, *check)
		}
	}
	return m, checks
}

// Validate evaluates the conditions in the order of the registration.
func (p *Program) Validate(claims map[string]any) []exchange.Check {
	if len(p.conditions) == 0 {
		return nil
	}
	checks := make([]exchange.Check, len(p.conditions))
	for i := range p.conditions {
		checks[i] = p.conditions[i].evaluate(claims)
	}
	return checks
}

// GrantsScope checks that every subject has a scope or that one of its rules passes.
// If none passes, the check is that of the first rule, or of the first under audit:
// such a rule grants its scope whatever its result.
func (p *Program) GrantsScope(claims map[string]any, scope string) exchange.Check {
	rules, unconditional := p.rules[scope], slices.Contains(p.unconditional, scope)
	if unconditional || len(rules) == 0 {
		return exchange.Check{
			Name: "issuer.scopes", Want: p.scopes, Got: exchange.Clip(scope),
			Passed: unconditional, Reason: exchange.ReasonScopeNotAllowed,
		}
	}
	check := rules[0].evaluate(claims)
	for i := 1; i < len(rules) && !check.Passed; i++ {
		next := rules[i].evaluate(claims)
		if next.Passed || next.Audit && !check.Audit {
			check = next
		}
	}
	return check
}
