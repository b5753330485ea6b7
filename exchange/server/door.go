package server

import (
	"errors"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/grant"
)

// Doors speak JSON in the habits of other systems and translate to the same
// requests. This file has what they share.

// authenticateDoor finds the client of a door: X-API-Key names it, and a client
// that can keep a secret shows it in X-Server-Secret, under whatever vendor's
// name (X-Acme-Server-Secret), or by Basic. Where none of these is, a pair of
// headers …-Client-Id and …-Client-Secret says both.
func (s *Server) authenticateDoor(c *call) (*exchange.CompiledClient, error) {
	cred, err := c.doorCredentials()
	if err != nil {
		return nil, err
	}
	if cred.id == "" {
		return nil, exchange.Refuse(exchange.ReasonClientUnknown,
			errors.New("nothing names the client: no X-API-Key, no Basic, and no pair of headers …-Client-Id and …-Client-Secret"))
	}
	cred.door = true
	return s.authenticate(c, cred)
}

// doorCredentials finds those of a request at a door: never two at once.
func (c *call) doorCredentials() (credentials, error) {
	cred, err := c.basic()
	if err != nil {
		return cred, err
	}
	secret, err := c.serverSecret()
	if err != nil {
		return cred, err
	}
	if secret != "" {
		if cred.method != exchange.AuthNone {
			return cred, errTwoCredentials()
		}
		cred = credentials{method: exchange.AuthSecretPost, secret: secret, door: true}
	}
	keys := c.r.Header["X-Api-Key"]
	if len(keys) > 1 {
		return cred, malformed("there are %d X-API-Key headers", len(keys))
	}
	switch {
	case len(keys) == 1:
		return cred, cred.named(keys[0])
	case cred.method == exchange.AuthNone:
		return c.clientPair()
	}
	return cred, nil
}

// serverSecret is the value of the one X-…-Server-Secret header.
func (c *call) serverSecret() (secret string, err error) {
	for name, values := range c.r.Header {
		if !strings.HasPrefix(name, "X-") || !strings.HasSuffix(name, "-Server-Secret") {
			continue
		}
		if secret != "" || len(values) > 1 {
			return "", errTwoCredentials()
		}
		secret = values[0]
	}
	return secret, nil
}

// appendDoorResponse writes tokens as doors do.
func appendDoorResponse(b []byte, res *grant.Response, externalID string) []byte {
	b = appendTokens(append(b, '{'), res)
	if u := res.User; u != nil {
		b = append(key(b, "user"), '{')
		b = text(b, "id", u.ID)
		b = text(b, "externalUserId", externalID)
		b = text(b, "email", u.Email)
		b = boolean(b, "isNew", u.IsNew)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendTokens(b []byte, res *grant.Response) []byte {
	b = token(b, "accessToken", res.AccessToken)
	b = token(b, "refreshToken", res.RefreshToken)
	b = number(b, "expiresIn", int64(res.ExpiresIn/time.Second))
	b = text(b, "tokenType", res.TokenType)
	return text(b, "sessionId", res.Session)
}
