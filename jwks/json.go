package jwks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of JSON from strangers.
const (
	maxDepth = 16
	fewNames = 16 // up to here, comparing names one by one is cheaper than a map
)

var (
	errJSON      = errors.New("not valid JSON")
	errDepth     = errors.New("JSON deeper than 16 levels")
	errUTF8      = errors.New("JSON is not valid UTF-8")
	errTrailing  = errors.New("data after the JSON value")
	errDuplicate = errors.New("duplicate JSON member")
)

// member is a member of a JSON object, its value still encoded. Escapes in the
// name are decoded.
type member struct {
	name  string
	value []byte
}

// readObject reads a JSON object strictly: valid UTF-8, no lone surrogates,
// nothing after it, at most 16 levels, no duplicate names. encoding/json
// forgives all of these. deep extends the ban on duplicates to the objects
// inside.
func readObject(data []byte, deep bool) ([]member, error) {
	r := &jsonReader{data: data, deep: deep}
	var out []member
	err := r.document(func() error {
		return r.object(true, func(name, value []byte) {
			out = append(out, member{string(name), value})
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// readArray reads a JSON array under the rules of readObject.
func readArray(data []byte, deep bool) ([][]byte, error) {
	r := &jsonReader{data: data, deep: deep}
	var out [][]byte
	err := r.document(func() error {
		return r.array(func(value []byte) { out = append(out, value) })
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// readString reads a JSON string under the rules of readObject.
func readString(data []byte) (string, error) {
	r := &jsonReader{data: data}
	var out []byte
	err := r.document(func() (err error) { out, err = r.text(); return err })
	if err != nil {
		return "", err
	}
	return string(out), nil
}

// noVariants refuses names that equal a known one only when case is ignored:
// decoders that ignore case would take one for the other.
func noVariants(members []member, known []string) error {
	for _, m := range members {
		for _, k := range known {
			if m.name != k && strings.EqualFold(m.name, k) {
				return fmt.Errorf("JSON member %s is spelled like %q", quote(m.name), k)
			}
		}
	}
	return nil
}

// jsonReader checks JSON without building values.
type jsonReader struct {
	data  []byte
	pos   int
	depth int
	deep  bool // duplicates count at every level
}

func (r *jsonReader) document(read func() error) error {
	if !utf8.Valid(r.data) { // outside of strings it would be no JSON either
		return errUTF8
	}
	r.space()
	if err := read(); err != nil {
		return err
	}
	r.space()
	if r.pos != len(r.data) {
		return errTrailing
	}
	return nil
}

func (r *jsonReader) value() error {
	switch r.peek() {
	case '{':
		return r.object(r.deep, nil)
	case '[':
		return r.array(nil)
	case '"':
		_, err := r.rawText()
		return err
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	return r.number()
}

func (r *jsonReader) object(unique bool, each func(name, value []byte)) error {
	var seen names
	return r.list('{', '}', func() error {
		name, err := r.text()
		if err != nil {
			return err
		}
		if unique && !seen.add(name) {
			return fmt.Errorf("%w %s", errDuplicate, quote(string(name)))
		}
		r.space()
		if !r.take(':') {
			return errJSON
		}
		r.space()
		start := r.pos
		if err := r.value(); err != nil {
			return err
		}
		if each != nil {
			each(name, r.data[start:r.pos])
		}
		return nil
	})
}

func (r *jsonReader) array(each func(value []byte)) error {
	return r.list('[', ']', func() error {
		start := r.pos
		if err := r.value(); err != nil {
			return err
		}
		if each != nil {
			each(r.data[start:r.pos])
		}
		return nil
	})
}

// list reads what stands between two brackets, separated by commas.
func (r *jsonReader) list(open, end byte, element func() error) error {
	if !r.take(open) {
		return errJSON
	}
	if r.depth++; r.depth > maxDepth {
		return errDepth
	}
	defer func() { r.depth-- }()
	r.space()
	if r.take(end) {
		return nil
	}
	for {
		r.space()
		if err := element(); err != nil {
			return err
		}
		r.space()
		if r.take(end) {
			return nil
		}
		if !r.take(',') {
			return errJSON
		}
	}
}

// text reads a string and decodes its escapes.
func (r *jsonReader) text() ([]byte, error) {
	raw, err := r.rawText()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, errJSON
	}
	return []byte(s), nil
}

// rawText reads a string, quotes included.
func (r *jsonReader) rawText() ([]byte, error) {
	start := r.pos
	if !r.take('"') {
		return nil, errJSON
	}
	for r.pos += plain(r.data[r.pos:]); r.peek() == '\\'; r.pos += plain(r.data[r.pos:]) {
		if err := r.escape(); err != nil {
			return nil, err
		}
	}
	if !r.take('"') {
		return nil, errJSON
	}
	return r.data[start:r.pos], nil
}

// plain counts the bytes up to one that means something in a string.
func plain(data []byte) int {
	for i, c := range data {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(data)
}

// escape reads one escape; a surrogate comes with its other half.
func (r *jsonReader) escape() error {
	r.pos++
	switch c := r.peek(); {
	case c == 'u':
		return r.unicodeEscape()
	case c != 0 && strings.IndexByte(`"\/bfnrt`, c) >= 0:
		r.pos++
		return nil
	}
	return errJSON
}

func (r *jsonReader) unicodeEscape() error {
	unit, ok := r.hex4()
	if !ok {
		return errJSON
	}
	switch {
	case unit < 0xD800 || unit > 0xDFFF:
		return nil
	case unit > 0xDBFF || !r.take('\\') || r.peek() != 'u':
		return errUTF8
	}
	low, ok := r.hex4()
	if !ok {
		return errJSON
	}
	if low < 0xDC00 || low > 0xDFFF {
		return errUTF8
	}
	return nil
}

// hex4 reads u and four hexadecimal digits.
func (r *jsonReader) hex4() (int, bool) {
	if len(r.data)-r.pos < 5 {
		return 0, false
	}
	unit := 0
	for _, c := range r.data[r.pos+1 : r.pos+5] {
		digit := strings.IndexByte("0123456789abcdef", lower(c))
		if digit < 0 {
			return 0, false
		}
		unit = unit<<4 | digit
	}
	r.pos += 5
	return unit, true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

func (r *jsonReader) number() error {
	r.take('-')
	if !r.take('0') && !r.digits() {
		return errJSON
	}
	if r.take('.') && !r.digits() {
		return errJSON
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return errJSON
		}
	}
	return nil
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for '0' <= r.peek() && r.peek() <= '9' {
		r.pos++
	}
	return r.pos > start
}

func (r *jsonReader) word(w string) error {
	if !bytes.HasPrefix(r.data[r.pos:], []byte(w)) {
		return errJSON
	}
	r.pos += len(w)
	return nil
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\r', '\n':
			r.pos++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end: no JSON token begins with it.
func (r *jsonReader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

func (r *jsonReader) take(c byte) bool {
	if r.pos < len(r.data) && r.data[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

// names notices a name that comes twice, in time that does not grow with the
// square of their number.
type names struct {
	few  [fewNames][]byte
	n    int
	many map[string]struct{}
}

// add says whether name is new.
func (s *names) add(name []byte) bool {
	if s.many == nil && s.n < fewNames {
		for _, f := range s.few[:s.n] {
			if bytes.Equal(f, name) {
				return false
			}
		}
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{})
		for _, f := range s.few {
			s.many[string(f)] = struct{}{}
		}
	}
	if _, twice := s.many[string(name)]; twice {
		return false
	}
	s.many[string(name)] = struct{}{}
	return true
}
