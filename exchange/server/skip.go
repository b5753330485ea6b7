package server

import "encoding/json"

// mostDepth is how deep what is ignored may nest.
const mostDepth = 16

// skip goes over a value of any kind.
func (r *reader) skip(depth int) bool {
	r.space()
	if r.at == len(r.text) || depth > mostDepth {
		return false
	}
	switch r.text[r.at] {
	case '"':
		_, ok := r.string()
		return ok
	case '{':
		return r.skipAll('{', '}', func() bool {
			_, ok := r.string()
			return ok && r.next(':') && r.skip(depth+1)
		})
	case '[':
		return r.skipAll('[', ']', func() bool { return r.skip(depth + 1) })
	}
	return r.word("null") || r.word("true") || r.word("false") || r.number()
}

// skipAll goes over what is between two marks, each part by one.
func (r *reader) skipAll(opening, closing byte, one func() bool) bool {
	if !r.next(opening) {
		return false
	}
	if r.next(closing) {
		return true
	}
	for more := true; more; more = r.next(',') {
		if !one() {
			return false
		}
	}
	return r.next(closing)
}

// number goes over a number (RFC 8259 §6).
func (r *reader) number() bool {
	end := r.at
	for end < len(r.text) && (unhex[r.text[end]] >= 0 || r.text[end] == '-' || r.text[end] == '+' || r.text[end] == '.') {
		end++
	}
	number := r.text[r.at:end]
	r.at = end
	return number != "" && json.Valid([]byte(number))
}
