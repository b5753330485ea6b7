package policy

import (
	"encoding/json"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// claimsVariable is the one variable of an expression: the verified claims.
const claimsVariable = "claims"

// timeFunctions are left out: without a clock there is nothing to compare
// with, and time zones are files of the machine. The times of a token are
// checked by those who verify it.
var timeFunctions = []string{
	"timestamp", "duration", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
	"getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
}

// newEnvironment is CEL's standard library but for times, and what Kubernetes
// offers besides where a token cannot turn it against us: text, sets, slices
// of lists, optionals, and macros over keys and values.
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
		cel.ParserExpressionSizeLimit(longestExpression),
		cel.ParserRecursionLimit(64),
		cel.ExpressionNodeLimit(longestExpression),
		cel.RegexProgramSizeLimit(10_000),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Lists(ext.ListsVersion(1)),
		ext.TwoVarComprehensions(),
	)
}

// adapter makes CEL values of decoded JSON. A whole number is an int, however
// it was decoded and written, so that a stored session is judged as the fresh
// token was, and string(claims.id) reads as it was written.
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
	case json.Number:
		if i, err := value.Int64(); err == nil {
			return types.Int(i)
		}
		f, err := value.Float64()
		if err != nil {
			return types.NewErr("a number out of range")
		}
		return jsonNumber(f)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// jsonNumber refuses a float64 that may not be what was written (RFC 8259 §6):
// two users whose numeric IDs round to one float64 must not become one.
func jsonNumber(f float64) ref.Val {
	const exact = 1 << 53
	switch {
	case math.Abs(f) >= exact || math.IsNaN(f):
		return types.NewErr("a number beyond 2^53 that was not kept exactly")
	case f == math.Trunc(f):
		return types.Int(f)
	}
	return types.Double(f)
}
