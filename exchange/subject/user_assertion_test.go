package subject

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"cambio/exchange"

	josejson "github.com/go-jose/go-jose/v4/json"
)

// asserting returns a client that may assert its own users.
func asserting(edit ...func(*exchange.Client)) *exchange.Client {
	c := &exchange.Client{ID: "shop", Auth: exchange.AuthSecretBasic, Proofs: []string{"user-assertion"}, Issuers: []string{"one"}}
	for _, e := range edit {
		e(c)
	}
	return c
}

func TestUserAssertionWithOneFaultIsRefused(t *testing.T) {
	p := newFixture(t)
	registration := p.registration()
	registration.ClaimMappings.Subject.Expression = `"u-" + claims.sub`
	p.register(t, registration)
	asIssuer := func(id string) func(*exchange.Client) { return func(c *exchange.Client) { c.AsIssuer = id } }
	const id = `{"externalUserId":"7"}`
	for _, tc := range []struct {
		name, json string
		edit       func(*exchange.SubjectToken)
		issuer, id string // of the subject
		email      string
		reason     exchange.Reason // empty: accepted
		check      string
	}{
		{"only an ID", id, nil, "client:shop", "7", "", "", ""},
		{"all members", `{"externalUserId":"7","email":"a@b.example","emailVerified":true,"name":"A"}`, nil, "client:shop", "7", "a@b.example", "", ""},
		{"e-mail not verified", `{"externalUserId":"7","email":"a@b.example"}`, nil, "client:shop", "7", "", "", ""},
		{"e-mail said not to be verified", `{"externalUserId":"7","email":"a@b.example","emailVerified":false}`, nil, "client:shop", "7", "", "", ""},
		{"nulls", `{"externalUserId":"7","email":null,"emailVerified":null,"name":null}`, nil, "client:shop", "7", "", "", ""},
		{"as an issuer", id, func(s *exchange.SubjectToken) { s.Client = asserting(asIssuer("one")) }, "one", "u-7", "", "", ""},

		{"as an issuer that was removed", id, func(s *exchange.SubjectToken) { s.Client = asserting(asIssuer("two")) }, "", "", "",
			exchange.ReasonIssuerUnknown, "client.asIssuer"},
		{"no client", id, func(s *exchange.SubjectToken) { s.Client = nil }, "", "", "", exchange.ReasonClientUnknown, "client"},
		{"a public client", id, func(s *exchange.SubjectToken) {
			s.Client = asserting(func(c *exchange.Client) { c.Auth = exchange.AuthNone })
		}, "", "", "", exchange.ReasonClientNotAllowed, "client.auth"},
		{"with issuer_id", id, func(s *exchange.SubjectToken) { s.IssuerID = "one" }, "", "", "", exchange.ReasonIssuerUnknown, "issuer_id"},
		{"with nonce", id, func(s *exchange.SubjectToken) { s.Nonce = "n" }, "", "", "", exchange.ReasonNonceMismatch, "nonce"},

		{"no ID", `{"name":"A"}`, nil, "", "", "", exchange.ReasonSubjectTokenClaimInvalid, "sub"},
		{"an ID with a control byte", `{"externalUserId":"a\u0007"}`, nil, "", "", "", exchange.ReasonSubjectTokenClaimInvalid, "sub"},
		{"an ID of 256 bytes", `{"externalUserId":"` + strings.Repeat("x", 256) + `"}`, nil, "", "", "", exchange.ReasonSubjectTokenClaimInvalid, "sub"},
		{"an e-mail that is a list", `{"externalUserId":"7","email":[]}`, nil, "", "", "", exchange.ReasonParameterInvalid, "email"},
		{"an ID that is a number", `{"externalUserId":7}`, nil, "client:shop", "7", "", "", ""},
		{"a flag that is a text", `{"externalUserId":"7","email":"a@b.example","emailVerified":"true"}`, nil, "client:shop", "7", "a@b.example", "", ""},
		{"an ID that is rounded by some senders", `{"externalUserId":9007199254740992}`, nil, "", "", "", exchange.ReasonParameterInvalid, "externalUserId"},
		{"an ID that is negative", `{"externalUserId":-7}`, nil, "", "", "", exchange.ReasonParameterInvalid, "externalUserId"},
		{"an ID with a fraction", `{"externalUserId":7.5}`, nil, "", "", "", exchange.ReasonParameterInvalid, "externalUserId"},
		{"a name that is a number", `{"externalUserId":"7","name":7}`, nil, "", "", "", exchange.ReasonParameterInvalid, "name"},
		{"a flag in another spelling", `{"externalUserId":"7","emailVerified":"True"}`, nil, "", "", "", exchange.ReasonParameterInvalid, "emailVerified"},
		{"an unknown member", `{"externalUserId":"7","roles":["admin"]}`, nil, "", "", "", exchange.ReasonParameterInvalid, "members"},
		{"a claim of an issuer", `{"externalUserId":"7","sub":"8"}`, nil, "", "", "", exchange.ReasonParameterInvalid, "members"},
		{"a member in another case", `{"ExternalUserId":"7"}`, nil, "", "", "", exchange.ReasonParameterInvalid, "members"},
		{"a member twice", `{"externalUserId":"7","externalUserId":"8"}`, nil, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"a list", `["7"]`, nil, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"two objects", `{"externalUserId":"7"}{}`, nil, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"padded", id, func(s *exchange.SubjectToken) { s.Text += "=" }, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"a stray bit", id, func(s *exchange.SubjectToken) { s.Text = s.Text[:len(s.Text)-1] + "R" }, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"a line break", id, func(s *exchange.SubjectToken) { s.Text = s.Text[:8] + "\n" + s.Text[8:] }, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"plain JSON", id, func(s *exchange.SubjectToken) { s.Text = id }, "", "", "", exchange.ReasonSubjectTokenMalformed, "form"},
		{"nothing", id, func(s *exchange.SubjectToken) { s.Text = "" }, "", "", "", exchange.ReasonSubjectTokenMalformed, "size"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := exchange.SubjectToken{Type: exchange.TypeUserAssertion, Text: b64([]byte(tc.json)), Client: asserting(), Credential: "s1"}
			if tc.edit != nil {
				tc.edit(&token)
			}
			s, checks, err := p.verify(token)
			if tc.reason != "" {
				checkRefused(t, s, checks, err, tc.reason, tc.check)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Issuer != tc.issuer || s.ID != tc.id || s.Email != tc.email || len(s.Identities) != 0 || s.MustExist {
				t.Errorf("subject %+v", s)
			}
			if pr := s.Proof; pr.TokenType != exchange.TypeUserAssertion || pr.Key != "s1" || pr.Challenge != "" || pr.Replay != "" {
				t.Errorf("proof %+v", pr)
			}
		})
	}
}

