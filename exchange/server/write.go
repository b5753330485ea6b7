package server

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendString writes s as a JSON string (RFC 8259 §7). Bytes that are not
// UTF-8 become U+FFFD; "<" is escaped, so that no browser takes an answer for
// a page.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0 // of s, already in b
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

// plain says of each byte whether it stands for itself in a JSON string.
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

// text appends a member that is a string, or nothing if it is empty.
func text(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(key(b, name), value)
}

// token appends a member that is a token of ours, or nothing if it is empty.
// Tokens are long, and consist of what needs no escapes.
func token(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(key(b, name), '"')
	b = append(b, value...)
	return append(b, '"')
}

func number(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(key(b, name), value, 10)
}

// instant appends a time (RFC 3339), to the second.
func instant(b []byte, name string, value time.Time) []byte {
	b = append(key(b, name), '"')
	b = value.UTC().AppendFormat(b, time.RFC3339)
	return append(b, '"')
}

func boolean(b []byte, name string, value bool) []byte {
	return strconv.AppendBool(key(b, name), value)
}

// raw appends a member that is JSON already, or nothing if it is empty.
func raw(b []byte, name string, value json.RawMessage) []byte {
	if len(value) == 0 {
		return b
	}
	return append(key(b, name), value...)
}

// key begins a member.
func key(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}
