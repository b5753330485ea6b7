package server

import (
	"errors"
	"net/http"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
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
	verdict := limits.Fail(limit.Address(r.addr), r.Now)
	if verdict.Began {
		r.server.auditThrottling(audit.Event{
			Time: r.Now, Name: "throttle.begin", RequestID: r.ID, Address: limit.Bucket(r.addr), Reason: exchange.ReasonTooManyFailures,
			Err: "one refusal a minute of this address is told its reason; if it is a proxy, set trustedProxies",
		})
	}
	if !verdict.Over && r.credential != "" { // an address over its limit fills the memory no further
		verdict = limits.Fail(limit.Credential(r.credential), r.Now)
	}
	if !verdict.Over {
		return err
	}
	return &exchange.Error{Reason: exchange.ReasonTooManyFailures, RetryAfter: verdict.RetryAfter, Err: exchange.AsError(err)}
}

// Sweep forgets failures that are forgiven, and audits the ends of throttlings and
// the refusals that were counted instead of written. It is called about once a minute.
func (s *Server) Sweep(now time.Time) {
	s.cfg.Audit.Sweep(now)
	for _, t := range s.cfg.Limits.Sweep(now) {
		s.auditThrottling(audit.Event{Time: now, Name: "throttle.end", Address: t.Address, Begin: t.Begin, Count: t.Refused})
	}
}

// auditThrottling writes an event that no request waits for.
func (s *Server) auditThrottling(e audit.Event) {
	if err := s.cfg.Audit.Write(&e); err != nil {
		s.cfg.Logger.Error("a throttling is not audited", "event", e.Name, "address", e.Address, "error", err)
	}
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
