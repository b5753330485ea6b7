package grant

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
)

// Request is a token request (RFC 6749 §3.2, RFC 8693 §2.1), parsed once.
type Request struct {
	GrantType string
	// Client is the authenticated client, or the public client that the request
	// names by client_id or by a client session. It is nil when the request names
	// none; only token exchange can then find one, by the subject token's audience.
	Client *exchange.CompiledClient
	// ID is the request_id of the response and the audit log.
	ID string
	// Credential is the ID of the client's secret or key that authenticated it,
	// empty if none did.
	Credential string
	// Origin is the browser origin of the request, empty outside browsers. It is
	// needed here only when the client is found by audience.
	Origin string

	SubjectToken     string
	SubjectTokenType string
	// SubjectProof is a first-party subject token that is decoded already; then
	// SubjectToken is empty.
	SubjectProof       exchange.FirstPartyProof
	ActorToken         string
	ActorTokenType     string
	RequestedTokenType string
	Scopes             []string
	Audiences          []string        // audience
	Resources          []string        // resource (RFC 8707)
	Details            json.RawMessage // authorization_details (RFC 9396)
	IssuerID           string          // names the issuer when the token has no iss
	Nonce              string
	RequestID          string // of a one-time token
	CodeVerifier       string // of a one-time token (RFC 7636 §4.5)
	RefreshToken       string
	Assertion          string // RFC 7523 §2.1
	// MaxLifetime shortens the lifetime of a checkout token; 0 does not.
	MaxLifetime time.Duration

	// Trail records the decision for the audit event, whether the request
	// succeeds or not.
	Trail Trail
}

// client returns the request's client if it may use the grant_type.
func (r *Request) client() (*exchange.Client, error) {
	if r.Client == nil {
		return nil, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("the request names no client"))
	}
	c := r.Client.Client
	if !c.MayUse(r.GrantType) {
		return nil, exchange.Refuse(exchange.ReasonGrantNotAllowed, fmt.Errorf("client %s: grant_type %s", c.ID, r.GrantType))
	}
	return c, nil
}

// confidentialClient returns the request's client if it may use the grant_type
// and authenticates.
func (r *Request) confidentialClient() (*exchange.Client, error) {
	c, err := r.client()
	if err == nil && c.Public() {
		return nil, exchange.Refuse(exchange.ReasonClientNotAllowed, fmt.Errorf("client %s is public", c.ID))
	}
	return c, err
}

// onlyTokens refuses a token that the grant does not read: its sender would
// assume that it is verified.
func (r *Request) onlyTokens(read []string) error {
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

// checkTokens refuses incomplete pairs of token and type (RFC 8693 §2.1).
func (r *Request) checkTokens() error {
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

// issuance describes the tokens that a token exchange issues (RFC 8693 §2.2.1).
type issuance struct {
	tokenType string // issued_token_type
	refresh   bool   // a refresh token is required
	idToken   bool   // an ID token instead of an access token
}

// issuance parses requested_token_type.
func (r *Request) issuance() (issuance, error) {
	switch t := r.RequestedTokenType; t {
	case "":
		return issuance{tokenType: exchange.TypeAccessToken}, nil
	case exchange.TypeAccessToken, exchange.TypeJWT:
		return issuance{tokenType: t}, nil
	case exchange.TypeRefreshToken:
		return issuance{tokenType: t, refresh: true}, nil
	case exchange.TypeIDToken:
		return issuance{tokenType: t, idToken: true}, nil
	default:
		return issuance{}, exchange.Refuse(exchange.ReasonTokenTypeUnsupported, fmt.Errorf("requested_token_type %.128q", t))
	}
}

// missing refuses a request without a required parameter.
func missing(name string) *exchange.Error {
	return wrongParameter(exchange.ReasonParameterMissing, name+" is missing")
}

// invalid refuses a parameter; the caller is told why.
func invalid(name, why string) *exchange.Error {
	return wrongParameter(exchange.ReasonParameterInvalid, name+" "+why)
}

func wrongParameter(reason exchange.Reason, text string) *exchange.Error {
	return &exchange.Error{Reason: reason, Description: text, Err: errors.New(text)}
}
