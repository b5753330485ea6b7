package subject

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	josejson "github.com/go-jose/go-jose/v4/json"
)

func TestDecode(t *testing.T) {
	nested := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	for _, tc := range []struct {
		name, in string
		want     map[string]any // nil: refused
	}{
		{"empty object", `{}`, map[string]any{}},
		{"white space around", " \t\r\n{ \"a\" : 1 , \"b\" : [ ] } \n", map[string]any{"a": int64(1), "b": []any{}}},
		{"trailing data", `{} {}`, nil},
		{"trailing NUL", "{}\x00", nil},
		{"trailing comma", `{"a":1,}`, nil},
		{"array", `[]`, nil},
		{"string", `"a"`, nil},
		{"null", `null`, nil},
		{"nothing", ``, nil},
		{"byte order mark", "\ufeff{}", nil},
		{"words", `{"a":true,"b":false,"c":null}`, map[string]any{"a": true, "b": false, "c": nil}},
		{"half a word", `{"a":tru}`, nil},
		{"word of Go", `{"a":NaN}`, nil},

		{"duplicate", `{"a":1,"a":1}`, nil},
		{"duplicate in another spelling", `{"a":1,"\u0061":1}`, nil},
		{"duplicate below", `{"b":{"a":1,"a":1}}`, nil},
		{"duplicate in an array", `{"b":[{"a":1,"a":1}]}`, nil},
		{"same name in two objects", `{"b":{"a":1},"a":1}`, map[string]any{"b": map[string]any{"a": int64(1)}, "a": int64(1)}},
		{"name without quotes", `{a:1}`, nil},

		{"16 deep", nested(16), nil},
		{"17 deep", nested(17), nil},

		{"not UTF-8", "{\"a\":\"\xff\"}", nil},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", nil},
		{"surrogate as UTF-8", "{\"a\":\"\xed\xa0\x80\"}", nil},
		{"control byte", "{\"a\":\"\n\"}", nil},
		{"control byte after an escape", "{\"a\":\"\\n\n\"}", nil},
		{"string without end", `{"a":"b`, nil},
		{"escaped string without end", `{"a":"\n`, nil},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e9"}`, map[string]any{"a": "\"\\/\b\f\n\r\té"}},
		{"surrogate pair", `{"a":"\ud83d\ude00"}`, map[string]any{"a": "😀"}},
		{"high surrogate alone", `{"a":"\ud83d"}`, nil},
		{"high surrogate before another escape", `{"a":"\ud83d\u0061"}`, nil},
		{"low surrogate alone", `{"a":"\ude00"}`, nil},
		{"replacement character, meant", `{"a":"\ufffd"}`, map[string]any{"a": "\ufffd"}},
		{"unknown escape", `{"a":"\x41"}`, nil},
		{"short escape", `{"a":"\u00`, nil},
		{"bad hex", `{"a":"\u00g0"}`, nil},

		{"largest integer", `{"a":9223372036854775807}`, map[string]any{"a": int64(9223372036854775807)}},
		{"smallest integer", `{"a":-9223372036854775808}`, map[string]any{"a": int64(-9223372036854775808)}},
		{"integer too large", `{"a":9223372036854775808}`, nil},
		{"integral float", `{"a":1.50e2}`, map[string]any{"a": int64(150)}},
		{"integral float too large", `{"a":9223372036854775808.0}`, nil},
		{"integral float too small", `{"a":-1e19}`, nil},
		{"float", `{"a":-1.5}`, map[string]any{"a": -1.5}},
		{"infinite", `{"a":1e999}`, nil},
		{"too long", `{"a":0.` + strings.Repeat("1", 30) + `}`, nil},
		{"leading zero", `{"a":01}`, nil},
		{"leading plus", `{"a":+1}`, nil},
		{"no digit after the point", `{"a":1.}`, nil},
		{"no digit before the point", `{"a":.5}`, nil},
		{"no digit in the exponent", `{"a":1e}`, nil},
		{"only a sign", `{"a":-}`, nil},
		{"hexadecimal", `{"a":0x10}`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := decode(tc.in)
			if tc.name == "16 deep" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if (err == nil) != (tc.want != nil) {
				t.Fatalf("got %v, %v", got, err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Fatalf("got %#v, want %#v", got, tc.want)
			}
		})
	}
}

// FuzzDecode: an error comes with no claims; what is accepted, go-jose's
// decoder accepts with the same meaning; and storing it as JSON changes
// nothing.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"iss":"https://a","aud":["x","y"],"exp":1700000000,"n":-1.5e3}`, `{"a":"\ud83d\ude00\u0000"}`,
		`{"a":{"b":[true,false,null,{}]}}`, `{"a":1,"a":2}`, `{"a":1e999}`, "{\"a\":\"\xff\"}", `{"a":9007199254740993}`, `{"a":1e18,"b":1e20,"c":1e-7}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := decode(string(in))
		if err != nil {
			if got != nil {
				t.Fatalf("error %v with claims %v", err, got)
			}
			return
		}
		if want := joseDecode(t, in); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, go-jose %#v", got, want)
		}
		stored, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decode(string(stored)); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("stored as %s: got %#v, %v, want %#v", stored, again, err, got)
		}
	})
}

// joseDecode is decode by go-jose, whose numbers stay as they are written.
func joseDecode(t *testing.T, in []byte) any {
	d := josejson.NewDecoder(bytes.NewReader(in))
	d.SetNumberType(josejson.UnmarshalJSONNumber)
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("go-jose refuses: %v", err)
	}
	return plain(t, v)
}

func plain(t *testing.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(t, v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(t, v[i])
		}
	case josejson.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatalf("go-jose reads a number of no value: %v", err)
		}
		if f == math.Trunc(f) {
			return int64(f)
		}
		return f
	}
	return v
}

func BenchmarkDecode(b *testing.B) {
	payload := `{"iss":"https://accounts.example.com/realms/one","sub":"auth0|5f7c8ec7c33c6c004bbafe82","aud":["my-app","other"],"azp":"my-app","iat":1700000000,"exp":1700003600,"auth_time":1699999999,"nonce":"n-0S6_WzA2Mj","email":"alice@example.com","email_verified":true,"name":"Alice Example","acr":"urn:mace:incommon:iap:silver","amr":["pwd","otp"],"groups":["staff","admin","devs"],"jti":"7a6f1c0e-6c1b-4b5f-9a52-0123456789ab"}`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(payload); err != nil {
			b.Fatal(err)
		}
	}
}
