package discovery

import (
	"encoding/json"
	"testing"
)

// An issuer keeps the slash that its operator wrote, and the URLs below it have one.
func TestIssuerKeepsItsSlash(t *testing.T) {
	for _, issuer := range []string{"https://id.example", "https://id.example/"} {
		body, _, err := Provider{Issuer: issuer, TokenPath: "/oauth/token", JWKSPath: "/.well-known/jwks.json"}.Document()
		var got struct {
			Issuer string
			Token  string `json:"token_endpoint"`
			JWKS   string `json:"jwks_uri"`
		}
		if err != nil || json.Unmarshal(body, &got) != nil {
			t.Fatal(err)
		}
		if got.Issuer != issuer || got.Token != "https://id.example/oauth/token" || got.JWKS != "https://id.example/.well-known/jwks.json" {
			t.Errorf("%s: %+v", issuer, got)
		}
	}
}
