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

// input is the claims as one evaluation of an expression sees them.
type input struct {
	claims map[string]any
	read   *bool // whether an unheld was read; nil if there is none
}

// input returns claims with [verifiedEmail] for email_verified, unless the
// expression asks for the text itself, and with unheld for each json.Number. They
// are the same claims if that changes none that it can reach.
func (u *uses) input(claims map[string]any) input {
	in := input{claims: claims}
	if !u.verifiedText && claims[emailVerified] != true && verifiedEmail(claims) {
		in.claims = maps.Clone(claims)
		in.claims[emailVerified] = true
	}
	if u.whole {
		for name, value := range claims {
			in.mark(name, value)
		}
		return in
	}
	for _, name := range u.claims {
		in.mark(name, claims[name])
	}
	return in
}

func (in *input) mark(name string, value any) {
	if !holdsNumber(value) {
		return
	}
	if in.read == nil {
		in.read, in.claims = new(bool), maps.Clone(in.claims)
	}
	in.claims[name] = withMarks(value, unheld{in.read})
}

const emailVerified = "email_verified"

// verifiedEmail reports whether the issuer verified the address in email. Apple and
// others send the text "true" for true (OpenID Connect Core §5.1); no other text
// counts.
func verifiedEmail(claims map[string]any) bool {
	return claims[emailVerified] == true || claims[emailVerified] == "true"
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
