package subject

import (
	"context"
	"errors"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

// keySet is a jwks.Set in the words of package exchange.
type keySet struct{ set *jwks.Set }

// Verify implements exchange.KeySet.
func (k keySet) Verify(ctx context.Context, token string, now time.Time) (exchange.VerifiedToken, error) {
	t, err := k.set.Verify(ctx, token, now)
	if err != nil {
		return exchange.VerifiedToken{}, refusal(err)
	}
	return exchange.VerifiedToken{Payload: t.Payload, Type: t.Type, Alg: t.Alg, Key: t.Thumbprint}, nil
}

// Revoked implements exchange.KeySet.
func (k keySet) Revoked(key string) bool { return k.set.Revoked(key) }

// Close implements exchange.KeySet.
func (k keySet) Close() { k.set.Close() }

// Keys describes the keys, for operators. It fetches them if need be.
func (k keySet) Keys(ctx context.Context) ([]jwks.KeyInfo, error) { return k.set.Keys(ctx) }

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
