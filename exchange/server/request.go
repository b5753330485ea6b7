package server

import (
	"encoding/json"
	"strings"

	"cambio/exchange"
)

// parameters are those of a form that are not of the token request itself.
type parameters struct {
	clientID      string
	clientSecret  string
	assertion     string // client_assertion (RFC 7521 §4.2)
	assertionType string
	token         string // RFC 7009 §2.1, RFC 7662 §2.1
}

// readForm reads the body as a form. Parameters without a value are as if they
// were omitted, unknown ones are ignored (RFC 6749 §3.2).
func (c *call) readForm() error {
	var f form
	if err := f.parse(c.in); err != nil {
		return err
	}
	for _, p := range f.parameters() {
		if p.value == "" {
			continue
		}
		if into := c.field(p.name); into != nil {
			*into = p.value
			continue
		}
		if err := c.readList(p); err != nil {
			return err
		}
	}
	return nil
}

// field is where the value of a parameter goes that is one text.
func (c *call) field(name string) *string {
	switch name {
	case "grant_type":
		return &c.req.GrantType
	case "client_id":
		return &c.params.clientID
	case "client_secret":
		return &c.params.clientSecret
	case "client_assertion":
		return &c.params.assertion
	case "client_assertion_type":
		return &c.params.assertionType
	case "subject_token":
		return &c.req.SubjectToken
	case "subject_token_type":
		return &c.req.SubjectTokenType
	case "actor_token":
		return &c.req.ActorToken
	case "actor_token_type":
		return &c.req.ActorTokenType
	case "requested_token_type":
		return &c.req.RequestedTokenType
	case "issuer_id":
		return &c.req.IssuerID
	case "nonce":
		return &c.req.Nonce
	case "request_id":
		return &c.req.RequestID
	case "code_verifier":
		return &c.req.CodeVerifier
	case "refresh_token":
		return &c.req.RefreshToken
	case "assertion":
		return &c.req.Assertion
	case "token":
		return &c.params.token
	}
	return nil
}

// readList reads a parameter that is more than one text.
func (c *call) readList(p parameter) (err error) {
	switch p.name {
	case "scope":
		c.req.Scopes, err = scopes(p.value)
	case "audience":
		c.req.Audiences = append(c.req.Audiences, p.value)
	case "resource":
		c.req.Resources = append(c.req.Resources, p.value)
	case "authorization_details":
		c.req.Details, err = details(p.value)
	}
	return err
}

// scopes splits a scope (RFC 6749 §3.3).
func scopes(s string) ([]string, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, refused(exchange.ReasonScopeNotAllowed, "the scope has a character that is not allowed in one")
		}
	}
	return strings.Fields(s), nil
}

// details takes authorization_details (RFC 9396 §2) that are JSON. What is in
// them is for the decision to judge.
func details(s string) (json.RawMessage, error) {
	if s[0] != '[' || !json.Valid([]byte(s)) {
		return nil, refused(exchange.ReasonAuthorizationDetailsInvalid, "authorization_details is not a JSON array")
	}
	return json.RawMessage(s), nil
}
