package policy

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// uses describes what an expression reads.
type uses struct {
	claims   []string // top-level claims read or tested by name
	whole    bool     // claims as a whole, so any claim
	email    bool     // claims.email, or claims as a whole
	verified bool     // the value of claims.email_verified, by name
	product  string   // a function of products that has two operands from claims
}

// products are functions whose work or result is as large as the product of two
// operands before a cost limit can stop them.
var products = []string{
	"replace", "join", "indexOf", "lastIndexOf", "sets.contains", "sets.equivalent", "sets.intersects",
}

// usesClaim returns the uses of a rule that names a claim.
func usesClaim(name string) uses {
	return uses{claims: []string{name}, email: name == "email", verified: name == "email_verified"}
}

// usesOf returns the uses of an expression. A claim can be named as claims.email,
// claims["email"], claims.?email, claims[?"email"], has(claims.email) and "email"
// in claims; the last two do not read its value, so they do not verify it.
func usesOf(root ast.Expr) uses {
	var u uses
	mentions, named := 0, 0 // of claims, and as part of a name
	walk(root, func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && isClaims(e) {
			mentions++
		}
		if name, reads, ok := namedClaim(e); ok {
			named++
			u.name(name, reads)
		}
		if product(e) {
			u.product = e.AsCall().FunctionName()
		}
	})
	if mentions > named {
		u.whole, u.email = true, true
	}
	return u
}

func (u *uses) name(claim string, reads bool) {
	if !slices.Contains(u.claims, claim) {
		u.claims = append(u.claims, claim)
	}
	u.email = u.email || claim == "email"
	u.verified = u.verified || claim == "email_verified" && reads
}

// namedClaim returns the claim that e names, and whether e reads its value.
func namedClaim(e ast.Expr) (name string, reads, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		s := e.AsSelect()
		return s.FieldName(), !s.IsTestOnly(), isClaims(s.Operand())
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			key, isString := literal(call.Args()[1])
			return key, true, isString && isClaims(call.Args()[0])
		case operators.In:
			key, isString := literal(call.Args()[0])
			return key, false, isString && isClaims(call.Args()[1])
		}
	}
	return "", false, false
}

func isClaims(e ast.Expr) bool {
	if e.Kind() != ast.IdentKind {
		return false
	}
	name := e.AsIdent()
	return name == claimsVariable || name == "."+claimsVariable
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// product reports whether e calls one of products with two operands that depend on
// variables.
func product(e ast.Expr) bool {
	if e.Kind() != ast.CallKind || !slices.Contains(products, e.AsCall().FunctionName()) {
		return false
	}
	call, vary := e.AsCall(), 0
	if call.IsMemberFunction() && varies(call.Target()) {
		vary++
	}
	for _, operand := range call.Args() {
		if varies(operand) {
			vary++
		}
	}
	return vary > 1
}

// varies reports whether e has a variable in it.
func varies(e ast.Expr) bool {
	found := false
	walk(e, func(part ast.Expr) { found = found || part.Kind() == ast.IdentKind })
	return found
}

// demandVerifiedEmail refuses to trust an e-mail address that the issuer has not
// verified. As in Kubernetes, an expression that uses claims.email must use
// claims.email_verified, or a condition must; for a mapping, an extra claim that
// passes it on is enough. Conditions under audit refuse nothing, so they do not
// count.
func (c *compiler) demandVerifiedEmail() {
	var byCondition, byExtra bool
	for _, w := range c.written {
		byCondition = byCondition || w.role == roleCondition && w.enforced && w.uses.verified
		byExtra = byExtra || w.role == roleExtra && w.uses.verified
	}
	for _, w := range c.written {
		if w.path == subjectExpression {
			continue // refused in any case
		}
		mapped := w.role == roleMapping || w.role == roleExtra
		if !w.uses.email || w.uses.verified || byCondition || mapped && byExtra {
			continue
		}
		used := "claims.email"
		if w.uses.whole {
			used = "claims as a whole, and so claims.email,"
		}
		c.Add(w.path, "uses %s but not claims.email_verified; anyone can claim an unverified address: add a claimValidationRules expression such as claims.email_verified == true", used)
	}
}
