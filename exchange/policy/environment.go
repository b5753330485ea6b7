package policy

import (
	"errors"
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
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
	usualClaim   = 128 // bytes of a claim, or items in it
	largestClaim = 16 << 10
	maxUsualCost = 1_000_000 // estimated for usual claims, when compiled
	maxCost      = 100_000   // when evaluated
)

// plan makes the program. Cost is counted only for an expression that can reach
// the limit, because counting costs more than most expressions do.
func plan(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
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
