package idempotency

import (
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	long := strings.Repeat("k", 255)
	for _, row := range []struct {
		name, value, key string // empty: refused
	}{
		{"a string", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, "8e03978e-40d5-43dd-bc93-6894a57f9324"},
		{"bare", "8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
		{"a string with spaces and commas", `"a b,c"`, "a b,c"},
		{"a string with escapes", `"a\"b\\c"`, `a"b\c`},
		{"bare with other signs", `a+b/c=\:;~`, `a+b/c=\:;~`},
		{"the longest", long, long},
		{"the longest string", `"` + long + `"`, long},
		{"too long", long + "k", ""},
		{"a string that is too long", `"` + long + `k"`, ""},
		{"empty", "", ""},
		{"an empty string", `""`, ""},
		{"no end", `"abc`, ""},
		{"only a quotation mark", `"`, ""},
		{"no beginning", `abc"`, ""},
		{"a quotation mark inside", `a"bc`, ""},
		{"two strings", `"a", "b"`, ""},
		{"two lines made one", "a, b", ""},
		{"two lines made one without a space", "a,b", ""},
		{"two words", "a b", ""},
		{"a string with parameters", `"a";x=1`, ""},
		{"another escape", `"a\n"`, ""},
		{"an escape at the end", `"a\`, ""},
		{"a control character", "a\x01", ""},
		{"a control character in a string", "\"a\x7f\"", ""},
		{"a tab", "\"a\tb\"", ""},
		{"not ASCII", "schlüssel", ""},
		{"not ASCII in a string", `"schlüssel"`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if key, ok := ParseKey(row.value); ok != (row.key != "") || ok && key != row.key {
				t.Errorf("got %q, %v", key, ok)
			}
		})
	}
}

// An accepted key is within bounds and has at most two spellings: the string, and the
// bare text.
func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"a", `"a"`, `"a\"b\\"`, `"`, "a,b", `"a";x`, "", "\x00", `"\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, ok := ParseKey(value)
		if !ok {
			return
		}
		if len(key) < 1 || len(key) > 255 {
			t.Errorf("%d bytes", len(key))
		}
		for _, b := range []byte(key) {
			if b < ' ' || b > '~' {
				t.Errorf("byte %#x", b)
			}
		}
		quoted := `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(key) + `"`
		if value != key && value != quoted {
			t.Errorf("%q is a third spelling of %q", value, key)
		}
		if again, ok := ParseKey(quoted); !ok || again != key {
			t.Errorf("%q means %q, not %q", quoted, again, key)
		}
	})
}
