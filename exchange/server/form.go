package server

import (
	"bytes"
	"unicode/utf8"

	"cambio/exchange"
)

// Limits of a request body.
const (
	maxBody       = 64 << 10 // bytes
	maxParameters = 32
)

// parameter is a name and a value of a form, decoded.
type parameter struct{ name, value string }

// form holds the parameters of a body, in their order.
type form struct {
	all [maxParameters]parameter
	n   int
}

func (f *form) parameters() []parameter { return f.all[:f.n] }

// span is where a decoded parameter lies in the body.
type span struct{ name, nameEnd, value, valueEnd int }

// parse reads an application/x-www-form-urlencoded body. It decodes body in
// place, where no decoded text is longer than it was, and copies it once: names and
// values are parts of one string. It reads what net/url reads, but refuses bytes
// that are not UTF-8, NUL, and a repeated name other than audience and resource
// (RFC 8693 §2.1).
func (f *form) parse(body []byte) error {
	var spans [maxParameters]span
	n := 0
	for at := 0; at < len(body); {
		end := len(body)
		if i := bytes.IndexByte(body[at:], '&'); i >= 0 {
			end = at + i
		}
		if end > at {
			if n == maxParameters {
				return malformed("the body has more than %d parameters", maxParameters)
			}
			s, err := decodePair(body, at, end)
			if err != nil {
				return err
			}
			spans[n] = s
			n++
		}
		at = end + 1
	}
	text := string(body)
	for i, s := range spans[:n] {
		f.all[i] = parameter{text[s.name:s.nameEnd], text[s.value:s.valueEnd]}
	}
	f.n = n
	return f.refuseRepeated()
}

// decodePair decodes body[at:end], a name and its value, in place.
func decodePair(body []byte, at, end int) (span, error) {
	if bytes.IndexByte(body[at:end], ';') >= 0 {
		return span{}, malformed("the body has an unencoded semicolon")
	}
	split, value := end, end
	if i := bytes.IndexByte(body[at:end], '='); i >= 0 {
		split, value = at+i, at+i+1
	}
	name, ok := unescape(body[at:split])
	if !ok {
		return span{}, malformed("a parameter name is not correctly encoded")
	}
	v, ok := unescape(body[value:end])
	if !ok {
		return span{}, malformed("parameter %s is not correctly encoded", exchange.Quote(string(name)))
	}
	return span{at, at + len(name), value, value + len(v)}, nil
}

// unescape decodes "+" and "%XX" in place. The result is UTF-8 without NUL.
func unescape(b []byte) ([]byte, bool) {
	if bytes.IndexByte(b, '%') >= 0 || bytes.IndexByte(b, '+') >= 0 {
		out := 0
		for i := 0; i < len(b); i, out = i+1, out+1 {
			switch c := b[i]; c {
			case '+':
				b[out] = ' '
			case '%':
				if i+2 >= len(b) || unhex[b[i+1]] < 0 || unhex[b[i+2]] < 0 {
					return nil, false
				}
				b[out] = byte(unhex[b[i+1]]<<4 | unhex[b[i+2]])
				i += 2
			default:
				b[out] = c
			}
		}
		b = b[:out]
	}
	return b, utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

// unhex is the value of a hexadecimal digit, -1 for any other byte.
var unhex = func() (t [256]int16) {
	for c := range t {
		t[c] = -1
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = int16(i)
	}
	for i, c := range []byte("ABCDEF") {
		t[c] = int16(10 + i)
	}
	return t
}()

// refuseRepeated refuses repeated names (RFC 6749 §3.2).
func (f *form) refuseRepeated() error {
	all := f.parameters()
	for i := range all {
		name := all[i].name
		if name == "audience" || name == "resource" {
			continue
		}
		for j := range i {
			if all[j].name == name {
				return Refused(exchange.ReasonParameterRepeated, "parameter %s is repeated", exchange.Quote(name))
			}
		}
	}
	return nil
}
