package policy

import (
	"encoding/json"
	"errors"
	"fmt"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"cambio/exchange"
)

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
