package keylogin

import (
	"net/mail"
	"strings"
	"testing"
)

func TestAddressIsCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"alice@example.com": "alice@example.com", "Alice@Example.COM": "alice@example.com", "a.b+c@sub.example.co": "a.b+c@sub.example.co",
		"o'neil!#$%&*/=?^_`{|}~-@example.com": "o'neil!#$%&*/=?^_`{|}~-@example.com", "a@xn--bcher-kva.example": "a@xn--bcher-kva.example",
		"": "", "alice": "", "@example.com": "", "alice@": "", "alice@localhost": "", "alice@127.0.0.1": "", "alice@[127.0.0.1]": "",
		"a@b@example.com": "", "a..b@example.com": "", ".a@example.com": "", "a.@example.com": "", `"a b"@example.com`: "",
		"a@example..com": "", "a@-example.com": "", "a@example-.com": "", "a@example.com.": "", "a b@example.com": "", "a@exam ple.com": "",
		"a@example.com\r\nBcc: b@example.com": "", "a@example.com\n": "", " a@example.com": "", "Alice <a@example.com>": "", "a,b@example.com": "",
		"ä@example.com": "", "a@bücher.example": "", "a@\u212axample.com": "", "a(comment)@example.com": "", "a@example.com\x00": "",
		strings.Repeat("a", 65) + "@example.com": "", "a@" + strings.Repeat("b", 64) + ".com": "", "a@" + strings.Repeat("b.", 130) + "com": "",
	} {
		if got, ok := Address(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}

func TestMaskHidesTheLocalPart(t *testing.T) {
	for address, want := range map[string]string{"alice@example.com": "a***@example.com", "ab@example.com": "***@example.com", "abc@example.com": "a***@example.com"} {
		if got := Mask(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// An accepted address has one spelling, means the same to net/mail, and can be
// written into a header and an SMTP command.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"alice@example.com", "A.b+C@Example.co", `"a"@example.com`, "a@[::1]", "a@b\r\n.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Address(text)
		if !ok {
			if got != "" {
				t.Errorf("%q: refused with %q", text, got)
			}
			return
		}
		if again, ok := Address(got); !ok || again != got {
			t.Errorf("%q: %q is not canonical", text, got)
		}
		if !strings.EqualFold(got, text) || strings.ContainsAny(got, " \t\r\n<>,;:\"\\()") {
			t.Errorf("%q became %q", text, got)
		}
		parsed, err := mail.ParseAddress(got)
		if err != nil || parsed.Address != got || parsed.Name != "" {
			t.Errorf("%q is %v to net/mail, %v", got, parsed, err)
		}
		if name := mailbox(got); !strings.Contains(name, "@") || strings.HasPrefix(name, "@") {
			t.Errorf("%q is of mailbox %q", got, name)
		}
	})
}
