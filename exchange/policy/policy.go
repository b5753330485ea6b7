// Package policy compiles an issuer's claim mappings and conditions, written
// in CEL over the variable claims, into [exchange.Rules].
//
// Everything about an expression that can be wrong is found when it is
// written: its syntax and types, its cost for claims of a usual size, and
// whether it trusts claims.email without looking at claims.email_verified.
// What hostile claims can make of it is bounded when it runs. An expression
// sees the claims and nothing else: no clock, no network, no other token.
//
// Mappings and conditions that name a claim are map lookups; CEL runs only
// for what is written in CEL.
package policy

import (
	"fmt"
	"strings"

	"cambio/exchange"
)

// Program is an issuer's rules, compiled. It is immutable and safe for
// concurrent use.
type Program struct {
	subject, email, name mapping
	extra                []extra
	conditions           []condition
	given                map[string]bool        // scope → given without condition
	rules                map[string][]condition // scope → conditions, one of which gives it
	scopes               string                 // all that can be given, for showing
}

var _ exchange.Rules = (*Program)(nil)

// Compile makes the rules of an issuer in which registration.LintIssuer found nothing
// wrong. Paths of problems are relative to the issuer, such as
// claimValidationRules[1].expression; with a problem there is no program.
func Compile(i *exchange.Issuer) (*Program, []exchange.Problem) {
	c := &compiler{}
	p := &Program{}
	c.mappings(p, &i.ClaimMappings)
	c.conditions(p, i.ClaimValidationRules)
	c.scopes(p, i)
	c.refuseEmailAsSubject(i.ClaimMappings.Subject)
	c.demandVerifiedEmail()
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return p, nil
}

// compiler collects what is wrong, and which expressions there are.
type compiler struct {
	problems []exchange.Problem
	written  []written
}

// written is an expression, what it stands for, and whether it can refuse.
type written struct {
	path     string
	role     role
	enforced bool
	uses     uses
}

type role int

const (
	roleMapping role = iota
	roleExtra
	roleCondition
	roleScope
)

func (c *compiler) problem(path, format string, args ...any) {
	c.problems = append(c.problems, exchange.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *compiler) wrote(path string, role role, enforced bool, uses uses) {
	c.written = append(c.written, written{path, role, enforced, uses})
}

func (c *compiler) mappings(p *Program, m *exchange.ClaimMappings) {
	p.subject = c.mapping("claimMappings.subject", m.Subject, "sub")
	p.email = c.mapping("claimMappings.email", m.Email, "email")
	p.name = c.mapping("claimMappings.name", m.Name, "name")
	for i, e := range m.Extra {
		path := fmt.Sprintf("claimMappings.extra[%d].valueExpression", i)
		p.extra = append(p.extra, extra{path: path, key: e.Key, value: c.expression(path, e.ValueExpression, roleExtra, true)})
	}
}

// subjectExpression is where the expression stands that identifies somebody.
const subjectExpression = "claimMappings.subject.expression"

// refuseEmailAsSubject keeps addresses from identifying anybody, verified or
// not: an address can be given to somebody else.
func (c *compiler) refuseEmailAsSubject(m exchange.Mapping) {
	const why = "an e-mail address identifies nobody, for it can be given to somebody else; use what the issuer never gives twice, such as claim: sub"
	if m.Claim == "email" {
		c.problem("claimMappings.subject.claim", why)
	}
	for _, w := range c.written {
		if w.path == subjectExpression && w.uses.email {
			c.problem(w.path, why)
		}
	}
}

func (c *compiler) mapping(path string, m exchange.Mapping, fallback string) mapping {
	if m.Expression != "" {
		return mapping{path: path, value: c.expression(path+".expression", m.Expression, roleMapping, true)}
	}
	if m.Claim == "" {
		m.Claim = fallback
	}
	return mapping{path: path, claim: m.Claim}
}

func (c *compiler) conditions(p *Program, rules []exchange.ClaimValidationRule) {
	for i, r := range rules {
		pass := exchange.Check{
			Name: r.Name, Want: r.RequiredValue, Rule: true,
			Audit: r.Mode == exchange.ModeAudit, Message: r.Message, Reason: exchange.ReasonConditionFailed,
		}
		if r.Claim != "" {
			pass.Name = or(r.Name, r.Claim)
			p.conditions = append(p.conditions, condition{check: pass, claim: r.Claim})
			c.wrote(fmt.Sprintf("claimValidationRules[%d].claim", i), roleCondition, !pass.Audit, usesClaim(r.Claim))
			continue
		}
		path := fmt.Sprintf("claimValidationRules[%d].expression", i)
		pass.Name, pass.Want = or(r.Name, r.Expression), r.Expression
		e := c.expression(path, r.Expression, roleCondition, !pass.Audit)
		p.conditions = append(p.conditions, condition{check: pass, when: e})
	}
}

func (c *compiler) scopes(p *Program, i *exchange.Issuer) {
	p.given, p.rules = map[string]bool{}, map[string][]condition{}
	all := append([]string(nil), i.Scopes...)
	for _, s := range i.Scopes {
		p.given[s] = true
	}
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

// Map answers what the mappings make of claims. The subject always has a
// check; the others have one if something is wrong with them.
func (p *Program) Map(claims map[string]any) (exchange.Mapped, []exchange.Check) {
	var m exchange.Mapped
	checks := make([]exchange.Check, 1, 2)
	m.Subject, checks[0] = p.subject.subject(claims)
	var ok bool
	var check exchange.Check
	if m.Email, check, ok = p.email.display(claims); !ok {
		checks = append(checks, check)
	}
	if m.Name, check, ok = p.name.display(claims); !ok {
		checks = append(checks, check)
	}
	if len(p.extra) == 0 {
		return m, checks
	}
	if m.Extra, check, ok = mapExtra(p.extra, claims); !ok {
		checks = append(checks, check)
	}
	return m, checks
}

// Validate runs the conditions in the order they were written.
func (p *Program) Validate(claims map[string]any) []exchange.Check {
	if len(p.conditions) == 0 {
		return nil
	}
	checks := make([]exchange.Check, len(p.conditions))
	for i := range p.conditions {
		checks[i] = p.conditions[i].run(claims)
	}
	return checks
}

// GrantsScope says whether scope is given to everyone, or else which rule gives
// it. If none does, the check is that of the first rule, audited if any is: a
// rule under audit gives its scope whatever it says.
func (p *Program) GrantsScope(claims map[string]any, scope string) exchange.Check {
	rules := p.rules[scope]
	if p.given[scope] || len(rules) == 0 {
		return exchange.Check{
			Name: "issuer.scopes", Want: p.scopes, Got: exchange.Clip(scope),
			Passed: p.given[scope], Reason: exchange.ReasonScopeNotAllowed,
		}
	}
	check := rules[0].run(claims)
	for i := 1; i < len(rules) && !check.Passed; i++ {
		next := rules[i].run(claims)
		if next.Passed || next.Audit && !check.Audit {
			check = next
		}
	}
	return check
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
