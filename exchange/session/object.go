package session

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// object appends a JSON object member by member. It takes a fraction of the
// time that encoding/json takes for the same claims, which would show beside a
// signature. Its first byte is '{'.
type object struct {
	b   []byte
	err error // the first value that could not be written
}

// restart begins an object where another one was, in its room.
func (o *object) restart() { o.b, o.err = append(o.b[:0], '{'), nil }

func (o *object) name(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.string(name)
	o.b = append(o.b, ':')
}

// begin opens a member that is an object; end closes it.
func (o *object) begin(name string) {
	o.name(name)
	o.b = append(o.b, '{')
}

func (o *object) end() { o.b = append(o.b, '}') }

// text writes a string; an empty one is an absent member.
func (o *object) text(name, v string) {
	if v != "" {
		o.name(name)
		o.string(v)
	}
}

func (o *object) number(name string, v int64) {
	o.name(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

// list writes an array of strings. It stays one where it has one element:
// whoever reads aud by hand, and asks whether it includes something, finds no
// substrings.
func (o *object) list(name string, v []string) {
	o.name(name)
	o.b = append(o.b, '[')
	for i, s := range v {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.string(s)
	}
	o.b = append(o.b, ']')
}

// texts writes an array of strings; an empty one is an absent member.
func (o *object) texts(name string, v []string) {
	if len(v) > 0 {
		o.list(name, v)
	}
}

// instant writes a time as encoding/json does.
func (o *object) instant(name string, t time.Time) {
	o.name(name)
	b, err := t.AppendText(append(o.b, '"'))
	if err != nil {
		o.fail(name, err)
		return
	}
	o.b = append(b, '"')
}

// value writes anything else, by encoding/json.
func (o *object) value(name string, v any) {
	o.name(name)
	o.other(name, v)
}

func (o *object) other(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		o.fail(name, err)
	}
	o.b = append(o.b, b...)
}

func (o *object) fail(name string, err error) {
	if o.err == nil {
		o.err = fmt.Errorf("member %.128q: %w", name, err)
	}
}

// claim writes the value of a claim that was read from JSON. The members of an
// object come in any order. An error names the member it is for.
func (o *object) claim(name string, v any) {
	switch v := v.(type) {
	case string:
		o.string(v)
	case int64:
		o.b = strconv.AppendInt(o.b, v, 10)
	case bool:
		o.b = strconv.AppendBool(o.b, v)
	case nil:
		o.b = append(o.b, "null"...)
	case []any:
		o.b = append(o.b, '[')
		for i, element := range v {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.claim(name, element)
		}
		o.b = append(o.b, ']')
	case map[string]any:
		o.b = append(o.b, '{')
		for member, value := range v {
			o.name(member)
			o.claim(name, value)
		}
		o.b = append(o.b, '}')
	default:
		o.other(name, v)
	}
}

// string writes a JSON string. What needs no escape, which is nearly all there
// is in a token, is copied.
func (o *object) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			b, _ := json.Marshal(s) // never fails for a string
			o.b = append(o.b, b...)
			return
		}
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, s...)
	o.b = append(o.b, '"')
}
