package subject

import (
	"context"
	"strconv"
	"time"

	"cambio/exchange"
)

// maxToken is the largest accepted token, in bytes.
const maxToken = 16 << 10

// Config is what a Verifier needs. Fields without a stated default are required.
type Config struct {
	// Issuers answers the issuers as of now. It is called once for each token.
	Issuers func() Issuers
	// FirstParty reads our own access tokens.
	FirstParty FirstParty
	// OwnIssuer is the iss of our tokens.
	OwnIssuer string
	// Wallets are the challenges that wallets answer, and Contracts asks about
	// the signatures of contract wallets. Default: no wallet is believed.
	Wallets   Wallets
	Contracts Contracts
	// Requests proves what was handed out for logins by auth key. Default: none
	// was.
	Requests Requests
}

// Issuers are the registered issuers, nil where there is none.
type Issuers interface {
	Issuer(id string) *exchange.CompiledIssuer
	IssuerByURL(url string) *exchange.CompiledIssuer
}

// FirstParty verifies an access token of ours: signature, typ, iss, exp, and that
// nothing it came from was ended. Its errors are of type *exchange.Error.
type FirstParty interface {
	Parse(ctx context.Context, token string, now time.Time) (*exchange.AccessToken, error)
}

// Verifier verifies subject tokens. Its methods are safe for concurrent use.
type Verifier struct {
	cfg   Config
	kinds map[string]kind // subject_token_type → how it is verified
}

// kind verifies one kind of token. What it answers counts only if no check
// refused.
type kind func(context.Context, *list, exchange.SubjectToken, time.Time) (*exchange.Subject, *exchange.CompiledIssuer)

// New makes a Verifier.
func New(cfg Config) *Verifier {
	v := &Verifier{cfg: cfg}
	v.kinds = map[string]kind{
		exchange.TypeIDToken:     v.external,
		exchange.TypeJWT:         v.external,
		exchange.TypeAccessToken: v.accessToken,

		exchange.TypeUserAssertion: v.userAssertion,
	}
	if cfg.Requests != nil {
		v.kinds[exchange.TypeOneTimeToken], v.kinds[exchange.TypeOTP] = v.oneTimeToken, v.otp
	}
	if cfg.Wallets != nil && cfg.Contracts != nil {
		v.kinds[exchange.TypeWalletSignature] = v.walletSignature
	}
	return v
}

// Verify proves a subject token. It answers the subject, the issuer that
// proved it (nil when we did), and checks with those appended that it made, in
// the order they ran, the last of which is the one that refused. WithClient an error,
// which is of type *exchange.Error, there is no subject; the issuer is there as
// soon as it is known, for the audit trail.
func (v *Verifier) Verify(ctx context.Context, token exchange.SubjectToken, checks []exchange.Check, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer, []exchange.Check, error) {
	l := &list{checks: checks, explain: token.Explain}
	l.size(size(token))
	verify := v.kind(l, token.Type)
	if l.refused() {
		return nil, nil, l.checks, l.err
	}
	subject, trust := verify(ctx, l, token, now)
	if l.refused() {
		return nil, trust, l.checks, l.err
	}
	return subject, trust, l.checks, nil
}

func (v *Verifier) kind(l *list, typ string) kind {
	k, ok := v.kinds[typ]
	l.check(exchange.Check{
		Name: "subject_token_type", Want: "a type that is verified here", Got: typ,
		Passed: ok, Reason: exchange.ReasonTokenTypeUnsupported,
	})
	return k
}

// list collects checks. Once one has refused, later ones do not run.
type list struct {
	checks  []exchange.Check
	explain bool   // see exchange.SubjectToken
	err     error  // of type *exchange.Error
	key     string // that signed, once that is known
	// reason, if set, stands for the reason of every check that refuses.
	reason exchange.Reason
}

func (l *list) refused() bool { return l.err != nil }

// check notes c and says whether to go on.
func (l *list) check(c exchange.Check) bool {
	if l.refused() {
		return false
	}
	if l.reason != "" {
		c.Reason = l.reason
	}
	c.Got = exchange.Clip(c.Got)
	l.checks = append(l.checks, c)
	if !c.Passed && !c.Audit {
		l.err = c.Refusal()
	}
	return !l.refused()
}

// checkSaying is check for a c that takes time to say what it wants and got:
// say is asked only where somebody will read it.
func (l *list) checkSaying(c exchange.Check, say func() (want, got string)) bool {
	if !l.refused() && (l.explain || !c.Passed) {
		c.Want, c.Got = say()
	}
	return l.check(c)
}

// fail notes c, which did not pass, with the error that says why. What is not
// the token's fault keeps its own reason.
func (l *list) fail(c exchange.Check, err *exchange.Error) {
	if l.reason != "" && err.Reason.Response().Code != exchange.TemporarilyUnavailable {
		err = exchange.Refuse(l.reason, err)
	}
	c.Passed, c.Reason, c.Got = false, err.Reason, exchange.Clip(c.Got)
	l.checks, l.err = append(l.checks, c), err
}

// size returns how many bytes a token has, or would have if it were not decoded yet.
func size(token exchange.SubjectToken) int {
	if token.Proof != nil {
		return token.Proof.Size()
	}
	return len(token.Text)
}

func (l *list) size(n int) bool {
	return l.checkSaying(exchange.Check{
		Name: "size", Passed: n > 0 && n <= maxToken, Reason: exchange.ReasonSubjectTokenMalformed,
	}, func() (want, got string) { return "1 to 16384 bytes", strconv.Itoa(n) })
}
