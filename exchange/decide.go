package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// decider collects checks; once one has refused, later ones do not run.
type decider struct {
	client *Client
	out    Decision
}

// check notes c and says whether to go on.
func (d *decider) check(c Check) bool {
	d.out.Checks = append(d.out.Checks, c)
	if c.Passed || c.Audit {
		return true
	}
	d.out.Err = c.Refusal()
	return false
}

// Refusal is the error of a check that did not pass.
func (c Check) Refusal() *Error {
	e := Refuse(c.Reason, fmt.Errorf("%s: want %s, got %s", c.Name, quote(c.Want), quote(c.Got)))
	e.Description = c.Message
	return e
}

// quote shows what a stranger sent, at most 128 bytes of it and no control
// bytes.
func quote(s string) string {
	const most = 128
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

func (d *decider) refused() bool { return d.out.Err != nil }

func (d *decider) mayBring(issuer *Issuer) {
	d.check(Check{
		Name: "client.issuers", Want: strings.Join(d.client.Issuers, " "), Got: issuer.ID,
		Passed: contains(d.client.Issuers, issuer.ID), Reason: ReasonIssuerUnknown,
	})
}

// sameSubject refuses when today's mapping makes somebody else of the claims.
func (d *decider) sameSubject(rules Rules, session *Session) {
	if d.refused() {
		return
	}
	mapped, checks := rules.Map(session.Claims)
	for _, c := range checks {
		if !d.check(c) {
			return
		}
	}
	d.check(Check{
		Name: "subject", Want: session.Subject, Got: mapped.Subject,
		Passed: mapped.Subject == session.Subject, Reason: ReasonSubjectTokenClaimInvalid,
	})
	d.out.Extra = mapped.Extra
}

func (d *decider) conditions(rules Rules, claims map[string]any) {
	if d.refused() {
		return
	}
	for _, c := range rules.Validate(claims) {
		if !d.check(c) {
			return
		}
		d.out.Rules = append(d.out.Rules, c.Name)
	}
}

// audience grants what was asked for if all of it is allowed, and the first
// allowed one if nothing was asked for.
func (d *decider) audience(asked, allowed []string) {
	if d.refused() {
		return
	}
	if len(asked) == 0 && len(allowed) > 0 {
		asked = allowed[:1]
	}
	for _, a := range asked {
		if !d.check(d.target(a, allowed)) {
			return
		}
	}
	if len(asked) == 0 {
		d.check(d.target("", allowed))
	}
	d.out.Audience = unique(asked)
}

func (d *decider) target(asked string, allowed []string) Check {
	return Check{
		Name: "audience", Want: strings.Join(allowed, " "), Got: asked,
		Passed: contains(allowed, asked), Reason: ReasonTargetNotAllowed,
	}
}

// scopes grants what was asked for if the client may have it and gives agrees.
// When nothing was asked for, it grants those of defaults that fit.
func (d *decider) scopes(asked, defaults []string, gives func(string) Check) {
	if d.refused() {
		return
	}
	if len(asked) == 0 {
		d.defaultScopes(defaults, gives)
		return
	}
	for _, scope := range asked {
		if !d.check(d.clientScope(scope)) || !d.check(gives(scope)) {
			return
		}
	}
	d.out.Scopes = unique(asked)
}

func (d *decider) clientScope(scope string) Check {
	return Check{
		Name: "client.scopes", Want: strings.Join(d.client.Scopes, " "), Got: scope,
		Passed: contains(d.client.Scopes, scope), Reason: ReasonScopeNotAllowed,
	}
}

// defaultScopes grants what fits and notes the rest as audited: nobody asked
// for it, so its absence refuses nothing.
func (d *decider) defaultScopes(defaults []string, gives func(string) Check) {
	for _, scope := range unique(defaults) {
		mine, given := d.clientScope(scope), gives(scope)
		if mine.Passed && (given.Passed || given.Audit) {
			d.out.Scopes = append(d.out.Scopes, scope)
		}
		mine.Audit, given.Audit = true, true
		d.out.Checks = append(d.out.Checks, mine, given)
	}
}

// details grants authorization_details that are elements of allowed, and all
// of allowed if nothing was asked for (RFC 9396 §6).
func (d *decider) details(asked, allowed json.RawMessage) {
	if d.refused() {
		return
	}
	if len(asked) == 0 {
		d.out.Details = allowed
		return
	}
	got, err := elements(asked)
	have, haveErr := elements(allowed)
	within := err == nil && haveErr == nil && !slices.ContainsFunc(got, func(e string) bool { return !contains(have, e) })
	d.check(Check{
		Name: "authorization_details", Want: string(allowed), Got: string(asked),
		Passed: within, Reason: ReasonAuthorizationDetailsInvalid,
	})
	d.out.Details = asked
}

// elements are the compact spellings of a JSON array's members. Members that
// say the same in another order count as different, which refuses.
func elements(array json.RawMessage) ([]string, error) {
	if len(array) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(array, &raw); err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, errors.New("not an array")
	}
	out := make([]string, len(raw))
	for i, r := range raw {
		var b bytes.Buffer
		if err := json.Compact(&b, r); err != nil {
			return nil, err
		}
		out[i] = b.String()
	}
	return out, nil
}

// givenBy asks an issuer's rules about a scope.
func givenBy(rules Rules, claims map[string]any) func(string) Check {
	return func(scope string) Check { return rules.GivesScope(claims, scope) }
}

// within asks gives only about scopes that are in had.
func within(had []string, gives func(string) Check) func(string) Check {
	return func(scope string) Check {
		if contains(had, scope) {
			return gives(scope)
		}
		return Check{Name: "granted scopes", Want: strings.Join(had, " "), Got: scope, Reason: ReasonScopeNotAllowed}
	}
}

// always gives: the limit is the client's own.
func always(scope string) Check {
	return Check{Name: "scope", Want: scope, Got: scope, Passed: true}
}

// orAll is what was asked for, or all there is if nothing was.
func orAll(asked, all []string) []string {
	if len(asked) == 0 {
		return all
	}
	return asked
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

// earlier is the earlier of two times of which a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

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
