package jwks

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the kind of an Error.
type Kind string

// The kinds of errors.
const (
	Malformed            Kind = "malformed"              // not a compact JWS as RFC 7515 writes it, or a header that must be refused
	TypeNotAccepted      Kind = "type not accepted"      // a nested JWT (RFC 7519 §5.2)
	AlgorithmNotAccepted Kind = "algorithm not accepted" // not in Options.Algorithms, or not the key's
	KeyNotFound          Kind = "key not found"          // no usable key of that kid
	SignatureInvalid     Kind = "signature invalid"
	Unavailable          Kind = "unavailable" // the keys are temporarily unavailable
	Overloaded           Kind = "overloaded"  // the context ended while Options.Verifying was full
)

// CheckKeys is the check of an Unavailable that concerns all keys, not one kid.
const CheckKeys = "keys"

// Error is the reason why a token was not verified: the check that failed, what
// it wanted and what it got. It never repeats more of a token than 128 bytes of
// one header parameter.
type Error struct {
	Kind  Kind
	Check string // such as "kid", "alg", "signature"
	Want  string
	Got   string
	// RetryAfter is the time after which the same call may have another outcome;
	// 0 if that is not known. It is set for Unavailable and KeyNotFound.
	RetryAfter time.Duration
	Err        error // cause, if there is one
}

// Error returns a text for operators.
func (e *Error) Error() string {
	text := string(e.Kind) + ": " + e.Check
	if e.Want != "" {
		text += ": want " + e.Want
	}
	if e.Got != "" {
		text += ", got " + quote(e.Got)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// malformed returns the error for a token's form.
func malformed(check, want string) *Error {
	return &Error{Kind: Malformed, Check: check, Want: want}
}

// field names the field of Source or Options that an error is about.
func field(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

func fieldf(name, format string, args ...any) error { return field(name, fmt.Errorf(format, args...)) }

// quote returns at most 128 bytes of what an outsider sent, without control
// characters.
func quote(s string) string {
	const most = 128
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// errClosed is the cause when a fetch was needed after Close.
var errClosed = errors.New("key set is closed")
