package strictjson

import (
	"errors"
	"fmt"
)

// The kinds of an [Error].
var (
	ErrSyntax    = errors.New("not valid JSON")
	ErrUTF8      = errors.New("text that is not valid UTF-8")
	ErrNUL       = errors.New("a string that contains NUL")
	ErrDepth     = errors.New("JSON nested too deeply")
	ErrTrailing  = errors.New("data after the JSON document")
	ErrDuplicate = errors.New("a repeated member name")
	ErrVariant   = errors.New("a member name that differs from a known one only by case")
	ErrType      = errors.New("a value of the wrong type")
	ErrNumber    = errors.New("a number out of range")
)

// Error says why a document was refused. errors.Is finds its kind.
type Error struct {
	Kind error // one of the errors above
	At   int   // offset in bytes
	// Name is that of the member that was read last, and of a case variant the
	// known name.
	Name  string
	known bool // Name is among Options.Known
}

// Error returns the kind and the offset, and the name if it is a known one. It
// repeats nothing else of the document.
func (e *Error) Error() string {
	if e.known {
		return fmt.Sprintf("%s: %v at byte %d", e.Name, e.Kind, e.At)
	}
	return fmt.Sprintf("%v at byte %d", e.Kind, e.At)
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// fail keeps the first error and moves to the end of the text, where nothing
// can be read and every loop ends.
func (r *Reader) fail(kind error, at int) {
	if r.err == nil {
		r.err = &Error{Kind: kind, At: at, Name: r.name, known: r.opts.Known.has(r.name)}
	}
	r.at = len(r.text)
}
