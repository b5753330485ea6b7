package server

import (
	"encoding/json"
	"fmt"

	"cambio/exchange"
)

// doorVerify is POST /auth/external/verify: a backend asks whether a vendor's
// token is good, and gets what it says, without a session. The token goes
// through the same verification and the same decision as in an exchange.
func (s *Server) doorVerify(c *call) error {
	token := exchange.SubjectToken{Type: exchange.TypeJWT}
	err := object(c.in,
		member{name: "token", into: &token.Text, required: true},
		member{name: "issuerId", into: &token.IssuerID},
	)
	if err != nil {
		return err
	}
	party, err := s.authenticateDoor(c)
	if err != nil {
		return err
	}
	if err := c.onlyProven(); err != nil {
		return err
	}
	subject, err := s.judge(c, party.Client, token)
	if err == nil {
		return c.verified(subject)
	}
	refusal := exchange.AsError(err)
	if refusal.Reason.Response().Status >= 500 {
		return err // nothing is known about the token
	}
	c.event.Reason, c.event.Err = refusal.Reason, refusal.Error()
	c.out = append(c.out, `{"active":false}`...)
	return nil
}

// judge verifies a token and decides about it. What led there is in the trail.
func (s *Server) judge(c *call, client *exchange.Client, token exchange.SubjectToken) (*exchange.Subject, error) {
	trail := &c.req.Trail
	subject, trust, checks, err := s.cfg.Subjects.Verify(c.ctx(), token, trail.Checks, c.now)
	trail.Checks = checks
	if trust != nil {
		trail.Issuer = trust.Issuer.ID
	}
	if err != nil {
		return nil, err
	}
	trail.Subject, trail.Key = subject.ID, subject.Proof.Key
	if trust == nil {
		return nil, exchange.Refuse(exchange.ReasonSubjectTokenTypeNotAccepted, nil)
	}
	d := exchange.Decide(trust, client, subject, exchange.Requested{}, c.now)
	trail.Checks, trail.Rules = append(trail.Checks, d.Checks...), d.Rules
	if d.Err != nil {
		return nil, d.Err
	}
	return subject, nil
}

func (c *call) verified(subject *exchange.Subject) error {
	claims, err := json.Marshal(subject.Claims)
	if err != nil {
		return fmt.Errorf("writing claims: %w", err)
	}
	b := append(c.out, '{')
	b = boolean(b, "active", true)
	b = text(b, "sub", subject.ID)
	b = text(b, "client_id", app(subject))
	b = number(b, "exp", subject.Proof.Expires.Unix())
	b = raw(b, "claims", claims)
	c.out = append(b, '}')
	return nil
}

// app is the application that a token was issued to, as far as it says so.
func app(subject *exchange.Subject) string {
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
