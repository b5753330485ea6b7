package endpoint

import (
	"time"

	"cambio/exchange/grant"
	"cambio/exchange/server"
	"cambio/jwks/strictjson"
)

// appendTokens writes the members of tokens at the JSON endpoints.
func appendTokens(b strictjson.Buffer, res *grant.Response) strictjson.Buffer {
	b = b.OmitToken("accessToken", res.AccessToken)
	b = b.OmitToken("refreshToken", res.RefreshToken)
	b = b.Int("expiresIn", int64(res.ExpiresIn/time.Second))
	b = b.OmitString("tokenType", res.TokenType)
	return b.OmitString("sessionId", res.Session)
}

// appendResponse writes tokens with their user, whose ID at the source of the proof
// is externalID.
func appendResponse(b strictjson.Buffer, res *grant.Response, externalID string) strictjson.Buffer {
	b = appendTokens(b.Begin(), res)
	if u := res.User; u != nil {
		b = b.Key("user").Begin()
		b = b.OmitString("id", u.ID).OmitString("externalUserId", externalID).OmitString("email", u.Email)
		b = b.Bool("isNew", u.IsNew).End()
	}
	return b.End()
}

// writeWithSubject writes tokens for a user whose external ID is the subject.
func writeWithSubject(b strictjson.Buffer, r *server.Request, _ *struct{}, res *grant.Response) strictjson.Buffer {
	return appendResponse(b, res, r.Token.Trail.Subject)
}

// appendTime writes a time to the second.
func appendTime(b strictjson.Buffer, name string, t time.Time) strictjson.Buffer {
	return b.Time(name, t.Truncate(time.Second))
}
