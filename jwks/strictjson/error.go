package strictjson

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
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

// Names are the member names that a caller knows. It is immutable.
type Names struct {
	all   []string
	mixed []string // those that are not lower-case ASCII
}

// Known returns the set of names.
func Known(names ...string) *Names {
	n := &Names{all: names}
	for _, name := range names {
		if !lowerASCII(name) {
			n.mixed = append(n.mixed, name)
		}
	}
	return n
}

func (n *Names) has(name string) bool { return n != nil && slices.Contains(n.all, name) }

// variant returns the known name that name equals only when case is ignored: a
// reader that ignores case would take one for the other.
func (n *Names) variant(name string) (known string, ok bool) {
	candidates := n.all
	if lowerASCII(name) { // the usual case, for which few names need comparing
		candidates = n.mixed
	}
	for _, c := range candidates {
		if name == c {
			return "", false
		}
		if strings.EqualFold(name, c) {
			known, ok = c, true
		}
	}
	return known, ok
}

// lowerASCII reports whether each character of name is its own lower case.
func lowerASCII(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// fewNames is the number of names up to which comparing them one by one is
// cheaper than a map.
const fewNames = 16

// nameSet finds a repeated name in time that does not grow with the square of
// the number of names.
type nameSet struct {
	few  [fewNames]string
	n    int
	many map[string]struct{}
}

// add reports whether name is new.
func (s *nameSet) add(name string) bool {
	if s.n < fewNames {
		for _, f := range s.few[:s.n] {
			if f == name {
				return false
			}
		}
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 2*fewNames)
		for _, f := range s.few {
			s.many[f] = struct{}{}
		}
	}
	before := len(s.many)
	s.many[name] = struct{}{}
	return len(s.many) > before
}
