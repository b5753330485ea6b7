package exchange_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	strict "github.com/go-jose/go-jose/v4/json"

	"cambio/exchange"
)

// kinds returns a registered type: a needs the scope read and b the scope write;
// both have the member n.
func kinds(name string) *exchange.DetailKind {
	scopes := map[string]string{"a": "read", "b": "write"}
	if scopes[name] == "" {
		return nil
	}
	return &exchange.DetailKind{Type: &exchange.DetailType{Type: name, Scope: scopes[name]}, Schema: onlyN{}}
}

type onlyN struct{}

func (onlyN) Check(detail map[string]any) error {
	for name, v := range detail {
		if _, number := v.(json.Number); name != "type" && (name != "n" || !number) {
			return errors.New(name)
		}
	}
	return nil
}

func TestAuthorizationDetails(t *testing.T) {
	deep := func(n int) string {
		return `[{"type":"a","n":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]`
	}
	for _, row := range []struct{ name, asked, granted string }{
		{"one", `[{"type":"a"}]`, `[{"type":"a"}]`},
		{"in other words", ` [ { "n" : 1 , "type" : "\u0061" } ] `, `[{"n":1,"type":"a"}]`},
		{"two", `[{"type":"b"},{"type":"a","n":2}]`, `[{"type":"b"},{"n":2,"type":"a"}]`},
		{"a number that float64 has not", `[{"type":"a","n":9007199254740993}]`, `[{"n":9007199254740993,"type":"a"}]`},
		{"a type that the client has not", `[{"type":"c"}]`, ""},
		{"a type that is not registered", `[{"type":"lost"}]`, ""},
		{"one good, one bad", `[{"type":"a"},{"type":"c"}]`, ""},
		{"a member that the schema has not", `[{"type":"a","m":1}]`, ""},
		{"a member in another case", `[{"type":"a","N":1}]`, ""},
		{"a member twice", `[{"type":"a","n":1,"n":1}]`, ""},
		{"a member twice, escaped", `[{"type":"a","n":1,"\u006e":1}]`, ""},
		{"type twice", `[{"type":"c","type":"a"}]`, ""},
		{"no type", `[{"n":1}]`, ""},
		{"a type that is no string", `[{"type":1}]`, ""},
		{"Type", `[{"Type":"a"}]`, ""},
		{"null", `null`, ""},
		{"an object", `{"type":"a"}`, ""},
		{"a string", `"a"`, ""},
		{"no elements", `[]`, ""},
		{"an element that is null", `[null]`, ""},
		{"not closed", `[`, ""},
		{"something after it", `[{"type":"a"}] x`, ""},
		{"another array after it", `[{"type":"a"}][]`, ""},
		{"a lone surrogate", `[{"type":"a","n":"\ud800"}]`, ""},
		{"bytes that are not UTF-8", "[{\"type\":\"a\",\"n\":\"\xff\"}]", ""},
		{"a number with an exponent", `[{"type":"a","n":1e999999999}]`, ""},
		{"a number with many digits", `[{"type":"a","n":` + strings.Repeat("1", 33) + `}]`, ""},
		{"too deep", deep(20), ""},
		{"too long", `[{"type":"a"` + strings.Repeat(" ", 4096) + `}]`, ""},
		{"too many", `[` + strings.Repeat(`{"type":"a"},`, 16) + `{"type":"a"}]`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := good()
			requestDetails(row.asked)(in)
			d := in.decide()
			if row.granted == "" {
				if d.Err == nil || d.Err.Reason != exchange.ReasonAuthorizationDetailsInvalid || d.Details != nil || d.Scopes != nil {
					t.Errorf("got %s, %v", d.Details, d.Err)
				}
				return
			}
			if d.Err != nil || string(d.Details) != row.granted {
				t.Errorf("got %s, %v, want %s", d.Details, d.Err, row.granted)
			}
		})
	}
}

// FuzzAuthorizationDetails checks that what is granted is what was requested,
// whichever decoder reads it, and that a token that has it can be narrowed to it.
func FuzzAuthorizationDetails(f *testing.F) {
	for _, s := range []string{
		`[{"type":"a"}]`, `[{"type":"b","n":1.50},{"type":"a"}]`, `[{"type":"a","n":1,"n":2}]`, ` [{"n":-0,"type":"a"}]`,
		`[{"type":"a","n":"\ud83d\ude00"}]`, `[{"type":"a\ud800"}]`, `[]`, `[[]]`, `{}`, `[{"type":"a"}]]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, asked []byte) {
		in := good()
		in.requested.Details = asked
		d := in.decide()
		if d.Err != nil {
			if d.Details != nil {
				t.Errorf("refused, and granted %s", d.Details)
			}
			return
		}
		var want, got any
		if json.Unmarshal(asked, &want) != nil || json.Unmarshal(d.Details, &got) != nil {
			if len(asked) > 0 {
				t.Fatalf("granted %q for %q", d.Details, asked)
			}
			return
		}
		var once any
		if err := strict.Unmarshal(asked, &once); err != nil {
			t.Errorf("granted %q, of which decoders think differently: %v", asked, err)
		}
		x, _ := json.Marshal(want)
		y, _ := json.Marshal(got)
		if string(x) != string(y) {
			t.Errorf("granted %s for %s", y, x)
		}
		in.parent.Details, in.requested.Details = d.Details, asked
		if again := in.narrow(); again.Err != nil || string(again.Details) != string(d.Details) {
			t.Errorf("a token with %s does not permit %s: %v", d.Details, asked, again.Err)
		}
	})
}
