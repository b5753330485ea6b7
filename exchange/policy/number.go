package policy

import (
	"encoding/json"
	"errors"
	"maps"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

var errNumber = errors.New("a number that is too large, or has too many digits, to be held exactly")

// unheld stands, during one evaluation, for a json.Number. Reading it is an error,
// and recorded: CEL's comparisons of lists and maps take an error for a value that
// differs, so that !(5 in claims.list) would be true.
type unheld struct{ read *bool }

// value returns the error that CEL sees.
func (u unheld) value() ref.Val {
	*u.read = true
	return types.WrapErr(errNumber)
}

// marked returns claims with unheld for each json.Number that the expression can
// reach; the same claims if there is none.
func (u *uses) marked(claims map[string]any, read *bool) map[string]any {
	out, cloned := claims, false
	mark := func(name string, value any) {
		if !holdsNumber(value) {
			return
		}
		if !cloned {
			out, cloned = maps.Clone(claims), true
		}
		out[name] = withMarks(value, unheld{read})
	}
	if u.whole {
		for name, value := range claims {
			mark(name, value)
		}
		return out
	}
	for _, name := range u.claims {
		mark(name, claims[name])
	}
	return out
}

// holdsNumber reports whether a decoded value is or has a json.Number.
func holdsNumber(value any) bool {
	switch value := value.(type) {
	case json.Number:
		return true
	case []any:
		for _, element := range value {
			if holdsNumber(element) {
				return true
			}
		}
	case map[string]any:
		for _, member := range value {
			if holdsNumber(member) {
				return true
			}
		}
	}
	return false
}

// withMarks copies a value with mark in place of each json.Number.
func withMarks(value any, mark unheld) any {
	switch value := value.(type) {
	case json.Number:
		return mark
	case []any:
		out := make([]any, len(value))
		for i, element := range value {
			out[i] = withMarks(element, mark)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(value))
		for name, member := range value {
			out[name] = withMarks(member, mark)
		}
		return out
	}
	return value
}
