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

// ours reads every token as the same one.
type ours struct {
	token *exchange.AccessToken
	err   error
}

func (o ours) Parse(context.Context, string, time.Time) (*exchange.AccessToken, error) {
	return o.token, o.err
}

func TestOwn(t *testing.T) {
	p := newParty(t)
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
		own    ours
		reason exchange.Reason
		check  string
	}{
		{"good", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken}, ours{token: parent}, "", ""},
		{"as id_token", exchange.SubjectToken{Text: text, Type: exchange.TypeIDToken}, ours{token: parent}, exchange.ReasonIssuerUnknown, "issuer"},
		{"as jwt", exchange.SubjectToken{Text: text, Type: exchange.TypeJWT}, ours{token: parent}, exchange.ReasonIssuerUnknown, "issuer"},
		{"with issuer_id", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken, IssuerID: "one"}, ours{token: parent}, exchange.ReasonIssuerUnknown, "issuer_id"},
		{"with nonce", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken, Nonce: "n"}, ours{token: parent}, exchange.ReasonNonceMismatch, "nonce"},
		{"ended", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken}, ours{err: ended}, exchange.ReasonSubjectTokenRevoked, "access token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := New(Config{Issuers: func() Issuers { return p.trusts }, FirstParty: tc.own, OwnIssuer: ownURL})
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

// TestOwnIsNotExternal: a registration with our own URL does not make our
// tokens an external issuer's, which any client of it could bring.
func TestOwnIsNotExternal(t *testing.T) {
	p := newParty(t)
	us := jwkstest.New(t, jwkstest.WithClock(func() time.Time { return p.now }))
	claims := us.Claims("alice", "app")
	claims["iss"] = ownURL
	text := us.Sign(claims)
	for _, url := range []string{ownURL, us.URL} {
		registration := exchange.Issuer{ID: "us", URL: url, Audiences: []string{"app"}, Keys: exchange.Keys{JWKS: string(us.JWKS())}}
		p.register(t, registration)
		for _, id := range []string{"", "us"} {
			s, checks, err := p.verify(exchange.SubjectToken{Text: text, Type: exchange.TypeIDToken, IssuerID: id})
			checkRefused(t, s, checks, err, exchange.ReasonIssuerUnknown, "issuer")
		}
	}
}

// TestNonceIsNotShown: what ties a login to a browser is in no check.
func TestNonceIsNotShown(t *testing.T) {
	p := newParty(t)
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
