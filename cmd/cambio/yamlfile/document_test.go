package yamlfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cambio/exchange"
)

func TestPathsHavePlaces(t *testing.T) {
	d, err := Parse("f", []byte(`issuers:
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
		"$.issuers[0].keys.jwks":                       {3, 5}, // absent: its parent
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
	empty, err := Parse("f", []byte("# nothing\n"))
	if err != nil || empty.at("$.issuers[0]") != nil || empty.Decode(&exchange.Manifest{}) != nil {
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
		e, ok := errors.AsType[Errors](err)
		if !ok {
			t.Errorf("%.40q: %v", text, err)
			continue
		}
		shown := e[0].Excerpt
		if strings.Count(shown, "\n") != 2 || len(shown) > 400 || strings.ContainsAny(shown, "\x1b\t") {
			t.Errorf("%.40q: %q", text, shown)
		}
	}
}

func decodeManifest(text string) error {
	d, err := Parse("f", []byte(text))
	if err != nil {
		return err
	}
	return d.Decode(&exchange.Manifest{})
}

// Any text is decoded or refused, and each place of an error is in the file.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{
		"issuers:\n  - id: a\n", "issuers: [{id: a}]", "a: &a [*a]", "? [a]\n: b", "- - -", "issuers: !!binary x",
		"issuers: |\n  x", "{\"issuers\":[]}", "issuers: {<<: {a: 1}}", "---\n...\n---", "issuers:\n- id: 'a\n", "\"issuers\": ~",
		"issuers: [{clockSkew: 1h, keys: {secrets: [{value: x}]}}]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := errors.AsType[Errors](decodeManifest(text))
		for _, e := range all {
			var line, column int
			if n, _ := fmt.Sscanf(e.Place, "f:%d:%d", &line, &column); n == 2 && (line < 1 || line > strings.Count(text, "\n")+strings.Count(text, "\r")+2) {
				t.Errorf("line %d of %q", line, text)
			}
		}
	})
}

// All errors of a file are reported together, each with its place and hint.
func TestDecodeReportsEveryError(t *testing.T) {
	err := decodeManifest("issuers:\n  - id: 5\n    audience: [app]\nclients: &a []\n")
	e, ok := errors.AsType[Errors](err)
	if !ok || len(e) != 3 {
		t.Fatal(err)
	}
	want := Errors{
		{Place: "f:2:9", Message: "want a string, got a number", Hint: "put it in quotes", Excerpt: "    2 |   - id: 5\n      |         ^\n"},
		{Place: "f:3:5", Message: `unknown field "audience"; did you mean audiences?`, Excerpt: "    3 |     audience: [app]\n      |     ^\n"},
		{Place: "f:4:10", Message: "anchors, aliases and tags are not read here", Hint: "write the value itself at each place", Excerpt: "    4 | clients: &a []\n      |          ^\n"},
	}
	if !slices.Equal(e, want) {
		t.Errorf("got %q, want %q", e, want)
	}
}

// Problems by path are placed in the file, and secrets are in no excerpt.
func TestRefuse(t *testing.T) {
	d, err := Parse("f", []byte("issuers:\n  - id: a\n    keys: {secrets: [{value: hunter2}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Refuse(nil); err != nil {
		t.Errorf("without problems: %v", err)
	}
	err = d.Refuse([]exchange.Problem{{Path: "$.issuers[0].keys.secrets[0].value", Message: "is too short"}, {Path: "$", Message: "is odd"}})
	if got := err.Error(); got != "f:3:23: issuers[0].keys.secrets[0].value: is too short\nf:1:1: is odd" {
		t.Errorf("got %s", got)
	}
	if e, _ := errors.AsType[Errors](err); strings.Contains(e[0].Excerpt, "hunter2") || !strings.Contains(e[0].Excerpt, "value: …") {
		t.Errorf("the excerpt is %s", e[0].Excerpt)
	}
}

// Each text has a problem beside a secret that no field of the error may show.
func TestErrorsHideSecrets(t *testing.T) {
	for name, text := range map[string]string{
		"a number":          "issuers: [{keys: {secrets: [{value: 4815162342}]}}]",
		"the next line":     "issuers: [{keys: {secrets: [{value:\n  4815162342}]}}]",
		"a block's header":  "issuers: [{keys: {secrets: [{value: |4815162342}]}}]",
		"a chain's URL":     "clients: [{wallets: {rpc: {\"eip155:1\": ['4815162342']}}}]",
		"a chain's line":    "clients:\n- wallets:\n    rpc:\n      eip155:1: [4815162342]",
		"a private key":     `issuers: [{keys: {jwks: ['{"k":"4815162342"}']}}]`,
		"a password":        "mail: {password: 4815162342}",
		"a key":             "keyEncryptionKey: 4815162342",
		"a quoted password": `{"password":"4815162342"}`,
	} {
		e, ok := errors.AsType[Errors](decodeManifest(text))
		if !ok || strings.Contains(fmt.Sprint([]Error(e)), "4815162342") {
			t.Errorf("%s: %q", name, []Error(e))
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, row := range map[string][2]string{
		"not UTF-8":       {"id: \xff", "f is not UTF-8"},
		"two documents":   {"a: 1\n---\nb: 2", "f:3:1: a second document follows; put everything into one"},
		"a syntax error":  {"a:\n  - b: c\n   d: [", "f:3:4: "},
		"an unclosed one": {"a: [", "f:1:"},
	} {
		if _, err := Parse("f", []byte(row[0])); err == nil || !strings.HasPrefix(err.Error(), row[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
