package subject

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

// keySet verifies tokens, as *jwks.Set does. The keys of a client's namespace do
// not.
type keySet interface {
	Verify(ctx context.Context, jws *jwks.Token, now time.Time) (jwks.Verified, error)
}

// verify verifies the signature of a token.
func verify(ctx context.Context, keys exchange.KeySet, jws *jwks.Token, now time.Time) (jwks.Verified, error) {
	set, ok := keys.(keySet)
	if !ok {
		return jwks.Verified{}, &jwks.Error{Kind: jwks.KeyNotFound, Check: "keys", Want: "an issuer that signs tokens"}
	}
	return set.Verify(ctx, jws, now)
}

// reasons maps kinds of failures to the reasons that clients are told.
var reasons = map[jwks.Kind]exchange.Reason{
	jwks.Malformed:            exchange.ReasonSubjectTokenMalformed,
	jwks.TypeNotAccepted:      exchange.ReasonSubjectTokenTypeNotAccepted,
	jwks.AlgorithmNotAccepted: exchange.ReasonSubjectTokenAlgorithmNotAccepted,
	jwks.KeyNotFound:          exchange.ReasonKeyNotFound,
	jwks.SignatureInvalid:     exchange.ReasonSubjectTokenSignatureInvalid,
	jwks.Unavailable:          exchange.ReasonIssuerUnavailable,
	jwks.Overloaded:           exchange.ReasonOverloaded,
}

// refusal returns an error of package jwks as a refusal.
func refusal(err error) *exchange.Error {
	e, ok := errors.AsType[*jwks.Error](err)
	if !ok {
		return exchange.AsError(err)
	}
	reason, ok := reasons[e.Kind]
	if !ok {
		reason = exchange.ReasonInternal
	}
	return &exchange.Error{Reason: reason, RetryAfter: e.RetryAfter, Err: err}
}
