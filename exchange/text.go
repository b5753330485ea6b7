package exchange

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clip shortens untrusted text to at most 128 bytes of whole characters. It is
// applied to everything from outside that is shown in logs, checks and errors.
func Clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Quote returns s clipped, in quotes and with control characters escaped.
func Quote(s string) string { return strconv.Quote(Clip(s)) }

// Printable reports whether s has at most most bytes of UTF-8 and no control
// characters.
func Printable(s string, most int) bool {
	if len(s) > most {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= 0x7f { // a control character, or not ASCII
			return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
		}
	}
	return true
}

// LengthPrefixed encodes parts for a hash or a MAC: each part follows its length
// as a big-endian uint32, so no two lists of parts have the same encoding.
func LengthPrefixed(parts ...string) []byte {
	const width = 4
	size := 0
	for _, p := range parts {
		size += width + len(p)
	}
	out := make([]byte, 0, size)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
