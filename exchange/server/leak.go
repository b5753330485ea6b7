package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/exchange"
)

// A server secret that a page has, its visitors have. Browsers say that they
// are ones: by Origin (RFC 6454 §7), or by Sec-Fetch-Site (Fetch Metadata).

// leaked says whether a browser sends a server secret: in a header of ours
// wherever, or by Basic at a door. A confidential client's own form at the
// token endpoint may come from its origins.
func (c *call) leaked(e *entry) bool {
	if len(c.r.Header["Origin"]) == 0 && len(c.r.Header["Sec-Fetch-Site"]) == 0 {
		return false
	}
	secret, err := c.serverSecret()
	if secret != "" || err != nil || !e.door {
		return secret != "" || err != nil
	}
	pair, err := c.clientPair()
	return pair.secret != "" || err != nil || slices.ContainsFunc(c.r.Header["Authorization"], isBasic)
}

// isBasic says whether an Authorization header has a secret; one with a token is
// no business of the client's.
func isBasic(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return strings.EqualFold(scheme, "Basic")
}

// refuseLeaked refuses, whether the secret is right or not: the caller learns
// nothing of that. The audit event says which secret it is, so that the
// operator revokes it.
func (s *Server) refuseLeaked(c *call, e *entry) error {
	wait, ok := s.cfg.Limits.Allow(c.addr, c.now)
	if !ok {
		return &exchange.Error{Reason: exchange.ReasonTooManyFailures, RetryAfter: wait}
	}
	c.tried, c.event.Name = true, e.event
	return exchange.Refuse(exchange.ReasonServerSecretInBrowser, s.whichLeaked(c))
}

func (s *Server) whichLeaked(c *call) error {
	cred, err := c.doorCredentials()
	if err != nil {
		return err
	}
	party := c.clients.Client(cred.id)
	if party == nil {
		s.cfg.CheckSecret(s.decoy, cred.secret, c.now)
		return errors.New("a browser sent a secret, of no client that there is")
	}
	c.event.Client = cred.id
	id := s.cfg.CheckSecret(party.Client, cred.secret, c.now)
	if id == "" {
		return errors.New("a browser sent a wrong secret")
	}
	c.req.Trail.Key = id
	return fmt.Errorf("a browser sent the secret: whoever opens the page has it; run cambio client secret revoke %s %s", cred.id, id)
}