// What is wrong with a member is told by its name; what is in it is not.
func TestUserAssertionRefusalNamesMember(t *testing.T) {
	p := newFixture(t)
	for text, want := range map[string]string{
		`{"externalUserId":"7","z":1,"roles":1}`:       `member "roles" is not known here`,
		`{"externalUserId":{"secret":1}}`:              "externalUserId is not a string",
		`{"externalUserId":"7","emailVerified":"yes"}`: "emailVerified is neither true nor false",
	} {
		token := exchange.SubjectToken{Type: exchange.TypeUserAssertion, Text: b64([]byte(text)), Client: asserting()}
		_, _, err := p.verify(token)
		if d := exchange.AsError(err).Description; d != want {
			t.Errorf("%s: %q", text, d)
		}
	}
}

// FuzzUserAssertion: what is accepted has one spelling, and a stricter decoder
// reads the same user from it.
func FuzzUserAssertion(f *testing.F) {
	for _, seed := range []string{
		`{"externalUserId":"7","email":"a@b.example","emailVerified":true,"name":"A"}`,
		`{"externalUserId":"\u00fc\ud83d\ude00"}`, ` {"externalUserId" : "7"} `, `{"externalUserId":7}`, `{"externalUserId":"7","ExternalUserId":"8"}`, `{}`,
	} {
		f.Add(b64([]byte(seed)))
	}
	f.Add(b64([]byte(`{"externalUserId":"7"}`)) + "=")
	v := New(Config{Issuers: func() Issuers { return issuers{} }, FirstParty: noAccessTokens{}, OwnIssuer: ownURL})
	f.Fuzz(func(t *testing.T, text string) {
		token := exchange.SubjectToken{Type: exchange.TypeUserAssertion, Text: text, Client: asserting()}
		s, issuer, err := v.Verify(context.Background(), token, &exchange.Recorder{}, time.Unix(1_700_000_000, 0))
		if err != nil {
			if s != nil {
				t.Errorf("refused with %v, but there is a subject", err)
			}
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || b64(raw) != text {
			t.Fatalf("%q is a second spelling: %v", text, err)
		}
		d := josejson.NewDecoder(bytes.NewReader(raw))
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%s was accepted; go-jose says %v", raw, err)
		}
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		if n, number := m["externalUserId"].(float64); number {
			m["externalUserId"] = strconv.FormatFloat(n, 'f', -1, 64)
		}
		if s.ID != m["externalUserId"] || s.ID == "" || s.Issuer != "client:shop" || issuer == nil || len(m) > 4 {
			t.Errorf("%s is %q of %s", raw, s.ID, s.Issuer)
		}
		if s.Email != "" && (fmt.Sprint(m["emailVerified"]) != "true" || s.Email != m["email"]) {
			t.Errorf("%s has e-mail %q", raw, s.Email)
		}
	})
}
