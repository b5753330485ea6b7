package server

import (
	"strings"
	"testing"
)

// FuzzDescription: a text of a caller becomes an error_description that RFC 6749
// §5.2 allows.
func FuzzDescription(f *testing.F) {
	f.Add("a\"b\\\x00\n<script>\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if d := describe(s); len(d) > 256 || strings.ContainsFunc(d, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("description %q", d)
		}
	})
}
