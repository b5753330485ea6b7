package exchange

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clipped is how many bytes of a stranger's string are shown, at most.
const clipped = 128

// Clip shortens what a stranger sent to at most 128 bytes, whole characters
// of it. What goes into logs, checks and errors passes through here.
func Clip(s string) string {
	if len(s) <= clipped {
		return s
	}
	end := clipped - len("…")
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
