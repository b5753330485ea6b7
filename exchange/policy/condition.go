package policy

import (
	"cel.dev/cel-go/common/types"

	"cambio/exchange"
)

// condition is a claim that must be a string, or an expression that must be
// true.
type condition struct {
	check exchange.Check // as it is when the condition holds, but for Got
	claim string
	when  *expression
}

// run evaluates the condition. An expression that fails, as for want of a
// claim, does not hold.
func (c *condition) run(claims map[string]any) exchange.Check {
	check := c.check
	if c.when == nil {
		value := claims[c.claim]
		text, isString := value.(string)
		check.Passed = isString && text == check.Want
		check.Got = exchange.Clip(text)
		if !isString {
			check.Got = exchange.Clip("no string: " + show(claims, c.claim))
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
		check.Got = c.when.shown(claims)
	}
	return check
}
