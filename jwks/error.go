package jwks

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what about a token or its keys failed.
type Kind string

// The kinds of errors.
const (
	Malformed            Kind = "malformed"              // not a compact JWS as RFC 7515 writes it, or a header that must be refused
	TypeNotAccepted      Kind = "type not accepted"      // a nested JWT (RFC 7519 §5.2)
	AlgorithmNotAccepted Kind = "algorithm not accepted" // not in Options.Algorithms, or not the key's
	KeyNotFound          Kind = "key not found"          // no usable key of that kid
	SignatureInvalid     Kind = "signature invalid"
	Unavailable          Kind = "unavailable" // the keys cannot be had at the moment
	Overloaded           Kind = "overloaded"  // the context ended while Options.Verifying was full
)

// Error says why a token was not verified: which check failed, what it wanted
// and what it got. It never holds more of a token than 128 bytes of one header
// parameter.
type Error struct {
	Kind  Kind
	Check string // what was looked at: "kid", "alg", "signature", …
	Want  string
	Got   string
	// RetryAfter is when the same call may have another outcome; 0 when that
	// is not known. It goes with Unavailable and KeyNotFound.
	RetryAfter time.Duration
	Err        error // cause, if there is one
}

// Error is text for operators.
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

// Unwrap makes errors.Is and errors.AsType see the cause.
func (e *Error) Unwrap() error { return e.Err }

// malformed is a refusal of a token's form.
func malformed(check, want string) *Error {
	return &Error{Kind: Malformed, Check: check, Want: want}
}

// field is an error of a registration, naming the field of Source or Options.
func field(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

func fieldf(name, format string, args ...any) error { return field(name, fmt.Errorf(format, args...)) }

// quote shows what a stranger sent: at most 128 bytes, no control bytes.
func quote(s string) string {
	const most = 128
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// errClosed is the cause when a fetch was needed after Close.
var errClosed = errors.New("key set is closed")
