package jwks

import (
	"errors"
	"fmt"
	"slices"
)

// fields are the members of an object, read one by one by name. The first that
// is not what it must be leaves an error; what is read after it is of no use.
type fields struct {
	members []member
	err     error
}

func (f *fields) has(name string) bool {
	return slices.ContainsFunc(f.members, func(m member) bool { return m.name == name })
}

// text is a member that must be a string if it is there.
func (f *fields) text(name string) string {
	for _, m := range f.members {
		if m.name != name {
			continue
		}
		s, err := readString(m.value)
		if err != nil && f.err == nil {
			f.err = fmt.Errorf("%s is not a string", name)
		}
		return s
	}
	return ""
}

// texts is a member that must be an array of strings if it is there.
func (f *fields) texts(name string) []string {
	var out []string
	for _, m := range f.members {
		if m.name != name {
			continue
		}
		elements, err := readArray(m.value, true)
		for _, e := range elements {
			s, textErr := readString(e)
			out, err = append(out, s), errors.Join(err, textErr)
		}
		if err != nil && f.err == nil {
			f.err = fmt.Errorf("%s is not an array of strings", name)
		}
	}
	return out
}

// bytes is a member that must be base64url (RFC 7518 §6).
func (f *fields) bytes(name string) []byte {
	s := f.text(name)
	out, err := decode(nil, s)
	if f.err == nil && (err != nil || s == "") {
		f.err = fmt.Errorf("%s is not base64url", name)
	}
	return out
}
