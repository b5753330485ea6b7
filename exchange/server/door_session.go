package server

import (
	"encoding/base64"

	"cambio/exchange"
)

// doorSession is POST /auth/external/session: a backend that has its own login
// says who its user is, and hands the tokens to its page.
func (s *Server) doorSession(c *call) error {
	var who assertion
	scope := ""
	err := object(c.in,
		member{name: "externalUserId", into: &who.id, required: true},
		member{name: "email", into: &who.email},
		member{name: "emailVerified", flag: &who.emailVerified},
		member{name: "name", into: &who.name},
		member{name: "scope", into: &scope},
	)
	if err != nil {
		return err
	}
	r := &c.req
	r.GrantType, r.SubjectTokenType = exchange.GrantTokenExchange, exchange.TypeUserAssertion
	r.SubjectToken = who.token()
	if r.Scopes, err = scopes(scope); err != nil {
		return err
	}
	res, err := s.doorTokens(c)
	if err != nil {
		return err
	}
	c.out = appendDoorResponse(c.out, res, who.id)
	return nil
}

// assertion is what a backend says of one of its users.
type assertion struct {
	id, email, name string
	emailVerified   bool
}

// token is the assertion as a subject token.
func (a *assertion) token() string {
	b := append(make([]byte, 0, 256), '{')
	b = text(b, "externalUserId", a.id)
	b = text(b, "email", a.email)
	if a.emailVerified {
		b = boolean(b, "emailVerified", true)
	}
	b = text(b, "name", a.name)
	return base64.RawURLEncoding.EncodeToString(append(b, '}'))
}
