package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Config is the configuration of an Endpoint. Fields without a stated default
// are required.
type Config struct {
	Subjects Subjects
	Users    Users
	Sessions Sessions
	Replays  Replays
	// Challenges is required if Subjects accepts proofs that answer one.
	Challenges Challenges
	// Invoices validates the invoices of checkout tokens. Default: clients that
	// require it get no checkout tokens.
	Invoices Invoices
	// NewSession counts a session of a user at a client before it is stored, and
	// returns how long to wait if there were too many in a short time. Default: there
	// are never too many.
	NewSession func(client, user string, now time.Time) (wait time.Duration, over bool)
	// Registry returns the current registrations.
	Registry func() Registry
	// Issuer is this server's own URL, the iss of its tokens.
	Issuer string
}

// Subjects verifies subject and actor tokens.
type Subjects interface {
	Verifier
	// CheckRecipient checks, and records in checks, whether claims that were
	// verified earlier are still meant for a recipient that the issuer's
	// registration accepts.
	CheckRecipient(checks *exchange.Recorder, issuer *exchange.Issuer, claims map[string]any)
}

// Verifier verifies subject tokens.
type Verifier interface {
	// Verify returns the subject of a token and the issuer that proved it, nil
	// for this server's own tokens, and records its checks. An error is an
	// *exchange.Error; the issuer may be known nevertheless.
	Verify(ctx context.Context, token exchange.SubjectToken, checks *exchange.Recorder, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error)
}

// Users resolves subjects to local users.
type Users interface {
	// Resolve returns the user of a subject, or an *exchange.Error for an unknown
	// or disabled user. With create it creates an unknown user by writes that
	// the caller commits; a known user costs no writes.
	Resolve(ctx context.Context, s *exchange.Subject, create bool, now time.Time) (u exchange.User, isNew bool, writes []storage.Write, err error)
	// Find returns the user with an ID, or storage.ErrNotFound.
	Find(ctx context.Context, id string) (exchange.User, error)
}

// Sessions creates and refreshes sessions and signs tokens.
type Sessions interface {
	// Create signs t and, with keep, stores sess in one commit with writes.
	// Without either it commits nothing.
	Create(ctx context.Context, sess *exchange.Session, t *exchange.AccessToken, idle time.Duration, keep bool, now time.Time, writes ...storage.Write) (exchange.Tokens, error)
	// Refresh rotates the refresh token of a session and signs the access token
	// that evaluate returns. It changes nothing if evaluate refuses, and calls it
	// again after a conflict.
	Refresh(ctx context.Context, token string, now time.Time, evaluate func(*exchange.Session) (*exchange.AccessToken, time.Duration, error)) (exchange.Tokens, error)
	// Session returns the session of a valid access token.
	Session(ctx context.Context, id string) (*exchange.Session, error)
	// Order returns the order of revocations, to be read before a decision.
	Order(ctx context.Context) (uint64, error)
	// SignIDToken returns an ID token about the user of t for its client, with a
	// nonce unless that is empty, by a key of an algorithm.
	SignIDToken(t *exchange.AccessToken, nonce, algorithm string) (string, error)
}

// Replays marks single-use tokens as used until end: the writes go into the commit
// that uses the token, which conflicts if it was used before.
type Replays interface {
	Once(ctx context.Context, kind, id string, end, now time.Time) ([]storage.Write, error)
}

// Challenges spends the challenge of a proof. The writes go into the commit that
// uses the proof, and conflict if another request used it first.
type Challenges interface {
	Spend(ctx context.Context, challenge string, now time.Time) ([]storage.Write, error)
}

// Invoices reports whether an invoice is the customer's, from the source that the
// client's registration names. It returns an *exchange.Error if it is not, or if
// that source is unavailable.
type Invoices interface {
	Accept(ctx context.Context, client *exchange.CompiledClient, p exchange.Purchase, requestID string, now time.Time) error
}

// Registry returns registered issuers, clients and types of
// authorization_details, or nil for an unknown name.
type Registry interface {
	Issuer(id string) *exchange.CompiledIssuer
	Client(id string) *exchange.CompiledClient
	DetailType(name string) *exchange.DetailKind
}

// Endpoint is the token endpoint. Its methods are safe for concurrent use.
type Endpoint struct {
	cfg    Config
	grants map[string]grant // grant_type → grant
}

// grant is one grant_type.
type grant struct {
	// tokens are the parameters with tokens that the grant reads.
	tokens []string
	serve  func(context.Context, *Request, time.Time) (*Response, error)
}

// New returns an Endpoint.
func New(cfg Config) *Endpoint {
	e := &Endpoint{cfg: cfg}
	e.grants = map[string]grant{
		exchange.GrantTokenExchange:     {[]string{"subject_token", "actor_token"}, e.tokenExchange},
		exchange.GrantRefreshToken:      {[]string{"refresh_token"}, e.refreshToken},
		exchange.GrantClientCredentials: {nil, e.clientCredentials},
		exchange.GrantJWTBearer:         {[]string{"assertion"}, e.jwtBearer},
	}
	return e
}

// Token serves a token request (RFC 6749 §3.2). An error is an *exchange.Error,
// and the request has then changed nothing.
func (e *Endpoint) Token(ctx context.Context, req *Request, now time.Time) (*Response, error) {
	if req.Client != nil {
		req.Trail.Client = req.Client.Client.ID
	}
	if req.GrantType == "" {
		return nil, missing("grant_type")
	}
	g, ok := e.grants[req.GrantType]
	if !ok {
		return nil, exchange.Refuse(exchange.ReasonGrantTypeUnsupported, fmt.Errorf("grant_type %.128q", req.GrantType))
	}
	if err := req.onlyTokens(g.tokens); err != nil {
		return nil, err
	}
	if err := e.begin(ctx, req); err != nil {
		return nil, exchange.AsError(err)
	}
	resp, err := g.serve(ctx, req, now)
	if err != nil {
		return nil, exchange.AsError(err)
	}
	req.Trail.Scopes = resp.Scopes
	return resp, nil
}

// begin reads the order of revocations before all else that the request is decided
// by. The client was read before that, so it is looked for once more. A session has
// an order of its own.
func (e *Endpoint) begin(ctx context.Context, req *Request) (err error) {
	if req.GrantType == exchange.GrantRefreshToken {
		return nil
	}
	if req.order, err = e.cfg.Sessions.Order(ctx); err != nil {
		return err
	}
	if c := req.Client; c != nil && e.cfg.Registry().Client(c.Client.ID) == nil {
		return exchange.Refuse(exchange.ReasonClientUnknown, fmt.Errorf("client %s was removed meanwhile", c.Client.ID))
	}
	return nil
}

// requested returns what a request asks for. resource (RFC 8707 §2) and audience
// (RFC 8693 §2.1) both name the recipients of the token.
func (e *Endpoint) requested(r *Request) exchange.Requested {
	return exchange.Requested{
		Scopes: r.Scopes, Audiences: slices.Concat(r.Audiences, r.Resources),
		Details: r.Details, Types: e.cfg.Registry().DetailType,
	}
}

// refuseAs returns a refusal as one for reason. A temporary refusal says nothing
// about the token or session and stays as it is, as do other errors.
func refuseAs(reason exchange.Reason, err error) error {
	e, ok := errors.AsType[*exchange.Error](err)
	if !ok || e.Reason.Temporary() {
		return err
	}
	return &exchange.Error{Reason: reason, Description: e.Description, Err: e}
}
