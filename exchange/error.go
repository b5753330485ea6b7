package exchange

import (
	"errors"
	"fmt"
	"time"
)

// Code is an error code of OAuth 2.0 (RFC 6749 §5.2, RFC 8693 §2.2.2 and the
// RFCs that extend them): the error member of a response.
type Code string

// The codes, in the order of their RFCs.
const (
	InvalidRequest              Code = "invalid_request"               // RFC 6749 §5.2
	InvalidClient               Code = "invalid_client"                // RFC 6749 §5.2
	InvalidGrant                Code = "invalid_grant"                 // RFC 6749 §5.2
	UnauthorizedClient          Code = "unauthorized_client"           // RFC 6749 §5.2
	UnsupportedGrantType        Code = "unsupported_grant_type"        // RFC 6749 §5.2
	InvalidScope                Code = "invalid_scope"                 // RFC 6749 §5.2
	AccessDenied                Code = "access_denied"                 // RFC 6749 §4.1.2.1
	ServerError                 Code = "server_error"                  // RFC 6749 §4.1.2.1
	TemporarilyUnavailable      Code = "temporarily_unavailable"       // RFC 6749 §4.1.2.1
	InvalidToken                Code = "invalid_token"                 // RFC 6750 §3.1
	InsufficientScope           Code = "insufficient_scope"            // RFC 6750 §3.1
	SlowDown                    Code = "slow_down"                     // RFC 8628 §3.5
	InvalidTarget               Code = "invalid_target"                // RFC 8707 §2
	InvalidAuthorizationDetails Code = "invalid_authorization_details" // RFC 9396 §5
)

// Error is a refusal. What the client reads (Reason, Description, RetryAfter) and
// what the operator reads (Err) are separate fields. Only package server turns an
// Error into a response.
type Error struct {
	Reason      Reason
	Description string        // for the client; empty means that of the reason
	RetryAfter  time.Duration // 0 means no Retry-After
	Err         error         // for the operator's log; never leaves the server
}

// Refuse returns an Error of a reason, with err for the operator.
func Refuse(reason Reason, err error) *Error { return &Error{Reason: reason, Err: err} }

// Error returns the operator's text: Err, or the client's description if there is
// none. The description of an unknown reason is not shown.
func (e *Error) Error() string {
	_, known := responses[e.Reason]
	switch {
	case e.Err != nil:
		return string(e.Reason) + ": " + e.Err.Error()
	case e.Description != "" && known:
		return string(e.Reason) + ": " + e.Description
	}
	return string(e.Reason)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the refusal in err. It is the one place that decides what an
// error of the store means: STORE_UNAVAILABLE if the error has a method
// Unavailable that returns true, OVERLOADED if it has such a method Overloaded,
// whatever package returned it. Any other error is an internal one, of which the
// client learns nothing.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	var unavailable interface{ Unavailable() bool }
	if errors.As(err, &unavailable) && unavailable.Unavailable() {
		return Refuse(ReasonStoreUnavailable, err)
	}
	var overloaded interface{ Overloaded() bool }
	if errors.As(err, &overloaded) && overloaded.Overloaded() {
		return Refuse(ReasonOverloaded, err)
	}
	return Refuse(ReasonInternal, err)
}

// Reason is the stable name of a cause of refusal: the member code of a response,
// and a label of the metrics. The set is closed.
type Reason string

// ErrorResponse holds what a client reads of a reason.
type ErrorResponse struct {
	Code        Code
	Status      int // HTTP status
	Description string
}

// Response returns what a client reads. An unknown reason is an internal error.
func (r Reason) Response() ErrorResponse {
	if response, ok := responses[r]; ok {
		return response
	}
	return ErrorResponse{ServerError, 500, "internal error"}
}

// Temporary reports whether the refusal is the fault of the server or of
// something it depends on. It then says nothing about what the caller presented,
// and the same request can succeed later.
func (r Reason) Temporary() bool { return r.Response().Status >= 500 }

// Check is one step of a verification or a decision: what was expected, what
// was found, and whether that was good. An audited check that did not pass
// refuses nothing.
type Check struct {
	Name   string `json:"name"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
	Passed bool   `json:"passed"`
	Audit  bool   `json:"audit,omitempty"`
	// Hint says what the found value resembles, for the operator.
	Hint string `json:"hint,omitempty"`
	// Rule marks a check that is one of the operator's own rules; Name is then
	// the rule's. A session records the rules that passed when it was created.
	Rule bool `json:"rule,omitempty"`
	// Message is the operator's own text for the caller if the check refuses.
	Message string `json:"message,omitempty"`
	// Reason is the reason of the refusal if the check does not pass.
	Reason Reason `json:"reason,omitempty"`
}

// Refusal returns the error of a check that did not pass.
func (c Check) Refusal() *Error {
	text := fmt.Sprintf("%s: want %s, got %s", c.Name, Quote(c.Want), Quote(c.Got))
	if c.Hint != "" {
		text += "; " + c.Hint
	}
	e := Refuse(c.Reason, errors.New(text))
	e.Description = c.Message
	return e
}

// Recorder records checks in the order they run, up to the first that refuses.
// Its zero value is ready to use.
type Recorder struct {
	Checks []Check
	Err    *Error // the refusal, nil while no check has refused
	// Reason, if set, replaces the reason of every check that refuses.
	Reason Reason
}

// Check records c and reports whether to go on. After a refusal it records
// nothing more.
func (r *Recorder) Check(c Check) bool {
	if r.Refused() {
		return false
	}
	own := c.Reason
	if r.Reason != "" {
		c.Reason = r.Reason
	}
	c.Got = Clip(c.Got)
	r.Checks = append(r.Checks, c)
	if !c.Passed && !c.Audit {
		r.Err = c.Refusal()
		if own != "" && own != c.Reason {
			r.Err.Err = Refuse(own, r.Err.Err)
		}
	}
	return !r.Refused()
}

// CheckAll records list in order and reports whether to go on.
func (r *Recorder) CheckAll(list []Check) bool {
	for _, c := range list {
		r.Check(c)
	}
	return !r.Refused()
}

// Fail records c as not passed and refuses with err, which says why. A
// temporary reason of err is kept; Recorder.Reason replaces any other.
func (r *Recorder) Fail(c Check, err error) {
	if r.Refused() {
		return
	}
	refusal := AsError(err)
	if r.Reason != "" && !refusal.Reason.Temporary() {
		refusal = Refuse(r.Reason, refusal)
	}
	c.Passed, c.Audit, c.Reason, c.Got = false, false, refusal.Reason, Clip(c.Got)
	r.Checks, r.Err = append(r.Checks, c), refusal
}

// Refused reports whether a check has refused.
func (r *Recorder) Refused() bool { return r.Err != nil }
