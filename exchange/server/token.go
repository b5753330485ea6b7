package server

import (
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
)

// token is the token endpoint (RFC 6749 §3.2).
func (s *Server) token(c *call) error {
	if err := c.readForm(); err != nil {
		return err
	}
	c.event.Grant = c.req.GrantType
	if c.anonymous() {
		c.req.Origin = c.origin
	} else {
		party, err := s.authenticateForm(c)
		if err != nil {
			return err
		}
		c.req.Client = party
	}
	res, err := s.grant(c)
	if err != nil {
		return err
	}
	c.out = appendResponse(c.out, res)
	return nil
}

// anonymous says whether the request names no client at all. A token exchange
// may: an issuer's registration can let its client be found by the subject
// token's audience.
func (c *call) anonymous() bool {
	return c.params.clientID == "" && c.params.clientSecret == "" && c.params.assertion == "" &&
		c.params.assertionType == "" && len(c.r.Header["Authorization"]) == 0 &&
		c.req.GrantType == exchange.GrantTokenExchange
}

// grant asks for tokens, for the token endpoint and every door.
func (s *Server) grant(c *call) (*grant.Response, error) {
	if err := c.noDPoP(); err != nil {
		return nil, err
	}
	if err := s.recall(c); err != nil {
		return nil, err
	}
	c.req.ID = c.id
	res, err := s.cfg.Grants.Token(c.ctx(), &c.req, c.now)
	if c.client == nil && c.req.Client != nil { // found by the token's audience
		c.client = c.req.Client.Client
	}
	c.vouched = err == nil
	return res, err
}

// noDPoP refuses a DPoP proof (RFC 9449 §4), whatever is in it: who sends one
// believes that the tokens will be bound to its key, and they would not be.
func (c *call) noDPoP() error {
	if len(c.r.Header["Dpop"]) == 0 {
		return nil
	}
	return refused(exchange.ReasonParameterInvalid, "DPoP is not supported: tokens are Bearer tokens, ask without a DPoP header")
}

// appendResponse writes a successful answer (RFC 6749 §5.1, RFC 8693 §2.2.1).
func appendResponse(b []byte, res *grant.Response) []byte {
	b = append(b, '{')
	b = token(b, "access_token", res.AccessToken)
	b = text(b, "issued_token_type", res.IssuedTokenType)
	b = text(b, "token_type", res.TokenType)
	b = number(b, "expires_in", int64(res.ExpiresIn/time.Second))
	if len(res.Scopes) > 0 {
		b = text(b, "scope", strings.Join(res.Scopes, " "))
	}
	b = token(b, "refresh_token", res.RefreshToken)
	b = token(b, "id_token", res.IDToken)
	b = raw(b, "authorization_details", res.Details)
	b = text(b, "session_id", res.Session)
	if u := res.User; u != nil {
		b = append(key(b, "user"), '{')
		b = text(b, "id", u.ID)
		b = boolean(b, "is_new", u.IsNew)
		b = append(b, '}')
	}
	return append(b, '}')
}
