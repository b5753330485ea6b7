package strictjson

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

const (
	// maxNumber is the length of a number that the default conversion accepts:
	// that of the longest float64 in its shortest spelling, and more than any
	// int64.
	maxNumber = 24
	// maxExact bounds numbers with a fraction or an exponent: a float64 of this
	// size or more is rounded to an integer, so two IDs could become one.
	maxExact = 1 << 53
	// usualMembers is the most members that the outermost object of most
	// documents has: a map for more is twice as large.
	usualMembers = 14
)

// Value reads any value: map[string]any, []any, string, bool, nil, or what
// [Options.Number] and [Options.KeepNumbers] make of a number.
func (r *Reader) Value() any {
	v := r.value()
	if r.err != nil {
		return nil
	}
	return v
}

// Map reads an object as Value does.
func (r *Reader) Map() map[string]any {
	m := r.mapValue()
	if r.err != nil {
		return nil
	}
	return m
}

func (r *Reader) value() any {
	r.space()
	switch r.peek() {
	case '"':
		return r.string()
	case '{':
		return r.mapValue()
	case '[':
		return r.listValue()
	case 't':
		r.word("true")
		return true
	case 'f':
		r.word("false")
		return false
	case 'n':
		r.word("null")
		return nil
	}
	return r.number()
}

func (r *Reader) mapValue() map[string]any {
	if !r.open('{') {
		return nil
	}
	members := make(map[string]any, usualMembers/r.depth)
	for n := 0; r.next('}', n == 0); n++ {
		name := r.memberName()
		members[name] = r.value()
		if len(members) == n {
			r.name = name
			r.fail(ErrDuplicate, r.at)
		}
	}
	return members
}

func (r *Reader) listValue() []any {
	if !r.open('[') {
		return nil
	}
	list := []any{}
	for first := true; r.next(']', first); first = false {
		list = append(list, r.value())
	}
	return list
}

// Int64 reads a whole number without fraction and exponent.
func (r *Reader) Int64() int64 {
	at, text := r.at, r.NumberText()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.fail(ErrNumber, at)
		return 0
	}
	return n
}

// NumberText reads a number and returns it as it is written.
func (r *Reader) NumberText() string {
	if r.Kind() != '0' {
		r.mismatch()
		return ""
	}
	text, _ := r.digits()
	return text
}

func (r *Reader) number() any {
	start := r.at
	text, whole := r.digits()
	if r.err != nil {
		return nil
	}
	if r.opts.Number != nil {
		v, err := r.opts.Number(text)
		if err != nil {
			r.Fail(err)
		}
		return v
	}
	v, ok := exactNumber(text, whole)
	switch {
	case ok:
		return v
	case r.opts.KeepNumbers:
		return json.Number(text)
	}
	r.fail(ErrNumber, start)
	return nil
}

// exactNumber converts a number, unless neither int64 nor a float64 below 2⁵³
// holds it.
func exactNumber(text string, whole bool) (v any, ok bool) {
	if len(text) > maxNumber {
		return nil, false
	}
	if whole {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) >= maxExact {
		return nil, false
	}
	// A claim that was stored and read back must be the same, so 1.0 is 1.
	if f == math.Trunc(f) {
		return int64(f), true
	}
	return f, true
}

// digits reads a number (RFC 8259 §6) and reports whether it has neither
// fraction nor exponent.
func (r *Reader) digits() (text string, whole bool) {
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else {
		r.run()
	}
	whole = true
	if r.peek() == '.' {
		whole = false
		r.at++
		r.run()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		whole = false
		r.at++
		if s := r.peek(); s == '+' || s == '-' {
			r.at++
		}
		r.run()
	}
	if r.err != nil {
		return "", false
	}
	return r.text[start:r.at], whole
}

// run reads at least one digit.
func (r *Reader) run() {
	start := r.at
	for digit(r.peek()) {
		r.at++
	}
	if r.at == start {
		r.fail(ErrSyntax, r.at)
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// string reads a string (RFC 8259 §7) whose opening quote is next.
func (r *Reader) string() string {
	start := r.at + 1
	for i := start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[start:i]
		case c == '\\':
			r.at = i
			return r.escaped(start)
		case c < ' ':
			r.fail(ErrSyntax, i)
			return ""
		}
	}
	r.fail(ErrSyntax, len(r.text))
	return ""
}

// escaped reads on in a string that began at start, from its first backslash.
func (r *Reader) escaped(start int) string {
	var b strings.Builder
	b.WriteString(r.text[start:r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return b.String()
		case c == '\\':
			b.WriteRune(r.escape())
			continue
		case c < ' ':
			r.fail(ErrSyntax, r.at)
			return ""
		}
		b.WriteByte(c)
		r.at++
	}
	r.fail(ErrSyntax, r.at)
	return ""
}

// escape reads one escape sequence.
func (r *Reader) escape() rune {
	r.at++ // the backslash
	c := r.peek()
	if c == 'u' {
		r.at++
		return r.codePoint()
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		r.fail(ErrSyntax, r.at)
		return 0
	}
	r.at++
	return rune("\"\\/\b\f\n\r\t"[i])
}

// codePoint reads what follows \u, and both halves of a surrogate pair. Half a
// pair is no character, and decoders differ in what they make of it.
func (r *Reader) codePoint() rune {
	at := r.at
	c := r.hex()
	switch {
	case r.err != nil:
		return 0
	case c == 0 && !r.opts.AllowNUL:
		r.fail(ErrNUL, at)
		return 0
	case c < 0xD800 || c > 0xDFFF:
		return c
	case c > 0xDBFF || !strings.HasPrefix(r.text[r.at:], `\u`):
		r.fail(ErrUTF8, at)
		return 0
	}
	r.at += len(`\u`)
	low := r.hex()
	if low < 0xDC00 || low > 0xDFFF {
		r.fail(ErrUTF8, at)
		return 0
	}
	return (c-0xD800)<<10 + (low - 0xDC00) + 0x10000
}

func (r *Reader) hex() rune {
	if len(r.text)-r.at < 4 {
		r.fail(ErrSyntax, r.at)
		return 0
	}
	n, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
	if err != nil {
		r.fail(ErrSyntax, r.at)
		return 0
	}
	r.at += 4
	return rune(n)
}
