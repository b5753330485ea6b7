package endpoint

import (
	"encoding/json"
	"fmt"

	"cambio/exchange"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// verified is the result of verifying a token, nil if it is refused.
type verified struct {
	subject *exchange.Subject
	claims  []byte // JSON
}

// verify reports to a backend whether a vendor's token is valid and what it says,
// without a session: what an exchange of the token would decide.
func (cfg Config) verify() server.Endpoint {
	return server.Endpoint{
		Name: "verify", Path: "/auth/external/verify", Event: "verify",
		Caller: server.JSONClient, Confidential: true, NeverReplayed: true,
		Steps: server.Steps[exchange.SubjectToken, *verified]{
			Read: func(body server.Body, token *exchange.SubjectToken) error {
				token.Type = exchange.TypeJWT
				return body.Members(
					server.Member{Name: "token", Into: &token.Text, Required: true},
					server.Member{Name: "issuerId", Into: &token.IssuerID},
				)
			},
			Run: cfg.runVerify,
			Write: func(b strictjson.Buffer, v *verified) strictjson.Buffer {
				if v == nil {
					return b.Begin().Bool("active", false).End()
				}
				b = b.Begin().Bool("active", true).OmitString("sub", v.subject.ID).OmitString("client_id", issuedTo(v.subject))
				return b.Int("exp", v.subject.Proof.Expires.Unix()).OmitRaw("claims", v.claims).End()
			},
		},
	}
}

func (cfg Config) runVerify(r *server.Request, token *exchange.SubjectToken) (*verified, error) {
	t := &r.Token
	t.SubjectToken, t.SubjectTokenType, t.IssuerID = token.Text, token.Type, token.IssuerID
	subject, err := cfg.VerifyToken(r.Context(), t, r.Now)
	if err != nil {
		refusal := exchange.AsError(err)
		if refusal.Reason.Temporary() {
			return nil, err // nothing is known about the token
		}
		r.NotGranted = refusal
		return nil, nil
	}
	claims, err := json.Marshal(subject.Claims)
	if err != nil {
		return nil, fmt.Errorf("writing claims: %w", err)
	}
	return &verified{subject, claims}, nil
}

// issuedTo returns the application that a token was issued to, as far as it says so.
func issuedTo(subject *exchange.Subject) string {
	for _, name := range []string{"client_id", "azp"} {
		if id, ok := subject.Claims[name].(string); ok && id != "" {
			return id
		}
	}
	if len(subject.Proof.Audience) == 1 {
		return subject.Proof.Audience[0]
	}
	return ""
}
