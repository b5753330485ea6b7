package manifest

import (
	"strings"
	"testing"
)

// A list may stand for keys with sources alone, and problems are placed in either.
func TestReadsSourcesAsListOrMember(t *testing.T) {
	const list = "\n- {secrets: [{id: s, value: 0123456789abcdef0123456789abcdef}], algorithms: [HS256], until: 2027-01-31T00:00:00Z}\n- {jwksURL: https://a.example/k, algorithms: [ES256]}\n"
	indented := func(text, by string) string { return strings.ReplaceAll(text, "\n", "\n"+by) }
	read := func(keys string) (*File, error) {
		return Read("-", strings.NewReader("issuers:\n- id: a\n  url: https://a.example\n  audiences: [app]\n  keys:"+keys+"\n"))
	}
	for name, keys := range map[string]string{
		"a list":      indented(list, "    "),
		"a member":    "\n    sources:" + indented(list, "      "),
		"quoted time": strings.Replace(indented(list, "    "), "2027-01-31T00:00:00Z", "'2027-01-31T00:00:00Z'", 1),
	} {
		f, err := read(keys)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sources := f.Issuers[0].Keys.Sources
		if len(sources) != 2 || sources[0].Secrets[0].ID != "s" || sources[0].Until.Year() != 2027 || sources[1].Algorithms[0] != "ES256" {
			t.Errorf("%s: %+v", name, sources)
		}
	}
	for keys, want := range map[string]string{
		"\n  - {jwksURL: https://a.example/k, jwksUrl: x}":    `6:36: unknown field "jwksUrl"`,
		"\n  - {jwksURL: http://a.example/k}":                 "6:6: issuers[0].keys.sources[0].jwksURL: ",
		"\n    sources:\n    - {jwksURL: http://a.example/k}": "7:8: issuers[0].keys.sources[0].jwksURL: ",
		"\n  - {secrets: [{id: s, valueFile: absent}]}":       "issuers[0].keys.sources[0].secrets[0].valueFile: open ",
		"\n  - {jwksURL: https://a.example/k, until: friday}": "6:43: want a time such as 2027-01-31T00:00:00Z, got \"friday\"",
		"\n  - text": "want a mapping",
	} {
		if _, err := read(keys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", keys, err, want)
		}
	}
}
