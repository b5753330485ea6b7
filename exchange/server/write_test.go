package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cambio/exchange/grant"
)

// What is written, encoding/json reads back.
func FuzzString(f *testing.F) {
	f.Add("a\"b\\\x00\n<script>\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := string(appendString(nil, s))
		var back string
		if err := json.Unmarshal([]byte(out), &back); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && back != want {
			t.Errorf("%q came back as %q", s, back)
		}
		if strings.ContainsAny(out, "<\n\r\x00") || !utf8.ValidString(out) {
			t.Errorf("%q", out)
		}
		if d := describe(s); len(d) > 256 || strings.ContainsFunc(d, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("description %q", d)
		}
	})
}

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
			if got := string(appendResponse(nil, &row.res)); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
	got := string(appendDoorResponse(nil, &grant.Response{
		AccessToken: "a", RefreshToken: "f", TokenType: "Bearer", ExpiresIn: time.Minute, Session: "s",
		User: &grant.User{ID: "u", Email: "a@b"},
	}, "alice"))
	want := `{"accessToken":"a","refreshToken":"f","expiresIn":60,"tokenType":"Bearer","sessionId":"s",` +
		`"user":{"id":"u","externalUserId":"alice","email":"a@b","isNew":false}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestTokenNeedsNoEscapes: what tokens of ours consist of is written alike by
// token and text.
func TestTokenNeedsNoEscapes(t *testing.T) {
	const ours = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	if got, want := token([]byte{'{'}, "t", ours), text([]byte{'{'}, "t", ours); string(got) != string(want) {
		t.Errorf("token writes %s, text %s", got, want)
	}
	if got := token([]byte{'{'}, "t", ""); string(got) != "{" {
		t.Errorf("no token is written as %s", got)
	}
}
