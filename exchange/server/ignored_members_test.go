package server

import (
	"encoding/json"
	"strings"
	"testing"

	"cambio/exchange"
)

func readBeside(body string) (string, error) {
	var a string
	err := Body{Text: []byte(body)}.Members(Member{Name: "a", Into: &a}, Member{Name: "other", Ignored: true})
	return a, err
}

func TestIgnoredMembers(t *testing.T) {
	for _, row := range []struct {
		value string
		good  bool
	}{
		{`"x"`, true}, {`null`, true}, {`true`, true}, {`false`, true}, {`0`, true}, {`-1.5e+10`, true}, {`{}`, true}, {`[]`, true},
		{` { "b" : [ 1 , { "c" : "\u00fc" } ] } `, true}, {strings.Repeat("[", 16) + strings.Repeat("]", 16), true},
		{strings.Repeat("[", 17) + strings.Repeat("]", 17), false}, {strings.Repeat("[", 60000), false},
		{`01`, false}, {`.5`, false}, {`1.`, false}, {`abc`, false}, {`+1`, false}, {`tru`, false}, {`nul`, false}, {`{"a"}`, false},
		{`{"a":}`, false}, {`{a:1}`, false}, {`[1,]`, false}, {`[1 2]`, false}, {`{"a":1,}`, false}, {`"\x"`, false}, {`"`, false}, {``, false},
	} {
		a, err := readBeside(`{"other":` + row.value + `,"a":"x"}`)
		if (err == nil) != row.good || err == nil && a != "x" {
			t.Errorf("%.40s: %q, %v", row.value, a, err)
		}
		if err != nil && exchange.AsError(err).Reason.Response().Status != 400 {
			t.Errorf("%.40s: %v", row.value, err)
		}
	}
}

// What is accepted is JSON, and what is ignored changes nothing beside it.
func FuzzIgnoredMembers(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",{"b":null}]}`, `1e5`, `"\ud83d\ude00"`, `[[[[]]]]`, `1,"a":"y"`, `-`, `"x"}{"a":"z"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		body := `{"other":` + value + `,"a":"x"}`
		a, err := readBeside(body)
		if err != nil {
			return
		}
		var want struct {
			A string `json:"a"`
		}
		if !json.Valid([]byte(body)) {
			t.Fatalf("%q was accepted", body)
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil || want.A != a {
			t.Errorf("%q: a is %q, and %q to encoding/json, %v", body, a, want.A, err)
		}
	})
}
