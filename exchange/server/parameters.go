package server

import (
	"encoding/json"
	"strings"

	"cambio/exchange"
	"cambio/exchange/server/form"
)

// Form are the parameters of a form that do not belong to the token request.
type Form struct {
	Token string // RFC 7009 §2.1, RFC 7662 §2.1

	clientID      string
	clientSecret  string
	assertion     string // client_assertion (RFC 7521 §4.2)
	assertionType string
}

// readForm reads the body as a form. A parameter without a value is as if it were
// absent, unknown ones are ignored (RFC 6749 §3.2).
func (r *Request) readForm() error {
	var f form.Form
	if err := f.Parse(r.in); err != nil {
		return err
	}
	for _, p := range f.Parameters() {
		if p.Value == "" {
			continue
		}
		if into := r.field(p.Name); into != nil {
			*into = p.Value
			continue
		}
		if err := r.readList(p); err != nil {
			return err
		}
	}
	return nil
}

// field returns where the value of a parameter goes that is one text.
func (r *Request) field(name string) *string {
	switch name {
	case "grant_type":
		return &r.Token.GrantType
	case "client_id":
		return &r.form.clientID
	case "client_secret":
		return &r.form.clientSecret
	case "client_assertion":
		return &r.form.assertion
	case "client_assertion_type":
		return &r.form.assertionType
	case "subject_token":
		return &r.Token.SubjectToken
	case "subject_token_type":
		return &r.Token.SubjectTokenType
	case "actor_token":
		return &r.Token.ActorToken
	case "actor_token_type":
		return &r.Token.ActorTokenType
	case "requested_token_type":
		return &r.Token.RequestedTokenType
	case "issuer_id":
		return &r.Token.IssuerID
	case "nonce":
		return &r.Token.Nonce
	case "request_id":
		return &r.Token.RequestID
	case "code_verifier":
		return &r.Token.CodeVerifier
	case "refresh_token":
		return &r.Token.RefreshToken
	case "assertion":
		return &r.Token.Assertion
	case "token":
		return &r.form.Token
	}
	return nil
}

// readList reads a parameter that is more than one text.
func (r *Request) readList(p form.Parameter) (err error) {
	t := &r.Token
	switch p.Name {
	case "scope":
		t.Scopes, err = Scopes(p.Value)
	case "audience":
		t.Audiences = append(t.Audiences, p.Value)
	case "resource":
		t.Resources = append(t.Resources, p.Value)
	case "authorization_details":
		t.Details, err = details(p.Value)
	}
	return err
}

// Scopes splits a scope (RFC 6749 §3.3).
func Scopes(s string) ([]string, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, Refused(exchange.ReasonScopeNotAllowed, "the scope has a character that is not allowed in one")
		}
	}
	return strings.Fields(s), nil
}

// details accepts authorization_details (RFC 9396 §2) that are JSON; the decision
// validates their content.
func details(s string) (json.RawMessage, error) {
	if s[0] != '[' || !json.Valid([]byte(s)) {
		return nil, Refused(exchange.ReasonAuthorizationDetailsInvalid, "authorization_details is not a JSON array")
	}
	return json.RawMessage(s), nil
}
