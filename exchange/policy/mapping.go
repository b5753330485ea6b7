package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"cambio/exchange"
)

// The longest mapped values, in bytes.
const (
	longestSubject = 255
	longestDisplay = 1024
)

const (
	wantSubject = "a string of 1 to 255 bytes without control characters"
	wantDisplay = "a string of at most 1024 bytes without control characters"
)

// mapping takes a string from a claim, or from an expression.
type mapping struct {
	path  string
	claim string
	value *expression
}

// subject maps who it is: refused unless it is a string that can be one.
func (m *mapping) subject(claims map[string]any) (string, exchange.Check) {
	check := exchange.Check{Name: m.path, Want: wantSubject, Reason: exchange.ReasonSubjectTokenClaimInvalid}
	text, found, problem := m.text(claims)
	check.Got = exchange.Clip(text)
	switch {
	case problem != "":
		check.Got = exchange.Clip(problem)
	case !found:
		check.Got = "none"
	case clean(text, longestSubject) && text != "":
		check.Passed = true
		return text, check
	}
	return "", check
}

// display maps a value that only people read. It may be absent, and one that
// cannot be shown is left out and noted; what refuses is an expression that
// fails or makes no string.
func (m *mapping) display(claims map[string]any) (string, exchange.Check, bool) {
	text, found, problem := m.text(claims)
	if problem == "" && (!found || clean(text, longestDisplay)) {
		return text, exchange.Check{}, true
	}
	return "", exchange.Check{
		Name: m.path, Want: wantDisplay, Got: exchange.Clip(or(problem, text)),
		Audit: m.value == nil || problem == "", Reason: exchange.ReasonSubjectTokenClaimInvalid,
	}, false
}

// text is the string that the mapping finds, or what is wrong with it.
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
		return "", false, "no string: " + show(claims, m.claim)
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

// unwrap is what an optional holds, nil if it is empty.
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

// clean says whether s has at most most bytes of UTF-8 and no control
// characters.
func clean(s string, most int) bool {
	if len(s) > most {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= 0x7f { // a control character, or not ASCII
			return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
		}
	}
	return true
}

// show describes a claim for people, in few words.
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
