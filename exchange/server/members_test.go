package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"cambio/exchange"
)

// readTwo reads an object with the members a and b, and a flag f.
func readTwo(body string) (a, b string, err error) {
	a, b, _, err = readThree(body)
	return a, b, err
}

func readThree(body string) (a, b string, f bool, err error) {
	err = Body{Text: []byte(body)}.Members(Member{Name: "a", Into: &a}, Member{Name: "b", Into: &b}, Member{Name: "f", Flag: &f})
	return a, b, f, err
}

func TestMembers(t *testing.T) {
	for _, row := range []struct {
		name, body, a string
		reason        exchange.Reason // empty: accepted
	}{
		{"two members", `{"a":"x","b":"y"}`, "x", ""},
		{"white space", " {\r\n\t\"a\" : \"x\" } \n", "x", ""},
		{"empty", `{}`, "", ""},
		{"null is absent", `{"a":null}`, "", ""},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\tA\u00fc"}`, "\"\\/\b\f\n\r\tAü", ""},
		{"an escaped name", `{"\u0061":"x"}`, "x", ""},
		{"surrogate pair", `{"a":"\ud83d\uDE00"}`, "😀", ""},
		{"not an object", `["a"]`, "", exchange.ReasonRequestMalformed},
		{"nothing", ``, "", exchange.ReasonRequestMalformed},
		{"cut", `{"a":"x"`, "", exchange.ReasonRequestMalformed},
		{"trailing comma", `{"a":"x",}`, "", exchange.ReasonRequestMalformed},
		{"no comma", `{"a":"x" "b":"y"}`, "", exchange.ReasonRequestMalformed},
		{"trailing data", `{"a":"x"}{}`, "", exchange.ReasonRequestMalformed},
		{"trailing NUL", "{\"a\":\"x\"}\x00", "", exchange.ReasonRequestMalformed},
		{"comment", `{/**/"a":"x"}`, "", exchange.ReasonRequestMalformed},
		{"single quotes", `{'a':'x'}`, "", exchange.ReasonRequestMalformed},
		{"not UTF-8", "{\"a\":\"\xff\"}", "", exchange.ReasonRequestMalformed},
		{"byte order mark", "\ufeff{}", "", exchange.ReasonRequestMalformed},
		{"an unknown member", `{"c":"x"}`, "", exchange.ReasonParameterInvalid},
		{"another case", `{"A":"x"}`, "", exchange.ReasonParameterInvalid},
		{"an unknown member that nests", `{"c":` + strings.Repeat("[", 60000) + `}`, "", exchange.ReasonParameterInvalid},
		{"repeated", `{"a":"x","a":"x"}`, "", exchange.ReasonParameterRepeated},
		{"repeated in another spelling", `{"a":"x","\u0061":"y"}`, "", exchange.ReasonParameterRepeated},
		{"repeated after null", `{"a":null,"a":"x"}`, "", exchange.ReasonParameterRepeated},
		{"a number", `{"a":1}`, "", exchange.ReasonParameterInvalid},
		{"an object", `{"a":{}}`, "", exchange.ReasonParameterInvalid},
		{"true", `{"a":true}`, "", exchange.ReasonParameterInvalid},
		{"NUL", `{"a":"\u0000"}`, "", exchange.ReasonRequestMalformed},
		{"a raw control character", "{\"a\":\"\n\"}", "", exchange.ReasonRequestMalformed},
		{"a lone high surrogate", `{"a":"\ud83d"}`, "", exchange.ReasonRequestMalformed},
		{"a lone low surrogate", `{"a":"\ude00"}`, "", exchange.ReasonRequestMalformed},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, "", exchange.ReasonRequestMalformed},
		{"an unknown escape", `{"a":"\x41"}`, "", exchange.ReasonRequestMalformed},
		{"a cut escape", `{"a":"\u00`, "", exchange.ReasonRequestMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, _, err := readTwo(row.body)
			if row.reason == "" {
				if err != nil || a != row.a {
					t.Errorf("got %q, %v, want %q", a, err, row.a)
				}
				return
			}
			if err == nil || exchange.AsError(err).Reason != row.reason {
				t.Errorf("got %v, want %s", err, row.reason)
			}
		})
	}
}

func TestMembersNameWhatIsWrong(t *testing.T) {
	_, _, err := readTwo(`{"tok\nen":"x"}`)
	if d := exchange.AsError(err).Description; d != `member "tok\nen" is not known here` {
		t.Error(d)
	}
	var a string
	err = Body{Text: []byte(`{"a":""}`)}.Members(Member{Name: "a", Into: &a, Required: true})
	if e := exchange.AsError(err); e.Reason != exchange.ReasonParameterMissing || e.Description != "a is missing" {
		t.Error(e.Description)
	}
}

func TestFlagMembers(t *testing.T) {
	for body, want := range map[string]exchange.Reason{
		`{"f":true}`: "", `{"f": false}`: "", `{"f":null}`: "", `{}`: "",
		`{"f":"TRUE"}`:         exchange.ReasonParameterInvalid,
		`{"f":1}`:              exchange.ReasonParameterInvalid,
		`{"f":True}`:           exchange.ReasonRequestMalformed,
		`{"f":truest}`:         exchange.ReasonRequestMalformed,
		`{"f":true,"f":false}`: exchange.ReasonParameterRepeated,
	} {
		var f bool
		err := Body{Text: []byte(body)}.Members(Member{Name: "f", Flag: &f, Required: true})
		if want == "" && (err != nil || f != (body == `{"f":true}`)) || want != "" && (err == nil || exchange.AsError(err).Reason != want) {
			t.Errorf("%s: %v, %v", body, f, err)
		}
	}
}

// What is accepted, encoding/json reads the same.
func FuzzMembers(f *testing.F) {
	f.Add(`{"a":"x\u00fc\ud83d\ude00","b":null}`)
	f.Add(` {"\u0061":"\/","b" : "y"} `)
	f.Add(`{"f":true,"a":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		a, b, flag, err := readThree(body)
		if err != nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q was accepted; encoding/json says %v", body, err)
		}
		if w, _ := want["f"].(bool); w != flag {
			t.Errorf("%q: f is %v", body, flag)
		}
		for name, got := range map[string]string{"a": a, "b": b} {
			if w, ok := want[name].(string); w != got || !ok && want[name] != nil {
				t.Errorf("%q: %s is %q", body, name, got)
			}
			if !utf8.ValidString(got) || strings.Contains(got, "\x00") {
				t.Errorf("%q: %s is %q", body, name, got)
			}
		}
		if len(want) > 3 {
			t.Errorf("%q: an unknown member was accepted", body)
		}
	})
}
