package server

import (
	"errors"
	"net/http"

	"cambio/exchange"
	"cambio/exchange/limit"
)

// limit counts a refusal that can answer a guess, by the caller's address and by the
// client whose secret it presented. While one of these is over its limit the refusal
// becomes TOO_MANY_FAILURES, which tells a guesser nothing, and counts no more.
//
// Nothing else is limited here: a valid proof is granted however many failures its
// address has, since others may share the address. What bounds guessing is the size of
// what is guessed (256 bits, and 5 tries of a mailed code), and what bounds the work is
// the gate, before it the listener, and the bound on verifications.
func (r *Request) limit(err error) error {
	if !r.countsFailure || r.Caller.Authenticated || !isGuess(err) {
		return err
	}
	limits := r.server.cfg.Limits
	wait, over := limits.Fail(limit.Address(r.addr), r.Now)
	if !over && r.credential != "" { // an address over its limit fills the memory no further
		wait, over = limits.Fail(limit.Credential(r.credential), r.Now)
	}
	if over {
		return &exchange.Error{Reason: exchange.ReasonTooManyFailures, RetryAfter: wait, Err: exchange.AsError(err)}
	}
	return err
}

// isGuess reports whether a refusal can answer a guess. A temporary one says nothing
// about what the caller presented. A page of a foreign origin can make a browser send
// anything, so that does not count against the address of the browser's user.
func isGuess(err error) bool {
	e := exchange.AsError(err)
	switch e.Reason.Response().Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return e.Reason != exchange.ReasonOriginNotAllowed && !isGenuine(e)
	}
	return false
}

// genuine are the refusals of proofs that the named issuer or client made, and that
// are no guesses: they have expired, were used, or the operator does not accept them.
var genuine = map[exchange.Reason]bool{
	exchange.ReasonSubjectTokenExpired:         true,
	exchange.ReasonSubjectTokenNotYetValid:     true,
	exchange.ReasonSubjectTokenLifetimeTooLong: true,
	exchange.ReasonSubjectTokenReplayed:        true,
	exchange.ReasonSubjectTokenRevoked:         true,
	exchange.ReasonRefreshTokenExpired:         true,
	exchange.ReasonRefreshTokenReused:          true,
	exchange.ReasonSessionEnded:                true,
	exchange.ReasonRequestExpired:              true,
	exchange.ReasonRequestReplayed:             true,
	exchange.ReasonAddressNotAllowed:           true,
	exchange.ReasonConditionFailed:             true,
	exchange.ReasonUserNotRegistered:           true,
	exchange.ReasonUserDisabled:                true,
	exchange.ReasonActorNotAllowed:             true,
}

// isGenuine reports whether a refusal is for one of the genuine reasons, or wraps one
// that is: a client assertion or an actor token is refused for one reason whatever is
// wrong with it.
func isGenuine(e *exchange.Error) bool {
	for ok := true; ok; e, ok = errors.AsType[*exchange.Error](e.Err) {
		if genuine[e.Reason] {
			return true
		}
	}
	return false
}
