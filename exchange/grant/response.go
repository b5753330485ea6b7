package grant

import (
	"encoding/json"
	"time"

	"cambio/exchange"
)

// Response is a successful response (RFC 6749 §5.1, RFC 8693 §2.2.1).
type Response struct {
	AccessToken     string
	IssuedTokenType string // empty except for token exchange
	TokenType       string // Bearer or N_A
	ExpiresIn       time.Duration
	Scopes          []string
	RefreshToken    string
	IDToken         string
	Details         json.RawMessage
	Session         string
	User            *User // nil for a client's own tokens
}

// User is the user of the tokens.
type User struct {
	ID    string
	Email string
	IsNew bool // created by this request
}

// The token types of responses (RFC 6749 §7.1; RFC 8693 §2.2.1 has N_A).
const (
	tokenTypeBearer = "Bearer" // RFC 6750
	tokenTypeNone   = "N_A"    // the issued token is no access token
)

// newResponse returns the response with the tokens signed for t.
func newResponse(tokens exchange.Tokens, t *exchange.AccessToken, now time.Time) *Response {
	return &Response{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, TokenType: tokenTypeBearer,
		ExpiresIn: tokens.Expires.Sub(now), Scopes: t.Scopes, Details: t.Details, Session: t.Session,
	}
}

// issue adds what a token exchange issues: issued_token_type describes the member
// access_token, except that with a refresh token both have their own members.
func (e *Endpoint) issue(resp *Response, i issuance, t *exchange.AccessToken) (*Response, error) {
	resp.IssuedTokenType = i.tokenType
	if !i.idToken {
		return resp, nil
	}
	id, err := e.cfg.Sessions.SignIDToken(t)
	if err != nil {
		return nil, err
	}
	resp.AccessToken, resp.IDToken, resp.TokenType = id, id, tokenTypeNone
	resp.Scopes, resp.Details = nil, nil
	return resp, nil
}
