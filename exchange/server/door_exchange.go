package server

import (
	"cambio/exchange"
	"cambio/exchange/grant"
)

// The OIDC exchange of a browser app without a backend: it brings a token of a
// login it already has.

// doorExchange is POST /auth/external/exchange.
func (s *Server) doorExchange(c *call) error {
	r, typ, scope := &c.req, "", ""
	err := object(c.in,
		member{name: "token", into: &r.SubjectToken, required: true},
		member{name: "tokenType", into: &typ},
		member{name: "issuerId", into: &r.IssuerID},
		member{name: "nonce", into: &r.Nonce},
		member{name: "scope", into: &scope},
	)
	if err != nil {
		return err
	}
	r.GrantType = exchange.GrantTokenExchange
	if r.SubjectTokenType, err = doorTokenType(typ); err != nil {
		return err
	}
	if r.Scopes, err = scopes(scope); err != nil {
		return err
	}
	return s.doorGrant(c)
}

func doorTokenType(short string) (string, error) {
	switch short {
	case "", "id_token":
		return exchange.TypeIDToken, nil
	case "jwt":
		return exchange.TypeJWT, nil
	}
	return "", refused(exchange.ReasonTokenTypeUnsupported, "tokenType must be id_token or jwt")
}

// doorRefresh is POST /auth/refresh.
func (s *Server) doorRefresh(c *call) error {
	err := object(c.in, member{name: "refreshToken", into: &c.req.RefreshToken, required: true})
	if err != nil {
		return err
	}
	c.req.GrantType, c.bearer = exchange.GrantRefreshToken, true
	return s.doorGrant(c)
}

// doorGrant answers with tokens, and with what the user is called where the
// proof came from.
func (s *Server) doorGrant(c *call) error {
	res, err := s.doorTokens(c)
	if err != nil {
		return err
	}
	c.out = appendDoorResponse(c.out, res, c.req.Trail.Subject)
	return nil
}

func (s *Server) doorTokens(c *call) (_ *grant.Response, err error) {
	c.event.Grant = c.req.GrantType
	if c.req.Client, err = s.authenticateDoor(c); err != nil {
		return nil, err
	}
	return s.grant(c)
}

// doorLogout is POST /auth/logout.
func (s *Server) doorLogout(c *call) error {
	var token string
	if err := object(c.in, member{name: "refreshToken", into: &token, required: true}); err != nil {
		return err
	}
	c.bearer = true
	party, err := s.authenticateDoor(c)
	if err != nil {
		return err
	}
	if err := s.recall(c); err != nil {
		return err
	}
	if err := s.end(c, token, party.Client); err != nil {
		return err
	}
	c.out = append(c.out, "{}"...)
	return nil
}
