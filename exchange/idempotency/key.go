package idempotency

import "strings"

// ParseKey parses the value of an Idempotency-Key header: the draft's string (RFC 9651 §3.3.3) without
// parameters, or the bare text that most clients send. Two lines of the header
// that a proxy joined (RFC 9110 §5.3) are neither.
func ParseKey(value string) (key string, ok bool) {
	if quoted, found := strings.CutPrefix(value, `"`); found {
		key, ok = unquote(quoted)
	} else {
		key, ok = value, !strings.ContainsAny(value, ` ",`)
	}
	outside := func(r rune) bool { return r < ' ' || r > '~' }
	return key, ok && len(key) >= 1 && len(key) <= 255 && !strings.ContainsFunc(key, outside)
}

// unquote parses what follows the opening quotation mark of a string.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i == len(s)-1
		case s[i] != '\\':
		case i+1 == len(s) || s[i+1] != '"' && s[i+1] != '\\':
			return "", false
		default:
			i++
		}
		b.WriteByte(s[i])
	}
	return "", false
}
