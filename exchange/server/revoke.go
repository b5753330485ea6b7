package server

import (
	"encoding/json"
	"fmt"

	"cambio/exchange"
)

// revoke ends a token (RFC 7009 §2). A token that means nothing is revoked
// already; token_type_hint is ignored, as §2.1 allows, since a token shows
// what it is.
func (s *Server) revoke(c *call) error {
	if err := c.readForm(); err != nil {
		return err
	}
	party, err := s.authenticateForm(c)
	if err != nil {
		return err
	}
	if c.params.token == "" {
		return refused(exchange.ReasonParameterMissing, "token is missing")
	}
	return s.end(c, c.params.token, party.Client)
}

// end revokes a token for a client and notes whose it was.
func (s *Server) end(c *call, token string, client *exchange.Client) error {
	ended, err := s.cfg.Sessions.RevokeToken(c.ctx(), token, client.ID, c.now)
	c.req.Trail.User, c.req.Trail.Session = ended.User, ended.Session
	c.vouched = ended.Session != ""
	return err
}

// introspect says what a token means (RFC 7662 §2) to a client that has shown
// who it is. Resource servers ask often, so only refusals are audited.
func (s *Server) introspect(c *call) error {
	if err := c.readForm(); err != nil {
		return err
	}
	if err := s.confidential(c); err != nil {
		return err
	}
	if c.params.token == "" {
		return refused(exchange.ReasonParameterMissing, "token is missing")
	}
	found, err := s.cfg.Sessions.Introspect(c.ctx(), c.params.token, c.now)
	if err != nil {
		return err
	}
	body, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("writing introspection: %w", err)
	}
	c.event.Name = ""
	c.out = append(c.out, body...)
	return nil
}

// confidential authenticates a client that can keep a secret.
func (s *Server) confidential(c *call) error {
	if _, err := s.authenticateForm(c); err != nil {
		return err
	}
	return c.onlyProven()
}

func (c *call) onlyProven() error {
	if c.proven {
		return nil
	}
	return refused(exchange.ReasonClientNotAllowed, "only a client that authenticates may ask this")
}
