package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"cambio/exchange"
)

// Bounds of an expression. Costs are CEL's own: about one for each step and
// one for each ten bytes of text looked at; 100,000 take some milliseconds.
const (
	longestExpression = 4 << 10 // bytes
	usualClaim        = 128     // bytes of a claim, or items in it
	largestClaim      = 16 << 10
	mostUsualCost     = 1_000_000 // for claims of the usual size, when written
	mostCost          = 100_000   // when run
)

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

// misuse says what is wrong with a well-typed expression in its place.
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
		return fmt.Sprintf("%s may take only one operand from claims: with two, a token decides how much work it makes", found.product)
	case role == roleMapping && len(found.claims) == 0 && !found.whole:
		return "does not use claims, so everyone would be the same"
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

// plan makes the program. An expression that cannot reach the limit with any
// claims runs without counting, which costs more than most expressions.
func plan(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
	usual, err := env.EstimateCost(checked, sizes(usualClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	if usual.Max > mostUsualCost {
		return nil, errors.New("costs too much: loops within loops within loops, or texts that multiply; make it simpler")
	}
	worst, err := env.EstimateCost(checked, sizes(largestClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if worst.Max > mostCost {
		options = append(options, cel.CostLimit(mostCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot be compiled: %w", err)
	}
	return program, nil
}

// sizes estimates costs for claims of a size.
type sizes uint64

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	size := cost.RangedSizeEstimate(0, uint64(s))
	return &size
}

// EstimateCallCost implements cost.Estimator: CEL's own estimates are good.
func (s sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// describe shows what CEL found wrong, with its line, column and caret.
func describe(issues *cel.Issues, text string) string {
	const most = 3
	var b strings.Builder
	for i, e := range issues.Errors() {
		if i == most {
			fmt.Fprintf(&b, "\nand %d more", len(issues.Errors())-most)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s, at line %d, column %d%s", plain(e.Message),
			e.Location.Line(), e.Location.Column()+1, caret(text, e.Location.Line(), e.Location.Column()))
	}
	return b.String()
}

// plain is CEL's message without what only its authors can use.
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

// caret shows the line and points at its column, counted in characters from 0.
func caret(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) || column < 0 || column > len([]rune(lines[line-1])) {
		return ""
	}
	return "\n | " + lines[line-1] + "\n | " + strings.Repeat(".", column) + "^"
}

// environment is shared by all expressions: it is immutable, and making it
// takes longer than compiling most of them.
var environment = sync.OnceValues(newEnvironment)

// walk calls visit for each part of an expression, children first.
func walk(e ast.Expr, visit func(ast.Expr)) { ast.PostOrderVisit(e, ast.NewExprVisitor(visit)) }
