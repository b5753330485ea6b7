package subject

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/jwks/jwkstest"
)

// ownTokens recognizes every token, and parses each as the same one.
type ownTokens struct {
	token   *exchange.AccessToken
	err     error
	foreign bool // recognizes none
}

func (o ownTokens) Recognizes(string) bool { return !o.foreign }

func (o ownTokens) Parse(context.Context, string, time.Time) (*exchange.AccessToken, error) {
	return o.token, o.err
}

func TestOwnTokenIsAccessTokenOnly(t *testing.T) {
	p := newFixture(t)
	parent := &exchange.AccessToken{
		ID: "t1", User: "u1", Client: "app", Audience: []string{"api"}, Expires: p.now.Add(time.Minute),
		AuthTime: 5, ACR: "2", Actor: &exchange.Actor{Subject: "bot"}, Extra: map[string]any{"x": "y"},
	}
	own := jwkstest.New(t)
	text := own.Sign(map[string]any{"iss": ownURL})
	ended := exchange.Refuse(exchange.ReasonSessionEnded, errors.New("ended"))
	for _, tc := range []struct {
		name   string
		token  exchange.SubjectToken
		own    ownTokens
		reason exchange.Reason
		check  string
	}{
		{"good", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken}, ownTokens{token: parent}, "", ""},
		{"as id_token", exchange.SubjectToken{Text: text, Type: exchange.TypeIDToken}, ownTokens{token: parent}, exchange.ReasonIssuerUnknown, "issuer"},
		{"as jwt", exchange.SubjectToken{Text: text, Type: exchange.TypeJWT}, ownTokens{token: parent}, exchange.ReasonIssuerUnknown, "issuer"},
		{"with issuer_id", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken, IssuerID: "one"}, ownTokens{token: parent}, exchange.ReasonIssuerUnknown, "issuer_id"},
		{"with nonce", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken, Nonce: "n"}, ownTokens{token: parent}, exchange.ReasonNonceMismatch, "nonce"},
		{"ended", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken}, ownTokens{err: ended}, exchange.ReasonSubjectTokenRevoked, "access token"},
		{"of another header", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken}, ownTokens{token: parent, foreign: true}, exchange.ReasonKeyNotFound, "access token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := New(Config{Issuers: func() Issuers { return p.issuers }, FirstParty: tc.own, OwnIssuer: ownURL})
			var r exchange.Recorder
			s, issuer, err := v.Verify(context.Background(), tc.token, &r, p.now)
			if tc.reason != "" {
				checkRefused(t, s, r.Checks, err, tc.reason, tc.check)
				return
			}
			if err != nil || issuer != nil {
				t.Fatalf("got issuer %v, %v", issuer, err)
			}
			if s.Parent != parent || s.ID != "u1" || s.Issuer != "" || s.Claims != nil || s.Actor != parent.Actor || s.Proof.Replay != "" {
				t.Errorf("subject %+v", s)
			}
		})
	}
}

// A registration with this server's own URL does not make its tokens an external
// issuer's, which any client of that issuer could present.
func TestOwnTokenIsNeverExternal(t *testing.T) {
	p := newFixture(t)
	own := jwkstest.New(t, jwkstest.WithClock(func() time.Time { return p.now }))
	claims := own.Claims("alice", "app")
	claims["iss"] = ownURL
	text := own.Sign(claims)
	for _, url := range []string{ownURL, own.URL} {
		registration := exchange.Issuer{ID: "us", URL: url, Audiences: []string{"app"}, Keys: exchange.Keys{JWKS: string(own.JWKS())}}
		p.register(t, registration)
		for _, id := range []string{"", "us"} {
			s, checks, err := p.verify(exchange.SubjectToken{Text: text, Type: exchange.TypeIDToken, IssuerID: id})
			checkRefused(t, s, checks, err, exchange.ReasonIssuerUnknown, "issuer")
		}
	}
}

// No check shows a nonce, which ties a login to a browser.
func TestNonceIsNotShown(t *testing.T) {
	p := newFixture(t)
	claims := p.Claims("alice", "app")
	claims["nonce"] = "nonce-of-the-token"
	_, checks, err := p.verify(exchange.SubjectToken{Text: p.Sign(claims), Type: exchange.TypeIDToken, Nonce: "nonce-of-the-request"})
	if err == nil {
		t.Fatal("accepted")
	}
	if text := fmt.Sprint(checks, err); strings.Contains(text, "nonce-of") {
		t.Errorf("a nonce is shown: %s", text)
	}
}
