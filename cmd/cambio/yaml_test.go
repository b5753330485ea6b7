package main

import (
	"errors"
	"strings"
	"testing"

	"cambio/exchange"
)

func TestAt(t *testing.T) {
	d, err := parseDocument("f", []byte(`issuers:
  - id: a
    keys:
      certificates:
        kid.with.dots: x
  -   {id: b, scopes: [r, w]}
clients: []
`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]int{
		"$":                 {1, 1},
		"$.issuers":         {1, 1},
		"$.issuers[0]":      {2, 5},
		"$.issuers[0].id":   {2, 5},
		"$.issuers[0].keys": {3, 5},
		"$.issuers[0].keys.certificates.kid.with.dots": {5, 9},
		"$.issuers[0].keys.jwks":                       {3, 5}, // absent: what would hold it
		"$.issuers[0].audiences":                       {2, 5},
		"$.issuers[1].scopes[1]":                       {6, 27},
		"$.issuers[7].id":                              {1, 1},
		"$.issuers[x]":                                 {1, 1},
		"$.issuer":                                     {1, 1},
		"$.clients[0]":                                 {7, 1},
		"":                                             {1, 1},
		"nonsense[":                                    {1, 1},
	} {
		at := d.at(path)
		if at == nil || at.Position.Line != want[0] || at.Position.Column != want[1] {
			t.Errorf("%s: %v, want %v", path, at.Position, want)
		}
	}
	empty, err := parseDocument("f", []byte("# nothing\n"))
	if err != nil || empty.at("$.issuers[0]") != nil || empty.decode(&exchange.Manifest{}) != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestExcerptIsOneLineOfATerminal(t *testing.T) {
	for _, text := range []string{
		"issuers: [{id: " + strings.Repeat("x", 5000) + ", nope: 1}]",
		"issuers: [{id: \"\x1b[31m\", nope: 1}]",
		"\tissuers: 1",
		"issuers: [{\u00e9\u00e9: 1}]",
	} {
		err := decodeManifest(text)
		e, ok := errors.AsType[*faults](err)
		if !ok {
			t.Errorf("%.40q: %v", text, err)
			continue
		}
		shown := e.doc.excerpt(e.list[0])
		if strings.Count(shown, "\n") != 2 || len(shown) > 400 || strings.ContainsAny(shown, "\x1b\t") {
			t.Errorf("%.40q: %q", text, shown)
		}
	}
}

func decodeManifest(text string) error {
	d, err := parseDocument("f", []byte(text))
	if err != nil {
		return err
	}
	return d.decode(&exchange.Manifest{})
}

// Whatever a file holds, it is read or refused; where a place is named, the
// file has it.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{
		"issuers:\n  - id: a\n", "issuers: [{id: a}]", "a: &a [*a]", "? [a]\n: b", "- - -", "issuers: !!binary x",
		"issuers: |\n  x", "{\"issuers\":[]}", "issuers: {<<: {a: 1}}", "---\n...\n---", "issuers:\n- id: 'a\n", "\"issuers\": ~",
		"issuers: [{clockSkew: 1h, keys: {secrets: [{value: x}]}}]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := decodeManifest(text)
		e, ok := errors.AsType[*faults](err)
		if !ok {
			return
		}
		for _, x := range e.list {
			if x.at != nil && (x.at.Position.Line < 1 || x.at.Position.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+2) {
				t.Errorf("line %d of %q", x.at.Position.Line, text)
			}
			e.doc.excerpt(x)
		}
	})
}
