package strictjson

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// defaultDepth bounds nesting, the outermost object or array included.
const defaultDepth = 16

// Options change what a Reader accepts. The zero value is the strictest.
type Options struct {
	// Known are names of the outermost object of which case variants are
	// refused.
	Known *Names
	// MaxDepth bounds the nesting of objects and arrays, the outermost
	// included. Default 16.
	MaxDepth int
	// AllowNUL accepts the escape \u0000 in strings.
	AllowNUL bool
	// ShallowDuplicates leaves repeated names inside skipped and raw values to
	// the reader of those values.
	ShallowDuplicates bool
	// Number converts the text of a number that Value reads. The default returns
	// int64 for a whole number, however it is written, and float64 for another.
	Number func(text string) (any, error)
	// KeepNumbers lets Value return a json.Number, the text as it is written, for a
	// number that the default refuses because neither int64 nor a float64 below 2⁵³
	// holds it.
	KeepNumbers bool
}

// Reader reads one document from the start to the end. Strings that it returns
// are parts of the document where they have no escapes. It is used through New,
// and not concurrently.
type Reader struct {
	text  string
	at    int
	depth int
	name  string // of the member that was read last
	opts  Options
	err   error
}

// New returns a Reader of the document in text.
func New(text string, opts Options) Reader {
	if opts.MaxDepth == 0 {
		opts.MaxDepth = defaultDepth
	}
	r := Reader{text: text, opts: opts}
	if !utf8.ValidString(text) {
		r.fail(ErrUTF8, invalidUTF8(text))
	}
	return r
}

// Check validates a document of any kind.
func Check(text string, opts Options) error {
	r := New(text, opts)
	r.Skip()
	return r.End()
}

func invalidUTF8(text string) int {
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// End refuses anything after the document and returns the first error.
func (r *Reader) End() error {
	if r.space(); r.at < len(r.text) {
		r.fail(ErrTrailing, r.at)
	}
	return r.err
}

// Fail makes err the Reader's error, unless it has one. Nothing is read after
// it.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at = len(r.text)
}

// Object reads an object and yields the name of each member; the loop reads the
// value, or leaves it to be skipped. The names are in the order of the document.
// A loop that breaks leaves the Reader inside the object: only Err can follow.
func (r *Reader) Object() iter.Seq[string] {
	return func(yield func(string) bool) { r.object(true, yield) }
}

func (r *Reader) object(unique bool, yield func(string) bool) {
	if !r.open('{') {
		return
	}
	var seen nameSet
	for first := true; r.next('}', first); first = false {
		name := r.memberName()
		if unique && !seen.add(name) {
			r.fail(ErrDuplicate, r.at)
		}
		r.space()
		start := r.at
		if r.err != nil || !yield(name) {
			return
		}
		if r.at == start {
			r.Skip()
		}
	}
}

// Array reads an array and yields the index of each element; the loop reads the
// element, or leaves it to be skipped. A loop that breaks leaves the Reader
// inside the array: only Err can follow.
func (r *Reader) Array() iter.Seq[int] {
	return func(yield func(int) bool) { r.array(yield) }
}

func (r *Reader) array(yield func(int) bool) {
	if !r.open('[') {
		return
	}
	for i := 0; r.next(']', i == 0); i++ {
		r.space()
		start := r.at
		if r.err != nil || !yield(i) {
			return
		}
		if r.at == start {
			r.Skip()
		}
	}
}

// Kind returns what the next value begins with: one of { [ " t f n, or 0 (the
// digit) for a number. It is the byte 0 where no value begins.
func (r *Reader) Kind() byte {
	r.space()
	switch c := r.peek(); c {
	case '{', '[', '"', 't', 'f', 'n':
		return c
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return '0'
	}
	return 0
}

// mismatch refuses a value that is not of the type the caller wants.
func (r *Reader) mismatch() {
	if r.Kind() == 0 {
		r.fail(ErrSyntax, r.at)
	}
	r.fail(ErrType, r.at)
}

// String reads a string.
func (r *Reader) String() string {
	if r.space(); r.peek() != '"' {
		r.mismatch()
		return ""
	}
	return r.string()
}

// Strings reads an array of strings. It is not nil without an error.
func (r *Reader) Strings() []string {
	out := []string{}
	for range r.Array() {
		out = append(out, r.String())
	}
	if r.err != nil {
		return nil
	}
	return out
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	switch r.Kind() {
	case 't':
		r.word("true")
		return r.err == nil
	case 'f':
		r.word("false")
	default:
		r.mismatch()
	}
	return false
}

// Null reads null and reports whether it was there; any other value is left to
// be read.
func (r *Reader) Null() bool {
	if r.Kind() != 'n' {
		return false
	}
	r.word("null")
	return r.err == nil
}

// Raw reads any value and returns its text.
func (r *Reader) Raw() string {
	r.space()
	start := r.at
	r.Skip()
	if r.err != nil {
		return ""
	}
	return r.text[start:r.at]
}

// Skip reads any value.
func (r *Reader) Skip() {
	r.space()
	switch r.peek() {
	case '"':
		r.string()
	case '{':
		r.object(!r.opts.ShallowDuplicates, func(string) bool { return true })
	case '[':
		r.array(func(int) bool { return true })
	case 't':
		r.word("true")
	case 'f':
		r.word("false")
	case 'n':
		r.word("null")
	default:
		r.digits()
	}
}

// open reads the bracket that begins an object or array.
func (r *Reader) open(bracket byte) bool {
	r.space()
	if r.peek() != bracket {
		r.mismatch()
		return false
	}
	if r.depth++; r.depth > r.opts.MaxDepth {
		r.fail(ErrDepth, r.at)
		return false
	}
	r.at++
	return true
}

// next reads the comma before a member or element that is not the first, or the
// bracket that ends the object or array.
func (r *Reader) next(end byte, first bool) bool {
	r.space()
	switch c := r.peek(); {
	case c == end:
		r.at++
		r.depth--
		return false
	case first:
		return true
	case c == ',':
		r.at++
		return true
	}
	r.fail(ErrSyntax, r.at)
	return false
}

// memberName reads a name and its colon.
func (r *Reader) memberName() string {
	r.space()
	if r.peek() != '"' {
		r.fail(ErrSyntax, r.at)
		return ""
	}
	r.name = r.string()
	r.space()
	if r.peek() != ':' {
		r.fail(ErrSyntax, r.at)
		return ""
	}
	if r.depth == 1 && r.opts.Known != nil {
		if known, ok := r.opts.Known.variant(r.name); ok {
			r.name = known
			r.fail(ErrVariant, r.at)
			return ""
		}
	}
	r.at++
	return r.name
}

// peek returns the next byte, and 0, with which no token begins, at the end.
func (r *Reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *Reader) word(w string) {
	if !strings.HasPrefix(r.text[r.at:], w) {
		r.fail(ErrSyntax, r.at)
		return
	}
	r.at += len(w)
}
