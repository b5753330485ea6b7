package endpoint

import (
	"encoding/json"
	"testing"
	"time"

	"cambio/exchange/grant"
	"cambio/jwks/strictjson"
)

func TestResponseMembers(t *testing.T) {
	for _, row := range []struct {
		name string
		res  grant.Response
		want string
	}{
		{"the least", grant.Response{AccessToken: "a", TokenType: "Bearer", ExpiresIn: time.Minute},
			`{"access_token":"a","token_type":"Bearer","expires_in":60}`},
		{"everything", grant.Response{
			AccessToken: "a", IssuedTokenType: "t", TokenType: "N_A", ExpiresIn: 90*time.Second + time.Millisecond, Scopes: []string{"r", "w"},
			RefreshToken: "f", IDToken: "i", Details: json.RawMessage(`[{"type":"x"}]`), Session: "s",
			User: &grant.User{ID: "u", Email: "a@b", IsNew: true},
		}, `{"access_token":"a","issued_token_type":"t","token_type":"N_A","expires_in":90,"scope":"r w","refresh_token":"f",` +
			`"id_token":"i","authorization_details":[{"type":"x"}],"session_id":"s","user":{"id":"u","is_new":true}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(appendTokenResponse(nil, nil, nil, &row.res)); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
	got := string(appendResponse(nil, &grant.Response{
		AccessToken: "a", RefreshToken: "f", TokenType: "Bearer", ExpiresIn: time.Minute, Session: "s",
		User: &grant.User{ID: "u", Email: "a@b"},
	}, "alice"))
	want := `{"accessToken":"a","refreshToken":"f","expiresIn":60,"tokenType":"Bearer","sessionId":"s",` +
		`"user":{"id":"u","externalUserId":"alice","email":"a@b","isNew":false}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The characters of our tokens are written alike with and without looking for
// escapes.
func TestTokensNeedNoEscapes(t *testing.T) {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	b := strictjson.Buffer("{")
	if got, want := b.OmitToken("t", characters), b.OmitString("t", characters); string(got) != string(want) {
		t.Errorf("OmitToken writes %s, OmitString %s", got, want)
	}
}
