package manifest

import (
	"strings"
	"testing"
)

// A word stands for a list of one.
func TestReadsWordOrList(t *testing.T) {
	for text, want := range map[string]string{
		"azp": "azp", "[aud, client_id]": "aud client_id", "\n      - azp": "azp", "": "", "null": "", "'azp'": "azp",
		"5": "a string, got a number", "true": "a string, got a boolean", "{a: b}": "want a string, got a mapping", "[1]": "a string, got a number", "[azp, [aud]]": "want a string, got a list",
		"sub": `"sub" is not one of aud, azp, client_id`, "[azp, azp]": "already used",
	} {
		f, err := Read("-", strings.NewReader("issuers:\n  - id: clerk\n    url: https://clerk.example\n    audiences: [app]\n    audienceClaim: "+text+"\n"))
		switch {
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", text, err)
		case err == nil && strings.Join(f.Issuers[0].AudienceClaim, " ") != want:
			t.Errorf("%s: %q, want %q", text, f.Issuers[0].AudienceClaim, want)
		}
	}
}
