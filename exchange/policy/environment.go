package policy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// claimsVariable is the only variable of an expression: the verified claims.
const claimsVariable = "claims"

// timeFunctions are left out: an expression has no clock, and time zones are files
// on the host. Package subject checks the times of a token.
var timeFunctions = []string{
	"timestamp", "duration", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
	"getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
}

// newEnvironment returns CEL's standard library without times, and the extensions
// of Kubernetes that a hostile token cannot abuse: text, sets, slices of lists,
// optionals, and macros over keys and values.
func newEnvironment() (*cel.Env, error) {
	without := env.NewLibrarySubset()
	for _, name := range timeFunctions {
		without.AddExcludedFunctions(env.NewFunction(name))
	}
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(without)),
		cel.Variable(claimsVariable, cel.MapType(cel.StringType, cel.DynType)),
		cel.CustomTypeAdapter(adapter{}),
		cel.EagerlyValidateDeclarations(true),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(64),
		cel.ExpressionNodeLimit(maxExpression),
		cel.RegexProgramSizeLimit(10_000),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Lists(ext.ListsVersion(1)),
		ext.TwoVarComprehensions(),
	)
}

// adapter converts decoded JSON to CEL values. Its numbers are int64 and float64, as
// package strictjson returns them. A whole number is an int in both types, so that
// string(claims.id) has the digits of the token.
type adapter struct{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case string:
		return types.String(value)
	case bool:
		return types.Bool(value)
	case map[string]any:
		return types.NewStringInterfaceMap(a, value)
	case []any:
		return types.NewDynamicList(a, value)
	case float64:
		return jsonNumber(value)
	case unheld:
		return value.value()
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// jsonNumber refuses a float64 that may have been rounded (RFC 8259 §6): users
// whose numeric IDs round to the same float64 must not become one.
func jsonNumber(f float64) ref.Val {
	const exact = 1 << 53
	switch {
	case math.Abs(f) >= exact || math.IsNaN(f):
		return types.NewErr("a number beyond 2^53 that was rounded")
	case f == math.Trunc(f):
		return types.Int(f)
	}
	return types.Double(f)
}

// Limits of an expression in CEL's cost units: about one for each step and one for
// each ten bytes of text that is read; 100,000 take a few milliseconds.
const (
	usualClaim   = 128       // bytes of a claim, or items in it
	maxUsualCost = 1_000_000 // estimated for usual claims, when compiled
	maxCost      = 100_000   // when evaluated
)

// plan makes the program. Cost is counted only for an expression that can reach
// the limit, because counting costs more than most expressions do.
func plan(env *cel.Env, checked *cel.Ast, largestClaim int) (cel.Program, error) {
	usual, err := env.EstimateCost(checked, sizes(usualClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	if usual.Max > maxUsualCost {
		return nil, errors.New("costs too much: loops within loops within loops, or texts that multiply; make it simpler")
	}
	worst, err := env.EstimateCost(checked, sizes(largestClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if worst.Max > maxCost {
		options = append(options, cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot be compiled: %w", err)
	}
	return program, nil
}

// sizes estimates costs for claims of at most this size.
type sizes uint64

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	size := cost.RangedSizeEstimate(0, uint64(s))
	return &size
}

// EstimateCallCost implements cost.Estimator, with the default estimates.
func (s sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// uses describes what an expression reads.
type uses struct {
	claims   []string // top-level claims read or tested by name
	whole    bool     // claims as a whole, so any claim
	email    bool     // claims.email, or claims as a whole
	verified bool     // the value of claims.email_verified, by name
	product  string   // a function of products that has two operands from claims
	// verifiedText is set if claims.email_verified is an operand beside a text with
	// "true" in it: the expression asks for that text, not for a boolean.
	verifiedText bool
}

// products are functions whose work or result is as large as the product of two
// operands before a cost limit can stop them.
var products = []string{
	"replace", "join", "indexOf", "lastIndexOf", "sets.contains", "sets.equivalent", "sets.intersects",
}

// usesClaim returns the uses of a rule that names a claim.
func usesClaim(name string) uses {
	return uses{claims: []string{name}, email: name == "email", verified: name == emailVerified}
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
		u.verifiedText = u.verifiedText || asksForVerifiedText(e)
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
	u.verified = u.verified || claim == emailVerified && reads
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

// logic are the operators whose operands have nothing to do with each other.
var logic = []string{operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional}

// asksForVerifiedText reports whether e is a call of which claims.email_verified
// and a text with "true" in it are operands.
func asksForVerifiedText(e ast.Expr) bool {
	if e.Kind() != ast.CallKind || slices.Contains(logic, e.AsCall().FunctionName()) {
		return false
	}
	var claim, text bool
	walk(e, func(part ast.Expr) {
		name, reads, ok := namedClaim(part)
		claim = claim || ok && reads && name == emailVerified
		s, ok := literal(part)
		text = text || ok && strings.Contains(s, "true")
	})
	return claim && text
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
