package jwks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4/json"
)

func TestReadObject(t *testing.T) {
	for _, good := range []string{
		`{}`, ` { "a" : 1 , "b" : [ ] } `, `{"a":-0.5e+10,"b":true,"c":false,"d":null}`,
		`{"a":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"}`, `{"a":"é😀"}`, `{"":""}`,
		`{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`,
	} {
		if _, err := readObject([]byte(good), true); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, row := range []struct {
		name, json string
		want       error
	}{
		{"nothing", ``, errJSON},
		{"an array", `[]`, errJSON},
		{"no end", `{"a":1`, errJSON},
		{"a comma before the end", `{"a":1,}`, errJSON},
		{"no comma", `{"a":1 "b":2}`, errJSON},
		{"no colon", `{"a" 1}`, errJSON},
		{"no value", `{"a":}`, errJSON},
		{"a bare name", `{a:1}`, errJSON},
		{"a control byte", "{\"a\":\"\n\"}", errJSON},
		{"an unknown escape", `{"a":"\x41"}`, errJSON},
		{"a short escape", `{"a":"\u00e"}`, errJSON},
		{"a high surrogate alone", `{"a":"\ud83d"}`, errUTF8},
		{"a low surrogate alone", `{"a":"\ude00"}`, errUTF8},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, errUTF8},
		{"bad UTF-8 in a value", "{\"a\":\"\xff\"}", errUTF8},
		{"bad UTF-8 in a name", "{\"\xff\":1}", errUTF8},
		{"an encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}", errUTF8},
		{"a leading zero", `{"a":01}`, errJSON},
		{"a plus sign", `{"a":+1}`, errJSON},
		{"no digits after the point", `{"a":1.}`, errJSON},
		{"no digits in the exponent", `{"a":1e}`, errJSON},
		{"NaN", `{"a":NaN}`, errJSON},
		{"a second value", `{} {}`, errTrailing},
		{"a NUL at the end", "{}\x00", errTrailing},
		{"a duplicate", `{"a":1,"a":1}`, errDuplicate},
		{"an escaped duplicate", `{"a":1,"\u0061":1}`, errDuplicate},
		{"a duplicate inside", `{"b":{"a":1,"a":1}}`, errDuplicate},
		{"a duplicate inside an array", `{"b":[{"a":1,"a":1}]}`, errDuplicate},
		{"a duplicate among many", `{` + manyMembers(40) + `,"m7":0}`, errDuplicate},
		{"17 levels", `{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, errDepth},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := readObject([]byte(row.json), true); !errors.Is(err, row.want) || got != nil {
				t.Fatalf("readObject = %v, %v; want %v", got, err, row.want)
			}
		})
	}
}

func manyMembers(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"m%d":0`, i))
	}
	return strings.Join(out, ",")
}

// TestReadObjectShallow leaves duplicates inside to whoever reads there.
func TestReadObjectShallow(t *testing.T) {
	if _, err := readObject([]byte(`{"b":{"a":1,"a":1}}`), false); err != nil {
		t.Error(err)
	}
	if _, err := readObject([]byte(`{"a":1,"a":1}`), false); !errors.Is(err, errDuplicate) {
		t.Errorf("got %v, want a duplicate", err)
	}
}

func TestNoVariants(t *testing.T) {
	for _, name := range []string{"Alg", "ALG", "aLg"} {
		if noVariants([]member{{name: name}}, []string{"alg"}) == nil {
			t.Errorf("%q went for another name than alg", name)
		}
	}
	// U+212A, the Kelvin sign, folds to k.
	if noVariants([]member{{name: "\u212aid"}}, []string{"kid"}) == nil {
		t.Error("a Kelvin sign went for another letter than k")
	}
	if err := noVariants([]member{{name: "alg"}, {name: "algo"}}, []string{"alg"}); err != nil {
		t.Error(err)
	}
}

// FuzzReadObject: what is accepted, go-jose's strict decoder accepts with the
// same names, each once.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"a":"\u0062","c":[1,{"d":null}]}`, `{"a":-1.5e3}`, `{"é":"\ud83d\ude00"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := readObject(data, true)
		if err != nil {
			if members != nil {
				t.Fatalf("an error came with %v", members)
			}
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("accepted %q, go-jose says %v", data, err)
		}
		if len(want) != len(members) {
			t.Fatalf("%d members of %q, want %d", len(members), data, len(want))
		}
		for _, m := range members {
			if got, ok := want[m.name]; !ok || !slices.Equal(got, m.value) {
				t.Fatalf("%q is %q, want %q", m.name, m.value, got)
			}
		}
	})
}
