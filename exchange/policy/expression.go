package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cambio/exchange"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
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
	in := e.uses.input(claims)
	value, _, err := e.program.Eval(variables(in.claims))
	switch {
	case in.read != nil && *in.read:
		return nil, errNumber
	case err != nil:
		return nil, errors.New(exchange.Clip(e.explain(err, claims)))
	case types.IsUnknown(value):
		return nil, errors.New("unknown")
	}
	return value, nil
}

// explain returns the text of an error, and for one of types those of the claims that
// the expression reads.
func (e *expression) explain(err error, claims map[string]any) string {
	text := err.Error()
	if !strings.Contains(text, "no such overload") {
		return text
	}
	for _, name := range e.uses.claims {
		text += "; " + name + " is " + typeOf(claims, name)
	}
	return text
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
	program, err := plan(env, checked, c.largestClaim)
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

// condition is a claim that must have a value, or an expression that must be true.
type condition struct {
	check exchange.Check // without Passed and Got
	claim string
	when  *expression
}

// evaluate returns the check of the condition. An expression that fails, such as for
// lack of a claim, does not pass.
func (c *condition) evaluate(claims map[string]any) exchange.Check {
	check := c.check
	if c.when == nil {
		value := claims[c.claim]
		text, isString := value.(string)
		check.Passed = isString && text == check.Want
		if check.Got = exchange.Clip(text); !isString {
			check.Got = exchange.Clip("not a string: " + show(claims, c.claim))
		}
		return check
	}
	value, err := c.when.eval(claims)
	switch {
	case err != nil:
		check.Got = err.Error()
	case value == types.True:
		check.Passed, check.Got = true, "true"
	default:
		check.Got = c.when.falsifiers(claims)
	}
	return check
}

// misuse returns why a well-typed expression cannot have its role.
func misuse(checked *cel.Ast, role role, found uses) string {
	got := checked.OutputType()
	switch {
	case (role == roleCondition || role == roleScope) && !got.IsExactType(types.BoolType):
		hint := ""
		if got.IsExactType(types.DynType) {
			hint = "; compare it, as in claims.email_verified == true"
		}
		return fmt.Sprintf("must be true or false, but is %s%s", got, hint)
	case role == roleMapping && !makesString(got):
		return fmt.Sprintf("must be a string, but is %s; convert it with string(…)", got)
	case role == roleExtra && !makesJSON(got):
		return fmt.Sprintf("must be a JSON value, but is %s", got)
	case found.product != "":
		return fmt.Sprintf("%s may take only one operand from claims: with two, a token decides how much work it causes", found.product)
	case role == roleMapping && len(found.claims) == 0 && !found.whole:
		return "does not use claims, so every user would have the same subject"
	}
	return ""
}

func makesString(t *types.Type) bool {
	for t.Kind() == types.OpaqueKind && t.TypeName() == "optional_type" {
		t = t.Parameters()[0]
	}
	return t.IsExactType(types.StringType) || t.IsExactType(types.DynType) || t.IsExactType(types.NullType)
}

func makesJSON(t *types.Type) bool {
	switch t.Kind() {
	case types.BytesKind, types.DurationKind, types.TimestampKind, types.TypeKind:
		return false
	}
	return true
}

// describe formats the errors of CEL, with line, column and caret.
func describe(issues *cel.Issues, text string) string {
	const most = 3
	all := issues.Errors()
	var lines []string
	for _, e := range all[:min(most, len(all))] {
		line, column := e.Location.Line(), e.Location.Column()
		lines = append(lines, fmt.Sprintf("%s, at line %d, column %d%s", plain(e.Message), line, column+1, caret(text, line, column)))
	}
	if len(all) > most {
		lines = append(lines, fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(lines, "\n")
}

// plain returns CEL's message without what only its authors can use.
func plain(message string) string {
	message, _, _ = strings.Cut(message, " expecting {")
	message = strings.TrimPrefix(message, "Syntax error: ")
	for _, name := range timeFunctions {
		if strings.Contains(message, "reference to '"+name+"'") {
			return message + " (expressions have no clock; a token's times are checked before them)"
		}
	}
	return message
}

// caret shows a line and points at a column, counted in characters from 0.
func caret(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) || column < 0 || column > len([]rune(lines[line-1])) {
		return ""
	}
	return "\n | " + lines[line-1] + "\n | " + strings.Repeat(".", column) + "^"
}
