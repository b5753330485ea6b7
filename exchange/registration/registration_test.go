package registration

import (
	"strings"
	"testing"

	"cambio/exchange"
)

// problem is where something is wrong and words that the message has.
type problem struct {
	path string
	says string
}

func same(t *testing.T, got []exchange.Problem, want []problem) {
	t.Helper()
	for i, w := range want {
		if i >= len(got) {
			t.Errorf("no problem at %s saying %q", w.path, w.says)
			continue
		}
		if got[i].Path != w.path || !strings.Contains(got[i].Message, w.says) {
			t.Errorf("got %s: %s\nwant %s: …%s…", got[i].Path, got[i].Message, w.path, w.says)
		}
	}
	for i := len(want); i < len(got); i++ {
		t.Errorf("not expected: %s: %s", got[i].Path, got[i].Message)
	}
}

func one(path, says string) []problem { return []problem{{path, says}} }

func goodIssuer() *exchange.Issuer {
	return &exchange.Issuer{ID: "google", URL: "https://accounts.google.com", Audiences: []string{"123.apps.googleusercontent.com"}}
}

const longSecret = "correct horse battery staple, thirty-two"

func secrets(values ...string) []exchange.SharedSecret {
	var out []exchange.SharedSecret
	for i, v := range values {
		out = append(out, exchange.SharedSecret{ID: string(rune('a' + i)), Value: v})
	}
	return out
}

func goodClient() *exchange.Client {
	return &exchange.Client{ID: "web", Issuers: []string{"google"}, Audiences: []string{"https://api.acme.com"}, Origins: []string{"https://app.acme.com"}}
}

func TestLintManifest(t *testing.T) {
	i, c := *goodIssuer(), *goodClient()
	other := i
	other.ID, other.URL = "entra", "https://login.microsoftonline.com/1/v2.0"
	bad := other
	bad.ID, bad.URL, bad.ClaimValidationRules = "auth0", "https://acme.auth0.com/", []exchange.ClaimValidationRule{{}}
	m := exchange.Manifest{Issuers: []exchange.Issuer{i, other, bad, i}, Clients: []exchange.Client{c, c}}
	same(t, Lint(&m), []problem{
		{"$.issuers[2].claimValidationRules[0]", "is empty"},
		{"$.issuers[3].id", `"google" is already used by $.issuers[0].id`},
		{"$.issuers[3].url", "already used by $.issuers[0].url"},
		{"$.clients[1].id", "already used by $.clients[0].id"},
	})
	if found := Lint(&exchange.Manifest{}); found != nil {
		t.Errorf("an empty manifest has %v", found)
	}
}
