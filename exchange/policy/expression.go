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

// maxExpression is the longest accepted expression, in bytes.
const maxExpression = 4 << 10

// expression is a compiled CEL expression over claims.
type expression struct {
	program cel.Program
	uses    uses
}

// variables are the variables of an expression. It is a map because an interface
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

// eval evaluates the expression. Errors are short and name a missing claim.
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

// falsifiers shows the claims that made a condition false.
func (e *expression) falsifiers(claims map[string]any) string {
	if len(e.uses.claims) == 0 {
		return "false"
	}
	shown := make([]string, len(e.uses.claims))
	for i, name := range e.uses.claims {
		shown[i] = name + " is " + show(claims, name)
	}
	return exchange.Clip("false: " + strings.Join(shown, ", "))
}

// expression compiles text, or adds a problem and returns nil.
func (c *compiler) expression(path, text string, role role, enforced bool) *expression {
	if len(text) > maxExpression {
		c.Add(path, "has %d bytes; at most %d are allowed", len(text), maxExpression)
		return nil
	}
	env, err := environment()
	if err != nil {
		c.Add(path, "cannot be compiled: %v", err)
		return nil
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		c.Add(path, "%s", describe(issues, text))
		return nil
	}
	found := usesOf(checked.NativeRep().Expr())
	c.written = append(c.written, written{path, role, enforced, found})
	if wrong := misuse(checked, role, found); wrong != "" {
		c.Add(path, "%s", wrong)
		return nil
	}
	program, err := plan(env, checked)
	if err != nil {
		c.Add(path, "%v", err)
		return nil
	}
	return &expression{program: program, uses: found}
}

// environment returns the environment that all expressions share. It is immutable,
// and creating it takes longer than compiling most expressions.
var environment = sync.OnceValues(newEnvironment)

// walk calls visit for each node of an expression, children first.
func walk(e ast.Expr, visit func(ast.Expr)) { ast.PostOrderVisit(e, ast.NewExprVisitor(visit)) }
