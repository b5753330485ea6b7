package policy

import (
	"errors"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"cambio/exchange"
)

// longestExpression is in bytes.
const longestExpression = 4 << 10

// expression is a compiled CEL expression over claims.
type expression struct {
	program cel.Program
	uses    uses
}

// variables is what an expression sees. It is a map because an interface
// holds a map without an allocation.
type variables map[string]any

// ResolveName implements cel.Activation.
func (v variables) ResolveName(name string) (any, bool) {
	if name == claimsVariable {
		return map[string]any(v), true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (v variables) Parent() cel.Activation { return nil }

// eval runs the expression. Errors are short and name what was missing.
func (e *expression) eval(claims map[string]any) (ref.Val, error) {
	value, _, err := e.program.Eval(variables(claims))
	if err != nil {
		return nil, errors.New(exchange.Clip(err.Error()))
	}
	if types.IsUnknown(value) {
		return nil, errors.New("unknown")
	}
	return value, nil
}

// shown says which claims made a condition false.
func (e *expression) shown(claims map[string]any) string {
	var b strings.Builder
	b.WriteString("false")
	for i, name := range e.uses.claims {
		b.WriteString([...]string{": ", ", "}[min(i, 1)])
		b.WriteString(name + " is " + show(claims, name))
	}
	return exchange.Clip(b.String())
}

// expression compiles text, or notes what is wrong with it and returns nil.
func (c *compiler) expression(path, text string, role role, enforced bool) *expression {
	if len(text) > longestExpression {
		c.problem(path, "has %d bytes; at most %d are allowed", len(text), longestExpression)
		return nil
	}
	env, err := environment()
	if err != nil {
		c.problem(path, "cannot be compiled: %v", err)
		return nil
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		c.problem(path, "%s", describe(issues, text))
		return nil
	}
	found := usesOf(checked.NativeRep().Expr())
	c.wrote(path, role, enforced, found)
	if wrong := misuse(checked, role, found); wrong != "" {
		c.problem(path, "%s", wrong)
		return nil
	}
	program, err := plan(env, checked)
	if err != nil {
		c.problem(path, "%v", err)
		return nil
	}
	return &expression{program: program, uses: found}
}

// environment is shared by all expressions: it is immutable, and making it
// takes longer than compiling most of them.
var environment = sync.OnceValues(newEnvironment)

// walk calls visit for each part of an expression, children first.
func walk(e ast.Expr, visit func(ast.Expr)) { ast.PostOrderVisit(e, ast.NewExprVisitor(visit)) }
