package subject

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

// maxToken is the largest accepted token, in bytes, unless it is an issuer's whose
// registration accepts larger ones.
const maxToken = exchange.DefaultMaxTokenSize

// Config is the configuration of a Verifier. Fields without a stated default are
// required.
type Config struct {
	// Issuers returns the current registrations. It is called once for each token.
	Issuers func() Issuers
	// FirstParty parses this server's own access tokens.
	FirstParty FirstParty
	// OwnIssuer is the iss of this server's tokens.
	OwnIssuer string
	// Wallets are the challenges for wallets, and Contracts validates the
	// signatures of contract wallets. Default: no wallet signature is accepted.
	Wallets   Wallets
	Contracts Contracts
	// Links finds users of earlier versions, whose wallets are linked by their
	// chains. Default: there are none.
	Links Links
	// Requests checks the proofs of logins by auth key. Default: none is accepted.
	Requests Requests
	// Verifying is that of the clients' jwks.Options. Default: no bound.
	Verifying chan struct{}
}

// Issuers returns registered issuers, or nil for an unknown one.
type Issuers interface {
	Issuer(id string) *exchange.CompiledIssuer
	IssuerByURL(url string) *exchange.CompiledIssuer
	// TokenSize returns the bytes of the largest token that any of them accepts.
	TokenSize() int
}

// FirstParty verifies this server's own access tokens: signature, typ, iss, exp,
// and that nothing they derive from has been revoked. Errors are of type
// *exchange.Error.
type FirstParty interface {
	// Recognizes reports whether a token's header is that of such a token.
	Recognizes(token string) bool
	Parse(ctx context.Context, token string, now time.Time) (*exchange.AccessToken, error)
}

// Verifier verifies subject tokens. Its methods are safe for concurrent use.
type Verifier struct {
	cfg   Config
	types map[string]verifyFunc // subject_token_type → its verification
	decoy *jwks.Set             // verifies the assertions of unknown clients
}

// verifyFunc verifies one type of token. Its results count only if the recorder
// has not refused.
type verifyFunc func(context.Context, *recorder, exchange.SubjectToken, time.Time) (*exchange.Subject, *exchange.CompiledIssuer)

// New returns a Verifier.
func New(cfg Config) *Verifier {
	v := &Verifier{cfg: cfg, decoy: newDecoy(cfg.Verifying)}
	v.types = map[string]verifyFunc{
		exchange.TypeIDToken:       v.externalToken,
		exchange.TypeJWT:           v.externalToken,
		exchange.TypeAccessToken:   v.accessToken,
		exchange.TypeUserAssertion: v.userAssertion,
	}
	if cfg.Requests != nil {
		v.types[exchange.TypeOneTimeToken], v.types[exchange.TypeOTP] = v.oneTimeToken, v.otp
	}
	if cfg.Wallets != nil && cfg.Contracts != nil {
		v.types[exchange.TypeWalletSignature] = v.walletSignature
	}
	return v
}

// Verify returns the subject of a token and the issuer that proved it, nil for
// this server's own tokens. It adds its checks to checks in the order they ran;
// the last of a refused token is the one that refused. With an error, which is an
// *exchange.Error, there is no subject, but the issuer as soon as it is known.
func (v *Verifier) Verify(ctx context.Context, token exchange.SubjectToken, checks *exchange.Recorder, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, error) {
	r := &recorder{Recorder: checks, explain: token.Explain}
	largest := maxToken
	if token.Type == exchange.TypeIDToken || token.Type == exchange.TypeJWT || token.Type == exchange.TypeAccessToken {
		largest = v.cfg.Issuers().TokenSize()
		r.pasted(token.Text)
	}
	r.size(tokenSize(token), largest)
	verify, ok := v.types[token.Type]
	r.Check(exchange.Check{
		Name: "subject_token_type", Want: "a type that is verified here", Got: token.Type,
		Passed: ok, Reason: exchange.ReasonTokenTypeUnsupported,
	})
	if r.Refused() {
		return nil, nil, r.Err
	}
	subject, issuer := verify(ctx, r, token, now)
	if r.Refused() {
		return nil, issuer, r.Err
	}
	return subject, issuer, nil
}

// recorder records the checks of one token.
type recorder struct {
	*exchange.Recorder
	explain bool   // see exchange.SubjectToken
	key     string // of the signature, once it is verified
}

// checkLazily is Check for a c whose Want and Got are costly: describe is called
// only if the check refuses or an explanation was requested.
func (r *recorder) checkLazily(c exchange.Check, describe func() (want, got string)) bool {
	if !r.Refused() && (r.explain || !c.Passed) {
		c.Want, c.Got = describe()
	}
	return r.Check(c)
}

// tokenSize returns the bytes of a token, or those that a decoded proof would have
// as one.
func tokenSize(token exchange.SubjectToken) int {
	if token.Proof != nil {
		return token.Proof.Size()
	}
	return len(token.Text)
}

func (r *recorder) size(n, largest int) {
	r.checkLazily(exchange.Check{
		Name: "size", Passed: n > 0 && n <= largest, Reason: exchange.ReasonSubjectTokenMalformed,
	}, func() (want, got string) { return fmt.Sprintf("1 to %d bytes", largest), strconv.Itoa(n) })
}

// pasted refuses a token with something around it that was copied with it, and says
// so to the caller too: it is the text that was sent.
func (r *recorder) pasted(text string) {
	what := ""
	switch trimmed := strings.TrimSpace(text); {
	case len(trimmed) >= len(bearer) && strings.EqualFold(trimmed[:len(bearer)], bearer):
		what = `"Bearer " before it`
	case trimmed != text && strings.ContainsAny(text, "\r\n"):
		what = "a line break around it"
	case trimmed != text:
		what = "white space around it"
	case strings.ContainsAny(text, " \t\r\n"):
		what = "white space or a line break in it"
	case len(text) > 1 && strings.Trim(text, `"'`) != text:
		what = "quotation marks around it"
	default:
		return
	}
	r.Fail(exchange.Check{Name: "form", Want: "the token alone", Got: what}, &exchange.Error{
		Reason: exchange.ReasonSubjectTokenMalformed, Description: "the token has " + strings.ReplaceAll(what, `"`, "'") + "; send the token alone",
		Err: errors.New("the token has " + what),
	})
}

const bearer = "bearer "
