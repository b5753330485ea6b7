package grant

import (
	"errors"
	"fmt"
	"slices"

	"cambio/exchange"
)

// ask is what a request asks for. resource (RFC 8707 §2) and audience (RFC
// 8693 §2.1) name the same thing here: whom the token is for.
func (e *Endpoint) ask(r *Request) exchange.Requested {
	return exchange.Requested{
		Scopes: r.Scopes, Audiences: slices.Concat(r.Audiences, r.Resources),
		Details: r.Details, Types: e.cfg.Registry().DetailType,
	}
}

// onlyProofs refuses a proof that the grant does not read. Who sends one
// believes that it counts.
func (r *Request) onlyProofs(read []string) error {
	for _, p := range []struct{ name, value string }{
		{"subject_token", r.SubjectToken}, {"actor_token", r.ActorToken},
		{"refresh_token", r.RefreshToken}, {"assertion", r.Assertion},
	} {
		if p.value != "" && !slices.Contains(read, p.name) {
			return invalid(p.name, "is no parameter of this grant")
		}
	}
	return nil
}

// missing refuses a request without a parameter that it needs.
func missing(name string) *exchange.Error {
	e := exchange.Refuse(exchange.ReasonParameterMissing, errors.New(name))
	e.Description = name + " is missing"
	return e
}

// invalid refuses a parameter for a reason that its sender may know.
func invalid(name, why string) *exchange.Error {
	e := exchange.Refuse(exchange.ReasonParameterInvalid, fmt.Errorf("%s %s", name, why))
	e.Description = name + " " + why
	return e
}

// issue is what a token exchange issues (RFC 8693 §2.2.1).
type issue struct {
	typ     string // issued_token_type
	refresh bool   // a refresh token is asked for
	id      bool   // an ID token is asked for
}

// issued reads requested_token_type.
func (r *Request) issued() (issue, error) {
	switch t := r.RequestedTokenType; t {
	case "":
		return issue{typ: exchange.TypeAccessToken}, nil
	case exchange.TypeAccessToken, exchange.TypeJWT:
		return issue{typ: t}, nil
	case exchange.TypeRefreshToken:
		return issue{typ: t, refresh: true}, nil
	case exchange.TypeIDToken:
		return issue{typ: t, id: true}, nil
	default:
		return issue{}, exchange.Refuse(exchange.ReasonTokenTypeUnsupported, fmt.Errorf("requested_token_type %.128q", t))
	}
}

// complete checks that what belongs together is there (RFC 8693 §2.1).
func (r *Request) complete() error {
	switch {
	case r.SubjectToken == "" && r.SubjectProof == nil:
		return missing("subject_token")
	case r.SubjectTokenType == "":
		return missing("subject_token_type")
	case r.ActorToken != "" && r.ActorTokenType == "":
		return missing("actor_token_type")
	case r.ActorToken == "" && r.ActorTokenType != "":
		return invalid("actor_token_type", "comes without actor_token")
	}
	return nil
}
