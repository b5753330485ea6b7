package server

import (
	"encoding/json"
	"testing"
)

func readNumber(body string) (string, error) {
	var n string
	err := Body{Text: []byte(body)}.Members(Member{Name: "n", Into: &n, Number: true})
	return n, err
}

func TestNumberMembers(t *testing.T) {
	for body, want := range map[string]string{
		`{"n":1}`: "1", `{"n": 0 }`: "0", `{"n":137}`: "137", `{"n":"1"}`: "1", `{"n":"0x1"}`: "0x1", `{"n":null}`: "", `{}`: "",
		`{"n":9007199254740991}`: "9007199254740991", `{"n":"9007199254740992"}`: "9007199254740992",
	} {
		if got, err := readNumber(body); err != nil || got != want {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	for _, body := range []string{`{"n":01}`, `{"n":1.0}`, `{"n":1e3}`, `{"n":-1}`, `{"n":+1}`, `{"n":[1]}`, `{"n":true}`, `{"n":-0}`, `{"n":9007199254740992}`, `{"n":1 2}`, `{"n":1`} {
		if got, err := readNumber(body); err == nil {
			t.Errorf("%s was accepted as %q", body, got)
		}
	}
}

// What has one meaning is read in the spellings that backends write.
func TestMembersInOtherSpellings(t *testing.T) {
	for _, row := range []struct {
		body, text string
		flag, ok   bool
	}{
		{`{"flag":true,"list":"a b"}`, "a b", true, true},
		{`{"flag":"true","list":["a","b"]}`, "a b", true, true},
		{`{"flag":"false","list":[]}`, "", false, true},
		{`{"flag":"True"}`, "", false, false},
		{`{"flag":1}`, "", false, false},
		{`{"flag":""}`, "", false, false},
		{`{"list":["a",1]}`, "", false, false},
		{`{"list":["a",["b"]]}`, "", false, false},
		{`{"list":{"a":true}}`, "", false, false},
	} {
		flag, text := false, ""
		err := Body{Text: []byte(row.body)}.Members(Member{Name: "flag", Flag: &flag}, Member{Name: "list", Into: &text, List: true})
		if (err == nil) != row.ok || row.ok && (flag != row.flag || text != row.text) {
			t.Errorf("%s: %v %q, %v", row.body, flag, text, err)
		}
	}
}

func FuzzNumberMembers(f *testing.F) {
	for _, body := range []string{`{"n":1}`, `{"n":"eip155:1"}`, `{"n":01}`, `{"n":1e0}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := readNumber(body)
		if err != nil {
			return
		}
		var number struct{ N *json.Number }
		var text struct{ N *string }
		errNumber, errText := json.Unmarshal([]byte(body), &number), json.Unmarshal([]byte(body), &text)
		switch {
		case errText == nil && text.N != nil && *text.N == got, errText == nil && text.N == nil && got == "":
		case errNumber == nil && number.N != nil && number.N.String() == got:
		default:
			t.Errorf("%q is %q; encoding/json says %v and %v", body, got, errNumber, errText)
		}
	})
}
