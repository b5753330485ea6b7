package grant

import (
	"time"

	"cambio/exchange"
)

// The token types of responses (RFC 6749 §7.1; RFC 8693 §2.2.1 has N_A).
const (
	bearer = "Bearer" // RFC 6750
	notOne = "N_A"    // what was issued is no access token
)

// respond is the answer with the tokens made for t.
func respond(tokens exchange.Tokens, t *exchange.AccessToken, now time.Time) *Response {
	return &Response{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, TokenType: bearer,
		ExpiresIn: tokens.Expires.Sub(now), Scopes: t.Scopes, Details: t.Details, Session: t.Session,
	}
}

// issue makes of an answer that of a token exchange: issued_token_type says
// what the member access_token holds, except that with a refresh token both
// have their own members.
func (e *Endpoint) issue(resp *Response, i issue, t *exchange.AccessToken) (*Response, error) {
	resp.IssuedTokenType = i.typ
	if !i.id {
		return resp, nil
	}
	id, err := e.cfg.Sessions.SignIDToken(t)
	if err != nil {
		return nil, err
	}
	resp.AccessToken, resp.IDToken, resp.TokenType = id, id, notOne
	resp.Scopes, resp.Details = nil, nil
	return resp, nil
}
