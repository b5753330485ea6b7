package strictjson

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Buffer is a document that is being written. Each method returns the longer
// Buffer, as append does, so that a Buffer can begin on the stack. The caller
// pairs Begin with End and gives each Key one value.
type Buffer []byte

// Begin begins an object: the document, the value of a Key, or, after Next, an
// element.
func (b Buffer) Begin() Buffer { return append(b, '{') }

// End ends an object.
func (b Buffer) End() Buffer { return append(b, '}') }

// BeginArray begins an array, where Begin would begin an object.
func (b Buffer) BeginArray() Buffer { return append(b, '[') }

// EndArray ends an array.
func (b Buffer) EndArray() Buffer { return append(b, ']') }

// Next begins an element of an array, or a member: it writes the comma before
// all but the first.
func (b Buffer) Next() Buffer {
	if c := b[len(b)-1]; c == '{' || c == '[' {
		return b
	}
	return append(b, ',')
}

// Key begins a member, whose value the caller appends.
func (b Buffer) Key(name string) Buffer { return append(AppendString(b.Next(), name), ':') }

// String writes a string.
func (b Buffer) String(name, value string) Buffer { return AppendString(b.Key(name), value) }

// OmitString writes a string, or nothing if it is empty.
func (b Buffer) OmitString(name, value string) Buffer {
	if value == "" {
		return b
	}
	return b.String(name, value)
}

// OmitToken writes a string that needs no escapes, such as a long token, without
// looking at each of its bytes. It writes nothing if the string is empty.
func (b Buffer) OmitToken(name, value string) Buffer {
	if value == "" {
		return b
	}
	b = append(b.Key(name), '"')
	b = append(b, value...)
	return append(b, '"')
}

// Strings writes an array of strings.
func (b Buffer) Strings(name string, values []string) Buffer {
	b = b.Key(name).BeginArray()
	for _, v := range values {
		b = AppendString(b.Next(), v)
	}
	return b.EndArray()
}

// OmitStrings writes an array of strings, or nothing if it is empty.
func (b Buffer) OmitStrings(name string, values []string) Buffer {
	if len(values) == 0 {
		return b
	}
	return b.Strings(name, values)
}

// Int writes a number.
func (b Buffer) Int(name string, value int64) Buffer {
	return strconv.AppendInt(b.Key(name), value, 10)
}

// Bool writes true or false.
func (b Buffer) Bool(name string, value bool) Buffer {
	return strconv.AppendBool(b.Key(name), value)
}

// Time writes a time (RFC 3339) in UTC, with a fraction if it has one. Its year
// has four digits.
func (b Buffer) Time(name string, t time.Time) Buffer {
	b = append(b.Key(name), '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// OmitRaw writes a value that is JSON already, or nothing if it is empty.
func (b Buffer) OmitRaw(name string, value []byte) Buffer {
	if len(value) == 0 {
		return b
	}
	return append(b.Key(name), value...)
}

// Value writes what [Reader.Value] reads, and any other value as encoding/json
// does. The members of a map are in no particular order. An error names the
// member.
func (b Buffer) Value(name string, v any) (Buffer, error) {
	b, err := b.Key(name).value(v)
	if err != nil {
		return b, fmt.Errorf("member %.128q: %w", name, err)
	}
	return b, nil
}

func (b Buffer) value(v any) (_ Buffer, err error) {
	switch v := v.(type) {
	case string:
		return AppendString(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case nil:
		return append(b, "null"...), nil
	case []any:
		b = b.BeginArray()
		for _, element := range v {
			if b, err = b.Next().value(element); err != nil {
				return b, err
			}
		}
		return b.EndArray(), nil
	case map[string]any:
		b = b.Begin()
		for name, value := range v {
			if b, err = b.Key(name).value(value); err != nil {
				return b, err
			}
		}
		return b.End(), nil
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

// AppendString appends s to b as a JSON string (RFC 8259 §7). Bytes that are
// not UTF-8 become U+FFFD, and "<" is escaped.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0 // bytes of s that are in b
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[done:i]...), "\ufffd"...)
			done = i + 1
		case size == 1:
			b = appendEscaped(append(b, s[done:i]...), s[i])
			done = i + 1
		}
		i += size
	}
	b = append(b, s[done:]...)
	return append(b, '"')
}

// plain reports of each byte whether it stands for itself in a string.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != '<'
	}
	return t
}()

func appendEscaped(b []byte, c byte) []byte {
	if c == '"' || c == '\\' {
		return append(b, '\\', c)
	}
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
