package subject

import (
	"context"
	"errors"
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
		{"ended", exchange.SubjectToken{Text: text, Type: exchange.TypeAccessToken}, ours{err: ended}, exchange.ReasonSessionEnded, "access token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := New(Config{Trusts: func() Trusts { return p.trusts }, Own: tc.own, OwnIssuer: ownURL})
			s, trust, checks, err := v.Verify(context.Background(), tc.token, p.now)
			if tc.reason != "" {
				checkRefused(t, s, checks, err, tc.reason, tc.check)
				return
			}
			if err != nil || trust != nil {
				t.Fatalf("got issuer %v, %v", trust, err)
			}
			if s.Parent != parent || s.ID != "u1" || s.Issuer != "" || s.Claims != nil || s.Actor != parent.Actor || s.Proof.Replay != "" {
				t.Errorf("subject %+v", s)
			}
		})
	}
}
