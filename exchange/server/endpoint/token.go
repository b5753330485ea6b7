package endpoint

import (
	"strings"
	"time"

	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// token is the token endpoint (RFC 6749 §3.2).
func (Config) token() server.Endpoint {
	return server.Endpoint{
		Name: "token", Path: server.TokenPath, Event: "token",
		Caller: server.FormClient, ByAudience: true, Browsers: true,
		Steps: server.TokenSteps[struct{}]{
			Write: appendTokenResponse,
		},
	}
}

// appendTokenResponse writes a successful response (RFC 6749 §5.1, RFC 8693 §2.2.1).
func appendTokenResponse(b strictjson.Buffer, _ *server.Request, _ *struct{}, res *grant.Response) strictjson.Buffer {
	b = b.Begin()
	b = b.OmitToken("access_token", res.AccessToken)
	b = b.OmitString("issued_token_type", res.IssuedTokenType)
	b = b.OmitString("token_type", res.TokenType)
	b = b.Int("expires_in", int64(res.ExpiresIn/time.Second))
	if len(res.Scopes) > 0 {
		b = b.String("scope", strings.Join(res.Scopes, " "))
	}
	b = b.OmitToken("refresh_token", res.RefreshToken)
	b = b.OmitToken("id_token", res.IDToken)
	b = b.OmitRaw("authorization_details", res.Details)
	b = b.OmitString("session_id", res.Session)
	if u := res.User; u != nil {
		b = b.Key("user").Begin().OmitString("id", u.ID).Bool("is_new", u.IsNew).End()
	}
	return b.End()
}
