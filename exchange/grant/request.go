package grant

import (
	"context"
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

	order uint64 // of revocations, when the decision began

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

// Response is a successful response (RFC 6749 §5.1, RFC 8693 §2.2.1).
type Response struct {
	AccessToken     string
	IssuedTokenType string // empty except for token exchange
	TokenType       string // Bearer or N_A
	ExpiresIn       time.Duration
	Scopes          []string
	RefreshToken    string
	IDToken         string
	Details         json.RawMessage
	Session         string
	User            *User // nil for a client's own tokens
}

// User is the user of the tokens.
type User struct {
	ID    string
	Email string
	IsNew bool // created by this request
}

// The token types of responses (RFC 6749 §7.1; RFC 8693 §2.2.1 has N_A).
const (
	tokenTypeBearer = "Bearer" // RFC 6750
	tokenTypeNone   = "N_A"    // the issued token is no access token
)

// newResponse returns the response with the tokens signed for t.
func newResponse(tokens exchange.Tokens, t *exchange.AccessToken, now time.Time) *Response {
	return &Response{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, TokenType: tokenTypeBearer,
		ExpiresIn: tokens.Expires.Sub(now), Scopes: t.Scopes, Details: t.Details, Session: t.Session,
	}
}

// issue adds what a token exchange issues: issued_token_type describes the member
// access_token, except that with a refresh token both have their own members.
func (e *Endpoint) issue(resp *Response, v *verified, t *exchange.AccessToken) (*Response, error) {
	resp.IssuedTokenType = v.issuance.tokenType
	if !v.issuance.idToken {
		return resp, nil
	}
	id, err := e.cfg.Sessions.SignIDToken(t, v.Nonce, v.client.IDTokenAlgorithm)
	if err != nil {
		return nil, err
	}
	resp.AccessToken, resp.IDToken, resp.TokenType = id, id, tokenTypeNone
	resp.Scopes, resp.Details = nil, nil
	return resp, nil
}

// addIDToken adds an ID token about the user of t if the scope openid was granted
// (OpenID Connect Core §3.1.3.3).
func (e *Endpoint) addIDToken(resp *Response, client *exchange.Client, t *exchange.AccessToken, nonce string) (err error) {
	if slices.Contains(t.Scopes, exchange.ScopeOpenID) {
		resp.IDToken, err = e.cfg.Sessions.SignIDToken(t, nonce, client.IDTokenAlgorithm)
	}
	return err
}

// Trail describes a decision and the checks that led to it.
type Trail struct {
	Client  string // Client.ID
	Issuer  string // Issuer.ID
	Subject string
	User    string
	Session string
	Key     string   // the issuer's key
	Rules   []string // the operator's rules that held
	// Purchase is the purchase of a checkout token, nil in any other request.
	Purchase *exchange.Purchase
	Scopes   []string
	exchange.Recorder
}

// require records checks up to the first that refuses, and returns its refusal.
func (t *Trail) require(checks ...exchange.Check) error {
	if !t.CheckAll(checks) {
		return t.Err
	}
	return nil
}

// RecordDecision records a decision and returns its refusal.
func (t *Trail) RecordDecision(d exchange.Decision) error {
	t.Checks, t.Err = append(t.Checks, d.Checks...), d.Err
	t.Rules = d.Rules
	if d.Err != nil {
		return d.Err
	}
	return nil
}

// Verify verifies a subject token and records its checks, issuer, subject and key.
func (t *Trail) Verify(ctx context.Context, v Verifier, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	subject, issuer, err := v.Verify(ctx, token, &t.Recorder, now)
	if issuer != nil {
		t.Issuer = issuer.Issuer.ID
	}
	if err != nil {
		return nil, nil, err
	}
	t.Subject, t.Key = subject.ID, subject.Proof.Key
	if subject.Parent != nil {
		t.User, t.Session = subject.Parent.User, subject.Parent.Session
	}
	return subject, issuer, nil
}

// session records the session of a request, without the checks of an attempt
// that conflicted.
func (t *Trail) session(s *exchange.Session) {
	t.Issuer, t.Subject, t.User, t.Session, t.Key = s.Issuer, s.Subject, s.User, s.ID, s.Key
	t.Recorder = exchange.Recorder{Checks: t.Checks[:0]}
}
