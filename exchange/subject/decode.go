package subject

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth = 16 // of objects and arrays, the claims themselves included
	// maxNumber is the length of a number. It is that of the longest float64 in
	// its shortest spelling, and more than any int64.
	maxNumber = 24
	// usualMembers is how many claims the tokens of most issuers have, at most: a
	// map for more is twice as large.
	usualMembers = 14
)

// decode reads claims: one JSON object (RFC 8259), in the one spelling that
// says only one thing. Refused are a repeated name anywhere, bytes that are
// not UTF-8, half a surrogate pair, trailing data, depth over 16, and numbers
// beyond int64: of two such subjects one could become the other.
//
// Integral numbers become int64 and others float64, however they are written,
// so that claims that were stored as JSON and read back are the same.
//
// go-jose's decoder takes three times as long, wraps or rounds large numbers
// and replaces bad text by U+FFFD. It is the oracle of this one's fuzz test.
func decode(payload string) (map[string]any, error) {
	d := decoder{in: payload}
	return d.document()
}

func (d *decoder) document() (map[string]any, error) {
	if !utf8.ValidString(d.in) {
		return nil, errors.New("not UTF-8")
	}
	d.space()
	if d.peek() != '{' {
		return nil, errors.New("not a JSON object")
	}
	object, err := d.object(1)
	if err != nil {
		return nil, err
	}
	if d.space(); d.at < len(d.in) {
		return nil, d.unexpected("after the object")
	}
	return object, nil
}

// decoder is a position in a text. The strings it returns are parts of the
// text where nothing in them is escaped.
type decoder struct {
	in string
	at int
	// outermost refuses names of the outermost object, if it is not nil.
	outermost func(name string) error
}

// peek is the next byte, and 0, which no JSON token begins with, at the end.
func (d *decoder) peek() byte {
	if d.at < len(d.in) {
		return d.in[d.at]
	}
	return 0
}

// take consumes b if it is next, white space before it included.
func (d *decoder) take(b byte) bool {
	d.space()
	if d.peek() != b {
		return false
	}
	d.at++
	return true
}

