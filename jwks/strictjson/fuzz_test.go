package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// literals makes a Reader accept numbers of any size and keep their text, as
// the oracle does.
var literals = Options{
	MaxDepth: 9_000, AllowNUL: true,
	Number: func(text string) (any, error) { return json.Number(text), nil },
}

// FuzzReader: a document is accepted exactly if jsontext accepts it, with
// duplicate names and invalid UTF-8 refused, and nothing after it; and both read
// the same value. Value, Raw, Skip and the loops agree on what is a document.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		`{}`, idToken, `{"a":"\ud83d\ude00\u0000"}`, `{"a":{"b":[true,false,null,{}]}}`, `{"a":1,"a":2}`, `[1e999,-0.5]`,
		"{\"a\":\"\xff\"}", `{"a":"\ude00"}`, `{"é":"\u00g0"}`, `[1,]`, "\"a\\\n\"", `01`, ` true `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := oracle(text)
		r := New(text, literals)
		got := r.Value()
		if err := r.End(); (err == nil) != (wantErr == nil) {
			if !errors.Is(err, ErrDepth) {
				t.Fatalf("Value of %q: %v; jsontext: %v", text, err, wantErr)
			}
			return
		} else if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("Value of %q is %#v; jsontext reads %#v", text, got, want)
		}
		if err := Check(text, literals); (err == nil) != (wantErr == nil) {
			t.Fatalf("Check of %q: %v; jsontext: %v", text, err, wantErr)
		}
		r = New(text, literals)
		got = walk(&r)
		if err := r.End(); (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("walking %q: %#v, %v; jsontext: %#v, %v", text, got, err, want, wantErr)
		}
		r = New(text, literals)
		if raw := r.Raw(); r.End() == nil && raw != strings.Trim(text, " \t\r\n") {
			t.Fatalf("Raw of %q is %q", text, raw)
		}
	})
}

// oracle reads one document by jsontext.
func oracle(text string) (any, error) {
	d := jsontext.NewDecoder(strings.NewReader(text))
	v, err := oracleValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("trailing data")
	}
	return v, nil
}

func oracleValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case '[':
		list := []any{}
		for d.PeekKind() != ']' {
			v, err := oracleValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.ReadToken()
		return list, err
	}
	members := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if members[key], err = oracleValue(d); err != nil {
			return nil, err
		}
	}
	_, err = d.ReadToken()
	return members, err
}

// walk reads a value by the methods that callers with a fixed layout use.
func walk(r *Reader) any {
	switch r.Kind() {
	case '{':
		members := map[string]any{}
		for name := range r.Object() {
			members[name] = walk(r)
		}
		return members
	case '[':
		list := []any{}
		for range r.Array() {
			list = append(list, walk(r))
		}
		return list
	case '"':
		return r.String()
	case 't', 'f':
		return r.Bool()
	case 'n':
		r.Null()
		return nil
	}
	return json.Number(r.NumberText())
}

// FuzzBuffer: what a Buffer writes, encoding/json and a Reader read as what was
// given, with U+FFFD for bytes that are not UTF-8; and it has no "<".
func FuzzBuffer(f *testing.F) {
	f.Add("name", "value", int64(-5), []byte(`{"a":[1,2.5,"x",null,true,{}]}`))
	f.Add("é<\x00\"\\", "\xff\u2028</script>", int64(1<<62), []byte(`[]`))
	f.Fuzz(func(t *testing.T, name, text string, n int64, document []byte) {
		r := New(string(document), Options{AllowNUL: true})
		v := r.Value()
		if r.End() != nil {
			v = nil
		}
		b, err := Buffer(nil).Begin().String("s"+name, text).Int("n"+name, n).Strings("l"+name, []string{text, name}).Value("v"+name, v)
		if err != nil {
			t.Fatal(err)
		}
		b = b.Bool("b"+name, true).Key("o"+name).Begin().OmitString("x", text).End().End()
		name, text = eachInvalid(name), eachInvalid(text)
		want := map[string]any{
			"s" + name: text, "n" + name: n, "l" + name: []any{text, name}, "v" + name: v, "b" + name: true, "o" + name: map[string]any{},
		}
		if text != "" {
			want["o"+name] = map[string]any{"x": text}
		}
		r = New(string(b), Options{AllowNUL: true, MaxDepth: 17})
		if got := r.Value(); r.End() != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s was read as %#v, %v; want %#v", b, got, r.End(), want)
		}
		var std map[string]any
		if err := json.Unmarshal(b, &std); err != nil || std["s"+name] != text {
			t.Fatalf("%s was read by encoding/json as %#v, %v", b, std, err)
		}
		if v == nil && bytes.ContainsRune(b, '<') {
			t.Fatalf("%s has a <", b)
		}
	})
}

// eachInvalid replaces each byte that is not UTF-8 by U+FFFD.
func eachInvalid(s string) string { return string([]rune(s)) }
