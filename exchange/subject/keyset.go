package subject

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

// keySet verifies tokens. *jwks.Set is one; a namespace of a client's own users
// has none.
type keySet interface {
	Verify(ctx context.Context, t *jwks.Token, now time.Time) (jwks.Verified, error)
}

// verify returns the content of a token that a key of the set signed.
func verify(ctx context.Context, keys exchange.KeySet, t *jwks.Token, now time.Time) (jwks.Verified, error) {
	set, ok := keys.(keySet)
	if !ok {
		return jwks.Verified{}, &jwks.Error{Kind: jwks.KeyNotFound, Check: "keys", Want: "an issuer that signs tokens"}
	}
	return set.Verify(ctx, t, now)
}

// reasons says what a kind of failure is to a client.
var reasons = map[jwks.Kind]exchange.Reason{
	jwks.Malformed:            exchange.ReasonSubjectTokenMalformed,
	jwks.TypeNotAccepted:      exchange.ReasonSubjectTokenTypeNotAccepted,
	jwks.AlgorithmNotAccepted: exchange.ReasonSubjectTokenAlgorithmNotAccepted,
	jwks.KeyNotFound:          exchange.ReasonKeyNotFound,
	jwks.SignatureInvalid:     exchange.ReasonSubjectTokenSignatureInvalid,
	jwks.Unavailable:          exchange.ReasonIssuerUnavailable,
	jwks.Overloaded:           exchange.ReasonOverloaded,
}

// refusal is an error of package jwks as a refusal.
func refusal(err error) *exchange.Error {
	e, ok := errors.AsType[*jwks.Error](err)
	if !ok {
		return exchange.AsError(err)
	}
	reason, ok := reasons[e.Kind]
	if !ok {
		return exchange.Refuse(exchange.ReasonInternal, err)
	}
	refused := exchange.Refuse(reason, err)
	refused.RetryAfter = e.RetryAfter
	return refused
}
