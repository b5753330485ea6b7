package form

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"cambio/exchange"
)

func TestForm(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("&p")
			b.WriteByte(byte('a' + i/26))
			b.WriteByte(byte('a' + i%26))
			b.WriteString("=1")
		}
		return b.String()[1:]
	}
	for _, row := range []struct {
		name, body string
		reason     exchange.Reason // empty: accepted
	}{
		{"plain", "grant_type=refresh_token&refresh_token=abc", ""},
		{"percent-encoded", "grant_type=urn%3Aietf%3aparams&scope=a+b%20c", ""},
		{"empty body", "", ""},
		{"empty pairs", "&&a=1&&", ""},
		{"no value", "a&b=", ""},
		{"no name", "=x", ""},
		{"a value with equals signs", "a=b==", ""},
		{"an unknown parameter", "flavour=sweet", ""},
		{"audience repeated", "audience=a&audience=b", ""},
		{"resource repeated", "resource=a&resource=b", ""},
		{"32 parameters", many(32), ""},
		{"33 parameters", many(33), exchange.ReasonRequestMalformed},
		{"a parameter repeated", "client_id=a&client_id=a", exchange.ReasonParameterRepeated},
		{"an unknown parameter repeated", "x=a&x=b", exchange.ReasonParameterRepeated},
		{"repeated in another spelling", "client_id=a&client%5Fid=b", exchange.ReasonParameterRepeated},
		{"repeated and empty", "scope=&scope=a", exchange.ReasonParameterRepeated},
		{"cut percent", "a=%4", exchange.ReasonRequestMalformed},
		{"lone percent", "a=100%", exchange.ReasonRequestMalformed},
		{"bad percent in a name", "%zz=1", exchange.ReasonRequestMalformed},
		{"not UTF-8", "a=%ff", exchange.ReasonRequestMalformed},
		{"not UTF-8, raw", "a=\xc3\x28", exchange.ReasonRequestMalformed},
		{"overlong UTF-8", "a=%c0%ae", exchange.ReasonRequestMalformed},
		{"NUL", "a=b%00", exchange.ReasonRequestMalformed},
		{"NUL, raw", "a\x00=b", exchange.ReasonRequestMalformed},
		{"semicolon", "a=1;b=2", exchange.ReasonRequestMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			var f Form
			err := f.Parse([]byte(row.body))
			if row.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				sameAsNetURL(t, row.body, f.Parameters())
				return
			}
			if err == nil || exchange.AsError(err).Reason != row.reason {
				t.Errorf("got %v, want %s", err, row.reason)
			}
		})
	}
}

func sameAsNetURL(t *testing.T, body string, got []Parameter) {
	t.Helper()
	want, err := url.ParseQuery(body)
	if err != nil {
		t.Fatalf("%q was accepted; net/url says %v", body, err)
	}
	n := 0
	for _, values := range want {
		n += len(values)
	}
	if n != len(got) {
		t.Fatalf("%q: %d parameters, net/url has %d", body, len(got), n)
	}
	for _, p := range got {
		values := want[p.Name]
		if len(values) == 0 || values[0] != p.Value {
			t.Fatalf("%q: %s is %q, net/url has %q", body, p.Name, p.Value, values)
		}
		want[p.Name] = values[1:]
	}
}

// What is accepted, net/url reads the same; what net/url reads and is refused
// is refused for one of the stated reasons.
func FuzzForm(f *testing.F) {
	f.Add("grant_type=urn%3Aietf&subject_token=eyJ.e30.x&scope=a+b")
	f.Add("audience=a&audience=%C3%BC&&x;y=%")
	f.Fuzz(func(t *testing.T, body string) {
		var got Form
		err := got.Parse([]byte(body))
		if err == nil {
			sameAsNetURL(t, body, got.Parameters())
			return
		}
		if got.n != 0 && exchange.AsError(err).Reason != exchange.ReasonParameterRepeated {
			t.Errorf("%q: refused with a result", body)
		}
		values, theirs := url.ParseQuery(body)
		if theirs == nil && !refusedForGood(values) {
			t.Errorf("%q: net/url accepts what is refused with %v", body, err)
		}
	})
}

func refusedForGood(values url.Values) bool {
	n := 0
	for name, vs := range values {
		n += len(vs)
		if len(vs) > 1 && name != "audience" && name != "resource" {
			return true
		}
		for _, s := range append(vs, name) {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				return true
			}
		}
	}
	return n > maxParameters
}

func BenchmarkForm(b *testing.B) {
	body := []byte("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&client_id=web&subject_token_type=" +
		"urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token&scope=read+write&subject_token=" + strings.Repeat("eyJhbGciOiJ", 80))
	buf := make([]byte, len(body))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, body)
		var f Form
		if err := f.Parse(buf); err != nil {
			b.Fatal(err)
		}
	}
}
