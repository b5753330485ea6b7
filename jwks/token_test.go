package jwks

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4/json"
)

func unsigned(payload string) string { return "e30." + encode([]byte(payload)) + ".c2ln" }

func TestParseReadsIssuer(t *testing.T) {
	for _, row := range []struct{ name, payload, want string }{
		{"an issuer", `{"iss":"https://a.example"}`, "https://a.example"},
		{"after other claims", `{"aud":["a",{"iss":"b"}],"n":1e999,"iss":"a"}`, "a"},
		{"an escaped issuer", `{"iss":"\u0061"}`, "a"},
		{"an escaped name", `{"\u0069ss":"a"}`, "a"},
		{"none", `{"sub":"a"}`, ""},
		{"one inside", `{"act":{"iss":"a"}}`, ""},
		{"a case variant", `{"Iss":"a","sub":"b"}`, ""},
		{"a long s", `{"i\u017fs":"a"}`, ""},
		{"a second one, which the reader of the claims refuses", `{"iss":"a","iss":"b"}`, "a"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Parse(unsigned(row.payload))
			if err != nil || got.Issuer() != row.want {
				t.Fatalf("Parse = %+v, %v; want the issuer %q", got, err, row.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	payload := encode([]byte(`{"iss":"a"}`))
	for _, row := range []struct{ name, token string }{
		{"nothing", ""},
		{"no dots", "foobar"},
		{"three dots", unsigned(`{"iss":"a"}`) + "."},
		{"too long", unsigned(`{"iss":"` + strings.Repeat("a", maxToken) + `"}`)},
		{"padding", "e30." + payload + "=.c2ln"},
		{"a line break", "e30." + payload + "\n.c2ln"},
		{"a number", unsigned(`{"iss":1}`)},
		{"null", unsigned(`{"iss":null}`)},
		{"an array", unsigned(`["iss"]`)},
		{"a repeated claim before iss", unsigned(`{"a":1,"a":2,"iss":"a"}`)},
		{"invalid UTF-8 after iss", unsigned("{\"iss\":\"a\",\"b\":\"\xff\"}")},
		{"half an object", unsigned(`{"sub":"a"`)},
		{"trailing data", unsigned(`{}{}`)},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Parse(row.token)
			if got != nil {
				t.Errorf("an error came with %+v", got)
			}
			wantKind(t, err, Malformed)
		})
	}
}

// FuzzParse: what is refused comes with nothing, and where a strict reader of
// all claims finds an iss, Parse found the same one.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"iss":"a"}`, `{"iss":"a","Iss":"b"}`, `{"iss":"a","iss":"b"}`, `{"\u0069ss":"a"}`, `{"i\u017fs":"a"}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := Parse(unsigned(string(payload)))
		if err != nil {
			if got != nil {
				t.Fatalf("an error came with %+v", got)
			}
			return
		}
		var claims map[string]any
		if json.Unmarshal(payload, &claims) != nil {
			return
		}
		if want, _ := claims["iss"].(string); want != got.Issuer() {
			t.Fatalf("the issuer of %q is %q, go-jose reads %q", payload, got.Issuer(), want)
		}
	})
}
