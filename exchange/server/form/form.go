// Package form reads the form of a request (application/x-www-form-urlencoded). It
// reads what net/url reads, but refuses bytes that are not UTF-8, NUL, and a
// repeated name other than audience and resource (RFC 8693 §2.1), and copies the
// body once.
package form

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"cambio/exchange"
)

// maxParameters bounds the parameters of a form.
const maxParameters = 32

// Parameter is a decoded name and its value.
type Parameter struct{ Name, Value string }

// Form holds the parameters of a body, in their order.
type Form struct {
	all [maxParameters]Parameter
	n   int
}

// Parameters returns the parameters.
func (f *Form) Parameters() []Parameter { return f.all[:f.n] }

// span is where a decoded parameter lies in the body.
type span struct{ name, nameEnd, value, valueEnd int }

// Parse reads a body. It decodes the body in place, where no decoded text is longer
// than it was, and copies it once: names and values are parts of one string. Its
// errors are of type *exchange.Error.
func (f *Form) Parse(body []byte) error {
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
		f.all[i] = Parameter{text[s.name:s.nameEnd], text[s.value:s.valueEnd]}
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
	name, ok := Unescape(body[at:split])
	if !ok {
		return span{}, malformed("a parameter name is not correctly encoded")
	}
	v, ok := Unescape(body[value:end])
	if !ok {
		return span{}, malformed("parameter %s is not correctly encoded", exchange.Quote(string(name)))
	}
	return span{at, at + len(name), value, value + len(v)}, nil
}

// Unescape decodes "+" and "%XX" in place. The result is UTF-8 without NUL.
func Unescape(b []byte) ([]byte, bool) {
	if bytes.IndexByte(b, '%') >= 0 || bytes.IndexByte(b, '+') >= 0 {
		out := 0
		for i := 0; i < len(b); i, out = i+1, out+1 {
			switch c := b[i]; c {
			case '+':
				b[out] = ' '
			case '%':
				if i+2 >= len(b) {
					return nil, false
				}
				if _, err := hex.Decode(b[out:], b[i+1:i+3]); err != nil {
					return nil, false
				}
				i += 2
			default:
				b[out] = c
			}
		}
		b = b[:out]
	}
	return b, utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

// refuseRepeated refuses repeated names (RFC 6749 §3.2).
func (f *Form) refuseRepeated() error {
	all := f.Parameters()
	for i := range all {
		name := all[i].Name
		if name == "audience" || name == "resource" {
			continue
		}
		for j := range i {
			if all[j].Name == name {
				return refused(exchange.ReasonParameterRepeated, "parameter %s is repeated", exchange.Quote(name))
			}
		}
	}
	return nil
}

func malformed(format string, args ...any) error {
	return refused(exchange.ReasonRequestMalformed, format, args...)
}

func refused(reason exchange.Reason, format string, args ...any) error {
	return &exchange.Error{Reason: reason, Description: fmt.Sprintf(format, args...)}
}
