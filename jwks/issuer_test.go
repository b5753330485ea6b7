package jwks

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4/json"
)

func TestIssuer(t *testing.T) {
	of := func(payload string) string { return "e30." + encode([]byte(payload)) + ".c2ln" }
	for _, row := range []struct{ name, token, want string }{
		{"an issuer", of(`{"iss":"https://a.example"}`), "https://a.example"},
		{"an escaped issuer", of(`{"iss":"\u0061"}`), "a"},
		{"an escaped name", of(`{"\u0069ss":"a"}`), "a"},
		{"none", of(`{"sub":"a"}`), ""},
		{"one inside", of(`{"act":{"iss":"a"}}`), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := Issuer(row.token); err != nil || got != row.want {
				t.Fatalf("Issuer = %q, %v; want %q", got, err, row.want)
			}
		})
	}
	for _, row := range []struct{ name, token string }{
		{"nothing", ""},
		{"no dots", "foobar"},
		{"three dots", of(`{"iss":"a"}`) + "."},
		{"too long", of(`{"iss":"` + strings.Repeat("a", maxToken) + `"}`)},
		{"padding", "e30." + encode([]byte(`{"iss":"a"}`)) + "=.c2ln"},
		{"a line break", "e30." + encode([]byte(`{"iss":"a"}`)) + "\n.c2ln"},
		{"two of them", of(`{"iss":"a","iss":"b"}`)},
		{"two of them, one escaped", of(`{"iss":"a","\u0069ss":"a"}`)},
		{"a case variant", of(`{"Iss":"a"}`)},
		{"a case variant beside it", of(`{"iss":"a","ISS":"b"}`)},
		{"a long s", of(`{"i\u017fs":"a"}`)},
		{"a number", of(`{"iss":1}`)},
		{"null", of(`{"iss":null}`)},
		{"an array", of(`["iss"]`)},
		{"trailing data", of(`{"iss":"a"}{}`)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := Issuer(row.token); err == nil || got != "" {
				t.Fatalf("Issuer = %q, %v; want an error and nothing else", got, err)
			}
		})
	}
}

// FuzzIssuer: go-jose's strict decoder reads the same iss, or none at all.
func FuzzIssuer(f *testing.F) {
	for _, seed := range []string{`{"iss":"a"}`, `{"iss":"a","Iss":"b"}`, `{"iss":"a","iss":"b"}`, `{"\u0069ss":"a"}`, `{"i\u017fs":"a"}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := Issuer("e30." + encode(payload) + ".c2ln")
		if err != nil {
			if got != "" {
				t.Fatalf("an error came with %q", got)
			}
			return
		}
		var into struct {
			Issuer string `json:"iss"`
		}
		if json.Unmarshal(payload, &into) == nil && into.Issuer != got {
			t.Fatalf("Issuer of %q = %q, go-jose reads %q", payload, got, into.Issuer)
		}
		var claims map[string]any
		if json.Unmarshal(payload, &claims) != nil {
			return
		}
		if want, _ := claims["iss"].(string); want != got {
			t.Fatalf("Issuer of %q = %q, go-jose reads %q", payload, got, want)
		}
	})
}
