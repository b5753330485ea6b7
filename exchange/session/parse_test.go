package session

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
)

func TestParseRefusesInvalidTokens(t *testing.T) {
	w, elsewhere := newWorld(t), newWorld(t)
	_, tokens := w.start(start)
	foreign := elsewhere.stateless(start)
	otherIssuer := New(w.engine, w.ring, Config{Issuer: "https://other.example"})
	theirs, err := otherIssuer.Create(t.Context(), nil, aToken(start), 0, false, start)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, token string
		now         time.Time
		want        exchange.Reason
	}{
		{"good", tokens.AccessToken, start, ""},
		{"good until it expires", tokens.AccessToken, start.Add(15*time.Minute - 501*time.Millisecond), ""},
		{"expired", tokens.AccessToken, start.Add(15 * time.Minute), exchange.ReasonSubjectTokenExpired},
		{"another server's", foreign, start, exchange.ReasonKeyNotFound},
		{"of another issuer with the same keys", theirs.AccessToken, start, exchange.ReasonSubjectTokenClaimInvalid},
		{"line break", tokens.AccessToken + "\n", start, exchange.ReasonSubjectTokenMalformed},
		{"a refresh token", tokens.RefreshToken, start, exchange.ReasonKeyNotFound},
		{"text", "text", start, exchange.ReasonSubjectTokenMalformed},
	}
	for _, tt := range tests {
		got, err := w.Parse(t.Context(), tt.token, tt.now)
		if reason(t, err) != tt.want || (err == nil) != (got != nil) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		in, err := w.Introspect(t.Context(), tt.token, tt.now)
		if active := tt.want == "" || tt.token == tokens.RefreshToken; err != nil || in.Active != active {
			t.Errorf("%s: introspection active %v, %v", tt.name, in.Active, err)
		}
		if !in.Active {
			if b, err := json.Marshal(in); err != nil || string(b) != `{"active":false}` {
				t.Errorf("%s: says %s", tt.name, b)
			}
		}
	}
}

func TestIntrospect(t *testing.T) {
	w := newWorld(t)
	s := aSession(start)
	s.JKT = "thumb"
	full := fullToken(start)
	full.Extra["sub"] = "evil"
	tokens, err := w.Create(t.Context(), s, full, idle, true, start)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, token, want string }{
		{"access token", tokens.AccessToken, `{"active":true,"token_type":"DPoP","client_id":"app","scope":"read write",` +
			`"cnf":{"jkt":"thumb"},"authorization_details":[{"type":"checkout","amount":9007199254740993}],` +
			`"iss":"https://id.example","sub":"user-1","aud":["https://api.example"],"iat":1772366400,"exp":1772367300,` +
			`"jti":"` + full.ID + `","sid":"` + s.ID + `","auth_time":1700000000,"acr":"mfa","amr":["pwd","otp"],` +
			`"act":{"sub":"svc","act":{"iss":"https://other.example","sub":"job"}},` +
			`"level":9007199254740993,"nested":{"a":[1,1.5,"x",null,true]},"role":"admin"}`},
		{"refresh token", tokens.RefreshToken, `{"active":true,"client_id":"app","scope":"read write","cnf":{"jkt":"thumb"},` +
			`"iss":"https://id.example","sub":"user-1","aud":["https://api.example"],"iat":1772366400,"exp":1774958400,` +
			`"sid":"` + s.ID + `"}`},
	}
	for _, tt := range tests {
		in, err := w.Introspect(t.Context(), tt.token, start)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(in); err != nil || string(b) != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.name, err, b, tt.want)
		}
	}
	// A spent token is active while it would be accepted again.
	_, unbound := w.start(start)
	for _, spent := range []struct {
		token  string
		after  time.Duration
		active bool
	}{
		{unbound.RefreshToken, exchange.DefaultGrace, true},
		{unbound.RefreshToken, exchange.DefaultGrace + 1, false},
		{tokens.RefreshToken, 24 * time.Hour, true},
		{tokens.RefreshToken, idle, false},
	} {
		if _, err := w.refresh(spent.token, start); err != nil {
			t.Fatal(err)
		}
		before := w.dump()
		in, err := w.Introspect(t.Context(), spent.token, start.Add(spent.after))
		if err != nil || in.Active != spent.active {
			t.Errorf("spent for %s: active %v, %v", spent.after, in.Active, err)
		}
		if cmp.Diff(before, w.dump()) != "" {
			t.Error("introspection changed something")
		}
	}
}
