package server

import "cambio/exchange"

// doorSession is POST /auth/external/session: a backend that has its own login
// says who its user is, and hands the tokens to its page.
func (s *Server) doorSession(c *call) error {
	var who exchange.UserAssertion
	scope := ""
	err := object(c.in,
		member{name: "externalUserId", into: &who.ExternalUserID, required: true},
		member{name: "email", into: &who.Email},
		member{name: "emailVerified", flag: &who.EmailVerified},
		member{name: "name", into: &who.Name},
		member{name: "scope", into: &scope},
	)
	if err != nil {
		return err
	}
	r := &c.req
	r.GrantType, r.SubjectTokenType = exchange.GrantTokenExchange, exchange.TypeUserAssertion
	r.SubjectProof = who
	if r.Scopes, err = scopes(scope); err != nil {
		return err
	}
	res, err := s.doorTokens(c)
	if err != nil {
		return err
	}
	c.out = appendDoorResponse(c.out, res, who.ExternalUserID)
	return nil
}
