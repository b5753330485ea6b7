package exchange

import (
	"strconv"
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

// Quote is Clip in quotes, with control characters escaped.
func Quote(s string) string { return strconv.Quote(Clip(s)) }
