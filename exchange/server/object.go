package server

import (
	"strings"
	"unicode/utf8"

	"cambio/exchange"
)

// member is a member that a door knows, and where its value goes: a string
// into into, true or false into flag.
type member struct {
	name     string
	into     *string
	flag     *bool
	number   bool // of a string: a whole number will do
	required bool // of a string: neither absent nor empty
	ignored  bool // any value, which goes nowhere
	seen     bool
}

// object reads a JSON object (RFC 8259 §4) whose members are strings and
// flags, null meaning absent, or are ignored whatever they are. Refused are
// names that are not in members, also in another case, names repeated, bytes
// that are not UTF-8, lone surrogates, NUL, and anything after the object.
func object(body []byte, members ...member) error {
	if !utf8.Valid(body) {
		return malformed("the body is not UTF-8")
	}
	r := reader{text: string(body)}
	if err := r.object(members); err != nil {
		return err
	}
	for _, m := range members {
		if m.required && m.into != nil && *m.into == "" {
			return refused(exchange.ReasonParameterMissing, "%s is missing", m.name)
		}
	}
	return nil
}

// reader reads JSON text from at on.
type reader struct {
	text string
	at   int
}

func (r *reader) object(members []member) error {
	if !r.next('{') {
		return malformed("the body is not a JSON object")
	}
	if !r.next('}') {
		for more := true; more; more = r.next(',') {
			if err := r.member(members); err != nil {
				return err
			}
		}
		if !r.next('}') {
			return malformed("the body is not correct JSON")
		}
	}
	if r.space(); r.at < len(r.text) {
		return malformed("the body has something after the JSON object")
	}
	return nil
}

func (r *reader) member(members []member) error {
	name, ok := r.string()
	if !ok || !r.next(':') {
		return malformed("the body is not correct JSON")
	}
	m := find(members, name)
	if m == nil {
		return refused(exchange.ReasonParameterInvalid, "member %s is not known here", exchange.Quote(name))
	}
	if m.seen {
		return refused(exchange.ReasonParameterRepeated, "member %s is repeated", m.name)
	}
	m.seen = true
	if r.word("null") {
		return nil
	}
	if m.ignored {
		if !r.skip(1) {
			return malformed("%s is not correct JSON", m.name)
		}
		return nil
	}
	if m.flag != nil {
		if *m.flag = r.word("true"); !*m.flag && !r.word("false") {
			return refused(exchange.ReasonParameterInvalid, "%s is neither true nor false", m.name)
		}
		return nil
	}
	if m.number {
		if *m.into = r.digits(); *m.into != "" {
			return nil
		}
	}
	if *m.into, ok = r.string(); !ok {
		return refused(exchange.ReasonParameterInvalid, "%s is not a string", m.name)
	}
	return nil
}

func find(members []member, name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// next takes c if it comes next.
func (r *reader) next(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// word takes null, true or false if it comes next.
func (r *reader) word(w string) bool {
	r.space()
	if strings.HasPrefix(r.text[r.at:], w) {
		r.at += len(w)
		return true
	}
	return false
}

// digits takes a whole number that is not negative, in its only spelling without
// fraction and exponent: what else there may be of one is left, and refused.
func (r *reader) digits() string {
	r.space()
	start := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
		if r.text[start] == '0' {
			break
		}
	}
	return r.text[start:r.at]
}

// string takes a string. Without escapes it is a part of the text.
func (r *reader) string() (string, bool) {
	if !r.next('"') {
		return "", false
	}
	start := r.at
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[start : r.at-1], true
		case c == '\\':
			return r.escaped(start)
		case c < 0x20:
			return "", false
		}
	}
	return "", false
}

// escaped goes on where a string has its first escape.
func (r *reader) escaped(start int) (string, bool) {
	var b strings.Builder
	b.WriteString(r.text[start:r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return b.String(), true
		case c < 0x20:
			return "", false
		case c != '\\':
			b.WriteByte(c)
		default:
			char, ok := r.escape()
			if !ok {
				return "", false
			}
			b.WriteRune(char)
		}
	}
	return "", false
}

// escape takes what follows a backslash (RFC 8259 §7).
func (r *reader) escape() (rune, bool) {
	if r.at == len(r.text) {
		return 0, false
	}
	c := r.text[r.at]
	r.at++
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, false
		}
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	char, ok := r.hex4()
	switch {
	case !ok || char == 0 || 0xdc00 <= char && char < 0xe000:
		return 0, false
	case char < 0xd800 || char >= 0xe000:
		return char, true
	}
	if !strings.HasPrefix(r.text[r.at:], `\u`) {
		return 0, false
	}
	r.at += len(`\u`)
	low, ok := r.hex4()
	if !ok || low < 0xdc00 || low >= 0xe000 {
		return 0, false
	}
	return 0x10000 + (char-0xd800)<<10 + (low - 0xdc00), true
}

func (r *reader) hex4() (rune, bool) {
	if r.at+4 > len(r.text) {
		return 0, false
	}
	var v rune
	for _, c := range []byte(r.text[r.at : r.at+4]) {
		d := unhex[c]
		if d < 0 {
			return 0, false
		}
		v = v<<4 | rune(d)
	}
	r.at += 4
	return v, true
}
