package policy

import (
	"cel.dev/cel-go/common/types"

	"cambio/exchange"
)

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
