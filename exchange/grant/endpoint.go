package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// Config is what the grants need. All fields are required.
type Config struct {
	Subjects Subjects
	Users    Users
	Sessions Sessions
	Replays  Replays
	// Challenges is what we handed out to be proven once.
	Challenges Challenges
	// Invoices knows what clients' checkout tokens may be for. Nil refuses
	// those of clients that want to have somebody asked.
	Invoices Invoices
	// Registry answers what is registered as of now.
	Registry func() Registry
	// Issuer is our own URL: iss of our tokens.
	Issuer string
}

// Subjects proves subject tokens and appends what was checked to checks. WithClient an
// error, of type *exchange.Error, there is no subject; the issuer is nil for our
// own tokens, and may be known even though the token was refused.
type Subjects interface {
	Verify(ctx context.Context, token exchange.SubjectToken, checks []exchange.Check, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, []exchange.Check, error)
	// Recipient says whether claims that were verified before are for somebody
	// whom the issuer's registration names.
	Recipient(*exchange.Issuer, map[string]any) ([]exchange.Check, error)
}

// Users knows who a subject is here.
type Users interface {
	// Resolve answers the user of a subject. For one that it does not know it
	// makes a user if create is true, by writes that the caller commits; a
	// known one costs no writes. It refuses users who may not come in.
	Resolve(ctx context.Context, s *exchange.Subject, create bool, now time.Time) (u exchange.User, isNew bool, writes []storage.Write, err error)
	// Find returns the user of an ID, or storage.ErrNotFound.
	Find(ctx context.Context, id string) (exchange.User, error)
}

// Sessions makes tokens.
type Sessions interface {
	// Create signs t and, with keep, stores sess; writes go into the same
	// commit. Without either it commits nothing.
	Create(ctx context.Context, sess *exchange.Session, t *exchange.AccessToken, idle time.Duration, keep bool, now time.Time, writes ...storage.Write) (exchange.Tokens, error)
	// Refresh turns the session of a refresh token if judge says what it gets.
	// It changes nothing when judge refuses, and may ask again after a conflict.
	Refresh(ctx context.Context, token string, now time.Time, judge func(*exchange.Session) (*exchange.AccessToken, time.Duration, error)) (exchange.Tokens, error)
	// SignIDToken makes an ID token about the user of t for its client.
	SignIDToken(t *exchange.AccessToken) (string, error)
}

// Replays spends what may be used once: the write goes into the commit that
// makes use of it.
type Replays interface {
	Once(ctx context.Context, kind, id string, expires, now time.Time) (storage.Write, error)
}

// Challenges spends what we handed out, by its name in a proof. The writes go
// into the commit that makes use of it, and do not hold if another was faster.
type Challenges interface {
	Spend(ctx context.Context, challenge string, now time.Time) ([]storage.Write, error)
}

// Invoices knows whether an invoice is a customer's, from the source that the
// party's registration names. It refuses one that is not, and while it cannot
// know.
type Invoices interface {
	Accept(ctx context.Context, party *exchange.CompiledClient, p exchange.Purchase, requestID string, now time.Time) error
}

// Registry is the registered issuers, clients and types of
// authorization_details, nil where there is none.
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
	// proofs are the parameters with a proof in them that it reads.
	proofs []string
	token  func(context.Context, *Request, time.Time) (*Response, error)
}

// New makes an Endpoint.
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

// Token answers a token request (RFC 6749 §3.2). A refusal is an
// *exchange.Error, and has changed nothing.
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
	if err := req.onlyProofs(g.proofs); err != nil {
		return nil, err
	}
	resp, err := g.token(ctx, req, now)
	if err != nil {
		return nil, refusal(err)
	}
	req.Trail.Scopes = resp.Scopes
	return resp, nil
}

// client is the authenticated client, if it may use the grant it asks for.
func (e *Endpoint) client(req *Request) (*exchange.Client, error) {
	if req.Client == nil {
		return nil, exchange.Refuse(exchange.ReasonClientUnknown, errors.New("the request names no client"))
	}
	c := req.Client.Client
	if !c.MayUse(req.GrantType) {
		return nil, exchange.Refuse(exchange.ReasonGrantNotAllowed, fmt.Errorf("client %s: grant_type %s", c.ID, req.GrantType))
	}
	return c, nil
}

// confidential is the client, if it is one that can keep a secret.
func (e *Endpoint) confidential(req *Request) (*exchange.Client, error) {
	c, err := e.client(req)
	if err == nil && c.Public() {
		return nil, exchange.Refuse(exchange.ReasonClientNotAllowed, fmt.Errorf("client %s is public", c.ID))
	}
	return c, err
}

// refusal is err as an *exchange.Error. A store that takes nothing at the
// moment has a reason of its own.
func refusal(err error) *exchange.Error {
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		return e
	}
	if storage.Unavailable(err) {
		return exchange.Refuse(exchange.ReasonStoreUnavailable, err)
	}
	return exchange.AsError(err)
}
