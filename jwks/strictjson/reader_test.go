package strictjson

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestReaderRefuses(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       error // nil: accepted
	}{
		{"empty object", `{}`, nil},
		{"white space", " \t\r\n{ \"a\" : 1 , \"b\" : [ ] } \n", nil},
		{"numbers", `{"a":-0.5e+10,"b":0,"c":[1E9,12.5]}`, nil},
		{"words", `{"a":true,"b":false,"c":null}`, nil},
		{"escapes", `{"a":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"}`, nil},
		{"empty name", `{"":""}`, nil},
		{"same name at two levels", `{"b":{"a":1},"a":1}`, nil},
		{"not an object", `"a"`, nil},

		{"nothing", ``, ErrSyntax},
		{"no end", `{"a":1`, ErrSyntax},
		{"comma before the end", `{"a":1,}`, ErrSyntax},
		{"comma before the end of an array", `[1,]`, ErrSyntax},
		{"comma at the start", `{,"a":1}`, ErrSyntax},
		{"no comma", `{"a":1 "b":2}`, ErrSyntax},
		{"no colon", `{"a" 1}`, ErrSyntax},
		{"no value", `{"a":}`, ErrSyntax},
		{"name without quotes", `{a:1}`, ErrSyntax},
		{"half a word", `{"a":tru}`, ErrSyntax},
		{"NaN", `{"a":NaN}`, ErrSyntax},
		{"byte order mark", "\ufeff{}", ErrSyntax},
		{"control byte", "{\"a\":\"\n\"}", ErrSyntax},
		{"control byte after an escape", "{\"a\":\"\\n\n\"}", ErrSyntax},
		{"string without end", `{"a":"b`, ErrSyntax},
		{"escaped string without end", `{"a":"\n`, ErrSyntax},
		{"unknown escape", `{"a":"\x41"}`, ErrSyntax},
		{"short escape", `{"a":"\u00`, ErrSyntax},
		{"sign in an escape", `{"a":"\u+123"}`, ErrSyntax},
		{"leading zero", `{"a":01}`, ErrSyntax},
		{"leading plus", `{"a":+1}`, ErrSyntax},
		{"no digit after the point", `{"a":1.}`, ErrSyntax},
		{"no digit before the point", `{"a":.5}`, ErrSyntax},
		{"no digit in the exponent", `{"a":1e}`, ErrSyntax},
		{"only a sign", `{"a":-}`, ErrSyntax},
		{"hexadecimal", `{"a":0x10}`, ErrSyntax},

		{"second document", `{} {}`, ErrTrailing},
		{"NUL at the end", "{}\x00", ErrTrailing},

		{"invalid UTF-8 in a value", "{\"a\":\"\xff\"}", ErrUTF8},
		{"invalid UTF-8 in a name", "{\"\xff\":1}", ErrUTF8},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", ErrUTF8},
		{"surrogate as UTF-8", "{\"a\":\"\xed\xa0\x80\"}", ErrUTF8},
		{"high surrogate alone", `{"a":"\ud83d"}`, ErrUTF8},
		{"high surrogate before another escape", `{"a":"\ud83d\u0061"}`, ErrUTF8},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, ErrUTF8},
		{"low surrogate alone", `{"a":"\ude00"}`, ErrUTF8},
		{"NUL", `{"a":"\u0000"}`, ErrNUL},

		{"duplicate", `{"a":1,"a":1}`, ErrDuplicate},
		{"escaped duplicate", `{"a":1,"\u0061":1}`, ErrDuplicate},
		{"duplicate inside", `{"b":{"a":1,"a":1}}`, ErrDuplicate},
		{"duplicate inside an array", `{"b":[{"a":1,"a":1}]}`, ErrDuplicate},
		{"duplicate among many", `{` + manyMembers(40) + `,"m37":0}`, ErrDuplicate},
		{"duplicate of an early one among many", `{` + manyMembers(40) + `,"m0":0}`, ErrDuplicate},
		{"many", `{` + manyMembers(40) + `}`, nil},

		{"16 levels", `{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, nil},
		{"17 levels", `{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, ErrDepth},
		{"a million levels", strings.Repeat("[", 1_000_000), ErrDepth},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := Check(row.text, Options{}); !errors.Is(err, row.want) {
				t.Errorf("Check: %v, want %v", err, row.want)
			}
			r := New(row.text, Options{})
			v := r.Value()
			if err := r.End(); !errors.Is(err, row.want) {
				t.Errorf("Value: %v, want %v", err, row.want)
			} else if err != nil && !errors.Is(err, ErrTrailing) && v != nil {
				t.Errorf("an error came with %v", v)
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

func TestValueOfNumbers(t *testing.T) {
	for text, want := range map[string]any{
		"0": int64(0), "-0": int64(0), "9223372036854775807": int64(1<<63 - 1), "-9223372036854775808": int64(-1 << 63),
		"1.50e2": int64(150), "1.0": int64(1), "-1.5": -1.5, "1e-7": 1e-7,
		"9007199254740991.0": int64(1<<53 - 1), "9007199254740993": int64(1<<53 + 1), "9007199254740993.0": nil, "-9007199254740993.0": nil, "1e16": nil,
		"9223372036854775808": nil, "9223372036854775808.0": nil, "-1e19": nil, "1e999": nil, "0." + strings.Repeat("1", 30): nil,
	} {
		r := New(text, Options{})
		if got := r.Value(); got != want || errors.Is(r.End(), ErrNumber) != (want == nil) {
			t.Errorf("%s: %#v, %v; want %#v", text, got, r.End(), want)
		}
	}
	literal := func(text string) (any, error) { return "<" + text + ">", nil }
	r := New(`[1e999,{"a":0.10}]`, Options{Number: literal})
	if got, want := r.Value(), []any{"<1e999>", map[string]any{"a": "<0.10>"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, r.End(), want)
	}
}

func TestInt64TakesWholeNumbersOnly(t *testing.T) {
	for text, want := range map[string]error{
		"12": nil, "-12": nil, "1.0": ErrNumber, "1e2": ErrNumber, "9223372036854775808": ErrNumber, `"1"`: ErrType, "null": ErrType, "": ErrSyntax,
	} {
		r := New(text, Options{})
		if n := r.Int64(); !errors.Is(r.End(), want) || want != nil && n != 0 {
			t.Errorf("%s: %d, %v; want %v", text, n, r.End(), want)
		}
	}
}

func TestMembersAreReadOrSkipped(t *testing.T) {
	r := New(`{"a":[{"x":1},{"x":2}],"b":{"c":"d"},"e":"f","g":true,"h":null,"i":-1.5,"j":["k","l"],"m":null,"n":1}`, Options{})
	var got []any
	for name := range r.Object() {
		switch name {
		case "a":
			for i := range r.Array() {
				for range r.Object() {
					got = append(got, i, r.Int64())
				}
			}
		case "e":
			got = append(got, r.String())
		case "g":
			got = append(got, r.Bool())
		case "h":
			got = append(got, r.Null(), string(r.Kind()))
		case "i":
			got = append(got, string(r.Kind()), r.NumberText())
		case "j":
			got = append(got, r.Strings())
		case "m", "n":
			got = append(got, r.Null())
		}
	}
	want := []any{0, int64(1), 1, int64(2), "f", true, true, "\x00", "0", "-1.5", []string{"k", "l"}, true, false}
	if err := r.End(); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%#v, %v; want %#v", got, err, want)
	}
}

func TestRawIsTheTextOfAValue(t *testing.T) {
	r := New(` [ {"a" : [1,"]"]} , "x\"" , 1e5 ] `, Options{})
	var got []string
	for range r.Array() {
		got = append(got, r.Raw())
	}
	if want := []string{`{"a" : [1,"]"]}`, `"x\""`, `1e5`}; r.End() != nil || !slices.Equal(got, want) {
		t.Fatalf("%q, %v; want %q", got, r.End(), want)
	}
}

func TestWrongTypesNameTheirMember(t *testing.T) {
	for _, read := range []func(r *Reader){
		func(r *Reader) { r.Bool() },
		func(r *Reader) { r.Int64() },
		func(r *Reader) { r.NumberText() },
		func(r *Reader) { r.Map() },
		func(r *Reader) { r.Strings() },
		func(r *Reader) {
			for range r.Object() {
				t.Error("a string was read as an object")
			}
		},
	} {
		r := New(`{"a":"b","c":1}`, Options{})
		for range r.Object() {
			read(&r)
		}
		e, ok := errors.AsType[*Error](r.End())
		if !ok || e.Kind != ErrType || e.Name != "a" || e.At != 5 {
			t.Errorf("%+v, want the wrong type of a at byte 5", e)
		}
		if strings.Contains(e.Error(), `"`) {
			t.Errorf("%q repeats the document", e.Error())
		}
	}
}

func TestFirstErrorStays(t *testing.T) {
	r, own := New(`{"a":1,"b":{"c":1},"d":[1]}`, Options{}), errors.New("own")
	for name := range r.Object() {
		if name == "b" {
			r.Fail(own)
			r.Fail(errors.New("later"))
		}
	}
	if r.String() != "" || r.Int64() != 0 || r.Bool() || r.Null() || r.Raw() != "" || r.Value() != nil || r.Map() != nil || r.Strings() != nil || r.NumberText() != "" || r.Kind() != 0 {
		t.Error("a value was read after an error")
	}
	if r.Err() != own || r.End() != own {
		t.Errorf("%v, want the caller's error", r.End())
	}
}

func TestOptions(t *testing.T) {
	if err := Check(`{"a":"\u0000"}`, Options{AllowNUL: true}); err != nil {
		t.Errorf("AllowNUL: %v", err)
	}
	if err := Check(`[[[]]]`, Options{MaxDepth: 2}); !errors.Is(err, ErrDepth) {
		t.Errorf("MaxDepth: %v", err)
	}
	shallow := Options{ShallowDuplicates: true}
	r := New(`{"b":{"a":1,"a":1},"c":[{"a":1,"a":1}]}`, shallow)
	for range r.Object() {
		r.Raw()
	}
	if err := r.End(); err != nil {
		t.Errorf("ShallowDuplicates: %v", err)
	}
	r = New(`{"a":1,"a":1}`, shallow)
	for range r.Object() {
	}
	if err := r.End(); !errors.Is(err, ErrDuplicate) {
		t.Errorf("ShallowDuplicates: %v, want a duplicate", err)
	}
}

func TestCaseVariantsOfKnownNames(t *testing.T) {
	known := Options{Known: Known("iss", "kid", "x5t#S256")}
	for name, want := range map[string]error{
		"iss": nil, "sub": nil, "issuer": nil, "x5t#S256": nil,
		"Iss": ErrVariant, "ISS": ErrVariant, `\u0049ss`: ErrVariant, "x5t#s256": ErrVariant, "X5T#S256": ErrVariant,
		"i\u017fs": ErrVariant, // long s folds to s
		"\u212aid": ErrVariant, // Kelvin sign folds to k
	} {
		if err := Check(`{"`+name+`":1}`, known); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if err := Check(`{"iss":{"Iss":1}}`, known); err != nil {
		t.Errorf("inside: %v", err)
	}
}

// idToken has the claims of a usual ID token.
const idToken = `{"iss":"https://accounts.example.com/realms/one","sub":"auth0|5f7c8ec7c33c6c004bbafe82","aud":["my-app","other"],"azp":"my-app","iat":1700000000,"exp":1700003600,"auth_time":1699999999,"nonce":"n-0S6_WzA2Mj","email":"alice@example.com","email_verified":true,"name":"Alice Example","acr":"urn:mace:incommon:iap:silver","amr":["pwd","otp"],"groups":["staff","admin","devs"],"jti":"7a6f1c0e-6c1b-4b5f-9a52-0123456789ab"}`

func BenchmarkMap(b *testing.B) {
	options := Options{Known: Known("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "auth_time", "acr", "amr", "email", "name")}
	b.ReportAllocs()
	for b.Loop() {
		r := New(idToken, options)
		r.Map()
		if err := r.End(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkObject(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r := New(idToken, Options{})
		iss := ""
		for name := range r.Object() {
			if name == "iss" {
				iss = r.String()
			}
		}
		if err := r.End(); err != nil || iss == "" {
			b.Fatal(err)
		}
	}
}
