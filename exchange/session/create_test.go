package session

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cambio/exchange"
	"cambio/storage"
)

func rawPayload(t testing.TB, token string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fullToken returns a token with every claim.
func fullToken(now time.Time) *exchange.AccessToken {
	t := aToken(now)
	t.AuthTime, t.ACR, t.AMR, t.JKT = 1_700_000_000, "mfa", []string{"pwd", "otp"}, "thumb"
	t.Actor = &exchange.Actor{Subject: "svc", Actor: &exchange.Actor{Issuer: "https://other.example", Subject: "job"}}
	t.Details = json.RawMessage(`[{"type":"checkout","amount":9007199254740993}]`)
	t.Extra = map[string]any{"role": "admin", "level": int64(9007199254740993), "nested": map[string]any{"a": []any{int64(1), 1.5, "x", nil, true}}}
	return t
}

func TestAccessTokenClaims(t *testing.T) {
	w := newWorld(t)
	s := aSession(start)
	full := fullToken(start)
	tokens, err := w.Create(t.Context(), s, full, idle, true, start)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := w.ring.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(tokens.AccessToken, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if typ := jws.Signatures[0].Header.ExtraHeaders["typ"]; typ != "at+jwt" {
		t.Errorf("typ %v", typ)
	}
	verified, err := jws.Verify(&set)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"client_id":"app","scope":"read write","cnf":{"jkt":"thumb"},` +
		`"authorization_details":[{"type":"checkout","amount":9007199254740993}],` +
		`"iss":"https://id.example","sub":"user-1","aud":["https://api.example"],"iat":1772366400,"exp":1772367300,` +
		`"jti":"` + full.ID + `","sid":"` + s.ID + `","auth_time":1700000000,"acr":"mfa","amr":["pwd","otp"],` +
		`"act":{"sub":"svc","act":{"iss":"https://other.example","sub":"job"}},` +
		`"level":9007199254740993,"nested":{"a":[1,1.5,"x",null,true]},"role":"admin"}`
	if string(verified) != want {
		t.Errorf("claims\n%s\nwant\n%s", verified, want)
	}
	if !tokens.Expires.Equal(full.Expires) {
		t.Errorf("expires %s", tokens.Expires)
	}
}

// A client that authenticated for itself has no issuer.
func TestTokenOfClientHasNoOrigin(t *testing.T) {
	w := newWorld(t)
	s := aSession(start)
	s.Issuer, s.Key, s.Subject = "", "", ""
	for _, sess := range []*exchange.Session{s, nil} {
		tokens, err := w.Create(t.Context(), sess, aToken(start), 0, false, start)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Parse(t.Context(), tokens.AccessToken, start)
		if err != nil || got.Origin != (exchange.Origin{}) {
			t.Errorf("origin %+v, %v", got.Origin, err)
		}
	}
}

func TestParseReadsWhatSignWrote(t *testing.T) {
	w := newWorld(t)
	for _, keep := range []bool{true, false} {
		full := fullToken(start)
		tokens, err := w.Create(t.Context(), aSession(start), full, idle, keep, start)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Parse(t.Context(), tokens.AccessToken, start)
		if err != nil {
			t.Fatal(err)
		}
		unit := time.Second
		if !keep {
			unit = time.Millisecond
			if full.Origin.Issuer != "acme" || full.Origin.Link != exchange.LinkKey("acme", "alice") {
				t.Errorf("origin %+v", full.Origin)
			}
		}
		full.IssuedAt, full.Expires = full.IssuedAt.Truncate(unit), full.Expires.Truncate(time.Second)
		if d := cmp.Diff(full, got); d != "" {
			t.Errorf("keep %v: %s", keep, d)
		}
	}
}

func TestStringsAreEscaped(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		tok := aToken(start)
		tok.User = rapid.String().Draw(rt, "user") + "x"
		tok.Extra = map[string]any{rapid.StringN(1, 8, 8).Draw(rt, "name"): rapid.String().Draw(rt, "value")}
		tokens, err := w.Create(t.Context(), nil, tok, 0, false, start)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := w.Parse(t.Context(), tokens.AccessToken, start)
		if err != nil {
			rt.Fatal(err)
		}
		if got.User != tok.User {
			rt.Errorf("user %q became %q", tok.User, got.User)
		}
		for name, v := range tok.Extra {
			if !exchange.ReservedClaim(name) && got.Extra[name] != v {
				rt.Errorf("claim %q %q became %q", name, v, got.Extra[name])
			}
		}
	})
}

// A mapped claim never takes a reserved name.
func TestMappedClaimsReplaceNoReservedClaim(t *testing.T) {
	w := newWorld(t)
	full := fullToken(start)
	full.Extra = nil
	tokens, err := w.Create(t.Context(), aSession(start), full, idle, false, start)
	if err != nil {
		t.Fatal(err)
	}
	want := payload(t, tokens.AccessToken)
	names := slices.Collect(maps.Keys(want))
	names = append(names, "sid", "nbf", "azp", "may_act", "active", "origin")
	for _, name := range slices.Clone(names) { // encoding/json ignores case
		names = append(names, strings.ToUpper(name))
	}
	full.Extra = map[string]any{}
	for _, name := range names {
		full.Extra[name] = "evil"
	}
	if tokens, err = w.Create(t.Context(), aSession(start), full, idle, false, start); err != nil {
		t.Fatal(err)
	}
	got := payload(t, tokens.AccessToken)
	delete(got, "jti")
	delete(want, "jti")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if strings.Contains(string(rawPayload(t, tokens.AccessToken)), "evil") {
		t.Error("a mapped claim took a reserved name")
	}
	id, err := w.SignIDToken(full, "", "")
	if err != nil || strings.Contains(string(rawPayload(t, id)), "evil") {
		t.Errorf("ID token: %s, %v", rawPayload(t, id), err)
	}
}

func TestIDTokenIsForItsClient(t *testing.T) {
	w := newWorld(t)
	access := fullToken(start)
	tokens, err := w.Create(t.Context(), aSession(start), access, idle, true, start)
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.SignIDToken(access, "n-1", "")
	if err != nil {
		t.Fatal(err)
	}
	got := payload(t, id)
	if d := cmp.Diff([]any{"app"}, got["aud"]); d != "" || got["sub"] != "user-1" || got["sid"] != access.Session || got["nonce"] != "n-1" {
		t.Errorf("ID token %v", got)
	}
	for _, name := range []string{"scope", "client_id", "authorization_details", "cnf", "origin"} {
		if got[name] != nil {
			t.Errorf("the ID token has %s", name)
		}
	}
	if got["jti"] == payload(t, tokens.AccessToken)["jti"] {
		t.Error("the same jti twice")
	}
	if _, err := w.Parse(t.Context(), id, start); reason(t, err) != exchange.ReasonKeyNotFound {
		t.Errorf("an ID token was accepted as an access token: %v", err)
	}
}

func TestCreateCommitsOnce(t *testing.T) {
	other := storage.Write{Table: "other", Key: "k", Value: []byte("v"), If: storage.IfAbsent}
	tests := []struct {
		name    string
		keep    bool
		writes  []storage.Write
		commits int64
		records map[string]int
	}{
		{"nothing to store", false, nil, 0, map[string]int{}},
		{"a user", false, []storage.Write{other}, 1, map[string]int{}},
		{"a session", true, nil, 1, map[string]int{"sessions": 1}},
		{"a session and a user", true, []storage.Write{other}, 1, map[string]int{"sessions": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tokens, err := w.Create(t.Context(), aSession(start), aToken(start), idle, tt.keep, start, tt.writes...)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.commits.Load(); got != tt.commits {
				t.Errorf("%d commits, want %d", got, tt.commits)
			}
			if d := cmp.Diff(tt.records, w.tables()); d != "" {
				t.Error(d)
			}
			if (tokens.RefreshToken != "") != tt.keep {
				t.Errorf("refresh token %q", tokens.RefreshToken)
			}
		})
	}
}

func TestCreateConflictStoresNothing(t *testing.T) {
	w := newWorld(t)
	taken := storage.Write{Table: "other", Key: "k", Value: []byte("v"), If: storage.IfEqual, Old: []byte("other")}
	for _, keep := range []bool{true, false} {
		tokens, err := w.Create(t.Context(), aSession(start), aToken(start), idle, keep, start, taken)
		if !errors.Is(err, storage.ErrConflict) || tokens != (exchange.Tokens{}) {
			t.Errorf("keep %v: %v, want ErrConflict and no tokens", keep, err)
		}
	}
	if n := w.tables(); len(n) != 0 {
		t.Errorf("stored %v", n)
	}
}

func TestCreateRefusesExpiredTokens(t *testing.T) {
	tests := []struct {
		name     string
		keep     bool
		expires  time.Duration
		notAfter time.Duration
		want     exchange.Reason
	}{
		{"valid", true, time.Minute, time.Hour, ""},
		{"no second left", false, 400 * time.Millisecond, time.Hour, exchange.ReasonSubjectTokenExpired},
		{"already expired", false, -time.Minute, time.Hour, exchange.ReasonSubjectTokenExpired},
		{"the session has ended", true, time.Minute, 0, exchange.ReasonSubjectTokenExpired},
	}
	for _, tt := range tests {
		w := newWorld(t)
		s, tok := aSession(start), aToken(start)
		s.NotAfter, tok.Expires = start.Add(tt.notAfter), start.Add(tt.expires)
		_, err := w.Create(t.Context(), s, tok, idle, tt.keep, start)
		if reason(t, err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && len(w.dump()) != 0 {
			t.Errorf("%s: stored something", tt.name)
		}
	}
	w := newWorld(t)
	s := aSession(start)
	s.NotAfter = time.Time{}
	if _, err := w.Create(t.Context(), s, aToken(start), idle, true, start); err == nil {
		t.Error("a session without an end was created")
	}
}

// Whatever the clock does between two requests, exp of a token is after its iat.
func TestExpiryComesAfterIssue(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		at := func(name string) time.Time {
			return start.Add(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(48*time.Hour)).Draw(rt, name)))
		}
		created := at("created")
		s := aSession(created)
		s.NotAfter = at("end")
		tokens, err := w.Create(t.Context(), s, aToken(at("token's clock")), idle, true, created)
		if err == nil {
			ordered(rt, tokens)
			tokens, err = w.Refresh(t.Context(), tokens.RefreshToken, at("refresh"), allow(at("rules' clock")))
		}
		if err == nil {
			ordered(rt, tokens)
		} else if r := exchange.AsError(err).Reason; r == exchange.ReasonInternal {
			rt.Errorf("error %v", err)
		}
	})
}

func ordered(rt *rapid.T, tokens exchange.Tokens) {
	b, _ := base64.RawURLEncoding.DecodeString(strings.Split(tokens.AccessToken, ".")[1])
	var c struct{ Iat, Exp int64 }
	if err := json.Unmarshal(b, &c); err != nil || c.Exp <= c.Iat {
		rt.Errorf("issued at %d, expires at %d, %v", c.Iat, c.Exp, err)
	}
}

// No token, and no part of one that could serve as one, is stored.
func TestTokensAreNotStored(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.start(start)
	next, err := w.refresh(tokens.RefreshToken, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{tokens.RefreshToken, tokens.AccessToken, next.RefreshToken, next.AccessToken} {
		parts := strings.Split(token, ".")
		mac, _ := base64.RawURLEncoding.DecodeString(parts[2])
		for _, secret := range []string{token, parts[2], string(mac)} {
			if strings.Contains(string(file), secret) {
				t.Errorf("the file holds %q", secret)
			}
		}
	}
}