func (d *decoder) space() {
	for d.at < len(d.in) {
		switch d.in[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// unexpected names where reading stopped, not what stood there: claims are
// personal and errors are logged.
func (d *decoder) unexpected(where string) error {
	if d.at >= len(d.in) {
		return fmt.Errorf("ends %s", where)
	}
	return fmt.Errorf("unexpected byte %d %s", d.at, where)
}

func (d *decoder) value(depth int) (any, error) {
	d.space()
	switch b := d.peek(); {
	case b == '"':
		return d.text()
	case b == '{':
		return d.object(depth + 1)
	case b == '[':
		return d.array(depth + 1)
	case b == '-' || digit(b):
		return d.number()
	}
	return d.word()
}

func (d *decoder) object(depth int) (map[string]any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	d.at++ // {
	members := make(map[string]any, usualMembers/depth)
	if d.take('}') {
		return members, nil
	}
	for {
		if err := d.member(members, depth); err != nil {
			return nil, err
		}
		if d.take('}') {
			return members, nil
		}
		if !d.take(',') {
			return nil, d.unexpected("in an object")
		}
	}
}

func (d *decoder) member(members map[string]any, depth int) error {
	if d.space(); d.peek() != '"' {
		return d.unexpected("where a name should begin")
	}
	name, err := d.text()
	if err != nil {
		return err
	}
	if _, ok := members[name]; ok {
		return fmt.Errorf("the name at byte %d is repeated", d.at)
	}
	if depth == 1 && d.outermost != nil {
		if err := d.outermost(name); err != nil {
			return err
		}
	}
	if !d.take(':') {
		return d.unexpected("after a name")
	}
	members[name], err = d.value(depth)
	return err
}

func (d *decoder) array(depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	d.at++ // [
	list := []any{}
	if d.take(']') {
		return list, nil
	}
	for {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if d.take(']') {
			return list, nil
		}
		if !d.take(',') {
			return nil, d.unexpected("in an array")
		}
	}
}

func (d *decoder) word() (any, error) {
	rest := d.in[d.at:]
	switch {
	case strings.HasPrefix(rest, "true"):
		d.at += len("true")
		return true, nil
	case strings.HasPrefix(rest, "false"):
		d.at += len("false")
		return false, nil
	case strings.HasPrefix(rest, "null"):
		d.at += len("null")
		return nil, nil
	}
	return nil, d.unexpected("where a value should begin")
}

// number reads an integral number of any spelling as int64 and any other,
// whose size is below 2⁵³, as float64 (RFC 8259 §6).
func (d *decoder) number() (any, error) {
	start := d.at
	integer, ok := d.digits()
	if !ok {
		return nil, d.unexpected("in a number")
	}
	text := d.in[start:d.at]
	if len(text) > maxNumber {
		return nil, fmt.Errorf("the number at byte %d is too long", start)
	}
	if integer {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the integer at byte %d is out of range", start)
		}
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < math.MinInt64 || f >= math.MaxInt64 {
		return nil, fmt.Errorf("the number at byte %d is out of range", start)
	}
	if f == math.Trunc(f) {
		return int64(f), nil
	}
	return f, nil
}

// digits goes over a number and says whether it has neither fraction nor
// exponent.
func (d *decoder) digits() (integer, ok bool) {
	if d.peek() == '-' {
		d.at++
	}
	if d.peek() == '0' {
		d.at++
	} else if !d.run() {
		return false, false
	}
	integer = true
	if d.peek() == '.' {
		integer = false
		if d.at++; !d.run() {
			return false, false
		}
	}
	if b := d.peek(); b == 'e' || b == 'E' {
		integer = false
		d.at++
		if s := d.peek(); s == '+' || s == '-' {
			d.at++
		}
		if !d.run() {
			return false, false
		}
	}
	return integer, true
}

// run goes over at least one digit.
func (d *decoder) run() bool {
	start := d.at
	for digit(d.peek()) {
		d.at++
	}
	return d.at > start
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// text reads a string (RFC 8259 §7).
func (d *decoder) text() (string, error) {
	d.at++ // "
	start := d.at
	for d.at < len(d.in) {
		switch b := d.in[d.at]; {
		case b == '"':
			d.at++
			return d.in[start : d.at-1], nil
		case b == '\\':
			return d.escaped(start)
		case b < ' ':
			return "", d.unexpected("in a string")
		}
		d.at++
	}
	return "", d.unexpected("in a string")
}

// escaped reads on in a string that began at start, from its first backslash.
func (d *decoder) escaped(start int) (string, error) {
	out := make([]byte, 0, d.at-start+32)
	out = append(out, d.in[start:d.at]...)
	for d.at < len(d.in) {
		switch b := d.in[d.at]; {
		case b == '"':
			d.at++
			return string(out), nil
		case b == '\\':
			r, ok := d.escape()
			if !ok {
				return "", d.unexpected("in an escape")
			}
			out = utf8.AppendRune(out, r)
			continue
		case b < ' ':
			return "", d.unexpected("in a string")
		default:
			out = append(out, b)
		}
		d.at++
	}
	return "", d.unexpected("in a string")
}

// escape reads one escape sequence.
func (d *decoder) escape() (rune, bool) {
	d.at++ // \
	b := d.peek()
	d.at++
	switch b {
	case '"', '\\', '/':
		return rune(b), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		return d.codePoint()
	}
	return 0, false
}

// codePoint reads what follows \u, and the second half of a surrogate pair
// with the first. A half alone is no character: decoders differ in what they
// make of it.
func (d *decoder) codePoint() (rune, bool) {
	r, ok := d.hex()
	if !ok || r < 0xD800 || r > 0xDFFF {
		return r, ok
	}
	if r > 0xDBFF || !strings.HasPrefix(d.in[d.at:], `\u`) {
		return 0, false
	}
	d.at += 2
	low, ok := d.hex()
	if !ok || low < 0xDC00 || low > 0xDFFF {
		return 0, false
	}
	return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, true
}

func (d *decoder) hex() (rune, bool) {
	if d.at+4 > len(d.in) {
		return 0, false
	}
	var r rune
	for _, b := range []byte(d.in[d.at : d.at+4]) {
		switch {
		case digit(b):
			r = r<<4 | rune(b-'0')
		case 'a' <= b && b <= 'f':
			r = r<<4 | rune(b-'a'+10)
		case 'A' <= b && b <= 'F':
			r = r<<4 | rune(b-'A'+10)
		default:
			return 0, false
		}
	}
	d.at += 4
	return r, true
}
