package policy

import (
	"cmp"
	"fmt"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"cambio/exchange"
)

// The longest mapped values, in bytes.
const (
	maxSubject = 255
	maxDisplay = 1024
)

// mapping takes a string from a claim, or from an expression.
type mapping struct {
	path  string
	claim string
	value *expression
}

// subject maps the subject and refuses anything but a valid one.
func (m *mapping) subject(claims map[string]any) (string, exchange.Check) {
	check := exchange.Check{
		Name: m.path, Want: "a string of 1 to 255 bytes without control characters",
		Reason: exchange.ReasonSubjectTokenClaimInvalid,
	}
	text, found, problem := m.text(claims)
	check.Got = exchange.Clip(text)
	switch {
	case problem != "":
		check.Got = exchange.Clip(problem)
	case !found:
		check.Got = "none"
	case text != "" && exchange.Printable(text, maxSubject):
		check.Passed = true
		return text, check
	}
	return "", check
}

// display maps a value for display. It may be absent; a value that cannot be shown
// is left out and audited. Only an expression that fails or does not return a
// string refuses. The check is nil if there is no problem.
func (m *mapping) display(claims map[string]any) (string, *exchange.Check) {
	text, found, problem := m.text(claims)
	if problem == "" && (!found || exchange.Printable(text, maxDisplay)) {
		return text, nil
	}
	return "", &exchange.Check{
		Name: m.path, Want: "a string of at most 1024 bytes without control characters", Got: exchange.Clip(cmp.Or(problem, text)),
		Audit: m.value == nil || problem == "", Reason: exchange.ReasonSubjectTokenClaimInvalid,
	}
}

// text returns the mapped string, or a problem.
func (m *mapping) text(claims map[string]any) (text string, found bool, problem string) {
	if m.value != nil {
		return m.evaluate(claims)
	}
	value, found := claims[m.claim]
	if !found || value == nil {
		return "", false, ""
	}
	if m.claim == "email" && claims["email_verified"] != true {
		return "", false, "email, with email_verified " + show(claims, "email_verified")
	}
	text, isString := value.(string)
	if !isString {
		return "", false, "not a string: " + show(claims, m.claim)
	}
	return text, true, ""
}

func (m *mapping) evaluate(claims map[string]any) (text string, found bool, problem string) {
	value, err := m.value.eval(claims)
	if err != nil {
		return "", false, err.Error()
	}
	switch value := unwrap(value).(type) {
	case types.String:
		return string(value), true, ""
	case nil, types.Null:
		return "", false, ""
	default:
		return "", false, "a " + value.Type().TypeName()
	}
}

// unwrap returns the value of an optional, nil if it is empty.
func unwrap(value ref.Val) ref.Val {
	for {
		optional, ok := value.(*types.Optional)
		if !ok {
			return value
		}
		if !optional.HasValue() {
			return nil
		}
		value = optional.GetValue()
	}
}

// show describes a claim to an operator, in few words.
func show(claims map[string]any, claim string) string {
	value, found := claims[claim]
	if !found {
		return "absent"
	}
	switch value := value.(type) {
	case string:
		return exchange.Quote(value)
	case bool:
		return strconv.FormatBool(value)
	case nil:
		return "null"
	case []any:
		return "a list of " + strconv.Itoa(len(value))
	case map[string]any:
		return "an object"
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}
