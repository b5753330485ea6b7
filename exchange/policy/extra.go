package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"cambio/exchange"
)

// Bounds of mapped claims: they travel in every access token.
const (
	mostExtra = 4 << 10 // bytes of JSON, all extra claims together
	deepest   = 16
)

const wantExtra = "JSON values of at most 4 KiB together"

// extra maps a claim of our access tokens.
type extra struct {
	path  string
	key   string
	value *expression
}

// mapExtra runs all extra mappings; null and empty optionals are left out. The
// check says what is wrong if not ok.
func mapExtra(list []extra, claims map[string]any) (_ map[string]any, _ exchange.Check, ok bool) {
	out := make(map[string]any, len(list))
	left := budget(mostExtra)
	for _, e := range list {
		value, err := e.run(claims, &left)
		if err != nil {
			return nil, exchange.Check{
				Name: e.path, Want: wantExtra, Got: exchange.Clip(err.Error()),
				Reason: exchange.ReasonSubjectTokenClaimInvalid,
			}, false
		}
		if value != nil {
			out[e.key] = value
		}
	}
	return out, exchange.Check{}, true
}

func (e *extra) run(claims map[string]any, left *budget) (any, error) {
	value, err := e.value.eval(claims)
	if err != nil {
		return nil, err
	}
	value = unwrap(value)
	if value == nil || value == types.NullValue {
		return nil, nil
	}
	if err := left.spend(len(e.key) + len(`"":,`)); err != nil {
		return nil, err
	}
	return toJSON(value, left, deepest)
}

// budget is how many bytes of JSON may still be made.
type budget int

var errTooLarge = errors.New("more than 4 KiB")

func (b *budget) spend(n int) error {
	*b -= budget(n)
	if *b < 0 {
		return errTooLarge
	}
	return nil
}

// toJSON is value in the types that encoding/json makes of JSON, but with
// whole numbers as int64.
func toJSON(value ref.Val, left *budget, depth int) (any, error) {
	if depth == 0 {
		return nil, errors.New("nested too deep")
	}
	switch value := unwrap(value).(type) {
	case types.String:
		return string(value), left.spendString(string(value))
	case types.Bool:
		return bool(value), left.spend(len("false"))
	case types.Int:
		return int64(value), left.spend(len("-9007199254740991"))
	case types.Uint:
		return uint64(value), left.spend(len("-9007199254740991"))
	case types.Double:
		return number(float64(value), left)
	case nil, types.Null:
		return nil, left.spend(len("null"))
	case traits.Lister:
		return array(value, left, depth)
	case traits.Mapper:
		return object(value, left, depth)
	default:
		return nil, fmt.Errorf("a %s is not JSON", value.Type().TypeName())
	}
}

// spendString counts s as encoding/json writes it.
func (b *budget) spendString(s string) error {
	if len(s) > mostExtra {
		return errTooLarge
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return b.spend(len(encoded))
}

func number(f float64, left *budget) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("a number that JSON cannot write")
	}
	return f, left.spend(len("-1.7976931348623157e+308"))
}

func array(list traits.Lister, left *budget, depth int) (any, error) {
	if err := left.spend(len("[]")); err != nil {
		return nil, err
	}
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		element, err := toJSON(it.Next(), left, depth-1)
		if err != nil {
			return nil, err
		}
		if err := left.spend(len(",")); err != nil {
			return nil, err
		}
		out = append(out, element)
	}
	return out, nil
}

func object(m traits.Mapper, left *budget, depth int) (any, error) {
	if err := left.spend(len("{}")); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key, isString := it.Next().(types.String)
		if !isString {
			return nil, errors.New("an object with a key that is no string")
		}
		if err := left.spendString(string(key)); err != nil {
			return nil, err
		}
		member, err := toJSON(m.Get(key), left, depth-1)
		if err != nil {
			return nil, err
		}
		if err := left.spend(len(":,")); err != nil {
			return nil, err
		}
		out[string(key)] = member
	}
	return out, nil
}
