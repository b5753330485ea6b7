package policy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"cambio/exchange"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
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
	switch {
	case !found && (problem == "" || m.value == nil) && m.dropsAddress(claims):
		return "", &exchange.Check{
			Name: m.path, Want: "email_verified true, for an address to count", Got: exchange.Clip("email, with email_verified " + show(claims, emailVerified)),
			Audit: true, Reason: exchange.ReasonSubjectTokenClaimInvalid,
		}
	case problem == "" && (!found || exchange.Printable(text, maxDisplay)):
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
	if m.claim == "email" && !verifiedEmail(claims) {
		return "", false, "an address that is not verified"
	}
	text, isString := value.(string)
	if !isString {
		return "", false, "not a string: " + show(claims, m.claim)
	}
	return text, true, ""
}

// dropsAddress reports whether the mapping reads an address that the issuer has not
// verified.
func (m *mapping) dropsAddress(claims map[string]any) bool {
	reads := m.claim == "email" || m.value != nil && m.value.uses.email
	return reads && claims["email"] != nil && !verifiedEmail(claims)
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

// typeOf names the type of a claim as JSON does.
func typeOf(claims map[string]any, claim string) string {
	switch claims[claim].(type) {
	case string:
		return "a string"
	case float64, int64, uint64:
		return "a number"
	}
	return show(claims, claim)
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

// Limits of extra claims, which are part of every access token.
const (
	maxExtra      = 4 << 10 // bytes of JSON, all extra claims together
	maxExtraDepth = 16
)

var errTooLarge = errors.New("more than 4 KiB")

// extra maps a claim of access tokens.
type extra struct {
	path  string
	key   string
	value *expression
}

// mapExtra evaluates all extra mappings; null and empty optionals are left out. The
// check is nil if there is no problem.
func mapExtra(list []extra, claims map[string]any) (map[string]any, *exchange.Check) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(list))
	left := budget(maxExtra)
	for _, e := range list {
		value, err := e.evaluate(claims, &left)
		if err != nil {
			return nil, &exchange.Check{
				Name: e.path, Want: "JSON values of at most 4 KiB together", Got: exchange.Clip(err.Error()),
				Reason: exchange.ReasonSubjectTokenClaimInvalid,
			}
		}
		if value != nil {
			out[e.key] = value
		}
	}
	return out, nil
}

func (e *extra) evaluate(claims map[string]any, left *budget) (any, error) {
	value, err := e.value.eval(claims)
	if err != nil {
		return nil, err
	}
	value = unwrap(value)
	if value == nil || value == types.NullValue {
		return nil, nil
	}
	if err := left.spend(len(e.key) + len(`"":`)); err != nil {
		return nil, err
	}
	return left.toJSON(value, maxExtraDepth)
}

// budget is how many bytes of JSON may still be made. It is spent on the way,
// because a small expression can make a list that does not fit in memory.
type budget int

func (b *budget) spend(n int) error {
	*b -= budget(n)
	if *b < 0 {
		return errTooLarge
	}
	return nil
}

// toJSON converts a value to the types that encoding/json makes of JSON, but with
// whole numbers as int64 or uint64.
func (b *budget) toJSON(value ref.Val, depth int) (any, error) {
	if depth == 0 {
		return nil, errors.New("nested too deep")
	}
	switch value := unwrap(value).(type) {
	case types.String:
		return b.scalar(string(value))
	case types.Bool:
		return b.scalar(bool(value))
	case types.Int:
		return b.scalar(int64(value))
	case types.Uint:
		return b.scalar(uint64(value))
	case types.Double:
		return b.scalar(float64(value))
	case nil, types.Null:
		return b.scalar(nil)
	case *types.Err:
		return nil, value
	case traits.Lister:
		return b.array(value, depth)
	case traits.Mapper:
		return b.object(value, depth)
	default:
		return nil, fmt.Errorf("a %s is not JSON", value.Type().TypeName())
	}
}

// scalar spends the size of v in JSON, with the comma or bracket after it.
func (b *budget) scalar(v any) (any, error) {
	if s, ok := v.(string); ok && len(s) > maxExtra {
		return nil, errTooLarge
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("a number that JSON cannot express")
	}
	return v, b.spend(len(encoded) + 1)
}

func (b *budget) array(list traits.Lister, depth int) (any, error) {
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		element, err := b.toJSON(it.Next(), depth-1)
		if err != nil {
			return nil, err
		}
		out = append(out, element)
	}
	return out, b.spend(len("[],"))
}

func (b *budget) object(m traits.Mapper, depth int) (any, error) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key, isString := it.Next().(types.String)
		if !isString {
			return nil, errors.New("an object with a key that is not a string")
		}
		if _, err := b.scalar(string(key)); err != nil {
			return nil, err
		}
		member, err := b.toJSON(m.Get(key), depth-1)
		if err != nil {
			return nil, err
		}
		out[string(key)] = member
	}
	return out, b.spend(len("{},"))
}
