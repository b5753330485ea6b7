package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/jwks/strictjson"
	"cambio/storage"
)

func TestForgedRefreshTokens(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	elsewhere := newWorld(t)
	_, foreign := elsewhere.start(start)
	good := tokens.RefreshToken
	p := strings.Split(good, ".")
	other := byte('A')
	if p[2][0] == other {
		other = 'B'
	}
	forged := map[string]string{
		"empty":                   "",
		"dots":                    "..",
		"another MAC":             p[0] + "." + p[1] + "." + string(other) + p[2][1:],
		"another generation":      p[0] + ".2." + p[2],
		"generation with a zero":  p[0] + ".01." + p[2],
		"generation with a plus":  p[0] + ".+1." + p[2],
		"generation too large":    p[0] + ".99999999999999999999." + p[2],
		"upper case ID":           strings.ToUpper(p[0]) + "." + p[1] + "." + p[2],
		"a byte more":             good + "A",
		"a byte less":             good[:len(good)-1],
		"padded":                  good + "=",
		"line break":              good + "\n",
		"a part more":             good + "." + p[2],
		"another store's":         foreign.RefreshToken,
		"an access token":         tokens.AccessToken,
		"long":                    good + strings.Repeat("A", 1<<16),
		"unknown session, signed": w.refreshToken(storage.NewID(start), 1),
	}
	before, commits := w.dump(), w.commits.Load()
	for name, token := range forged {
		if _, err := w.refresh(token, start); reason(t, err) != exchange.ReasonRefreshTokenInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.commits.Load() != commits || cmp.Diff(before, w.dump()) != "" {
		t.Error("a forged token changed something")
	}
	if _, err := w.refresh(good, start); err != nil {
		t.Errorf("session %s: %v", s.ID, err)
	}
}

// fixed returns a store whose keys are the same in each process, for fuzzing.
func fixed(f *testing.F) *Store {
	f.Helper()
	return &Store{mac: []byte("0123456789abcdef0123456789abcdef")}
}

// A refresh token has one spelling, and a refused one returns no ID.
func FuzzReadRefresh(f *testing.F) {
	s := fixed(f)
	const id = "019520a2-7a00-7abc-8def-0123456789ab"
	for _, n := range []uint64{0, 1, 12} {
		f.Add(s.refreshToken(id, n))
	}
	f.Add(id + ".1.")
	f.Fuzz(func(t *testing.T, token string) {
		got, n, ok := s.readRefresh(token)
		if ok && token != s.refreshToken(got, n) {
			t.Errorf("%q was accepted as %q", token, s.refreshToken(got, n))
		}
		if !ok && (got != "" || n != 0) {
			t.Errorf("a refused token returned %q, %d", got, n)
		}
	})
}

// Claims that decode accepts are the same after they are written and decoded again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"i","sub":"u","aud":["a"],"client_id":"c","scope":"r w","jti":"j","iat":1,"exp":2,"role":"x"}`,
		`{"iss":"i","sub":"u","aud":["a"],"iat":1,"exp":2,"origin":{"iss":"a","key":"k","link":"l","at":1001},"act":{"sub":"s"}}`,
		`{"sub":"a","sub":"b"}`, `{"cnf":{"jkt":"x"},"authorization_details":[{"a":1}],"n":9007199254740993}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		token, err := decode(payload)
		if err != nil {
			if token != nil {
				t.Error("an error was returned with a token")
			}
			return
		}
		b, err := appendAccess(strictjson.Buffer(nil).Begin(), token)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		again, err := decode(b.End())
		if err != nil {
			t.Fatalf("%s, written as %s: %v", payload, b, err)
		}
		if fmt.Sprint(token.User, token.Client, token.Scopes, token.Session, token.ID, token.Expires.Unix(), token.JKT) !=
			fmt.Sprint(again.User, again.Client, again.Scopes, again.Session, again.ID, again.Expires.Unix(), again.JKT) {
			t.Errorf("%+v became %+v", token, again)
		}
	})
}
