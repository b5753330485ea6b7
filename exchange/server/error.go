package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"cambio/exchange"
)

// refuse makes err the answer: the one place where errors are written. What it
// tells of err is a reason, the description that came with it, and when to try
// again; what else there is goes to the operator.
func (s *Server) refuse(c *call, err error) exchange.Reason {
	e := exchange.AsError(err)
	if over := c.ctx().Err(); over != nil && errors.Is(err, over) {
		e = exchange.Refuse(exchange.ReasonOverloaded, err) // the caller left, or it took too long
	}
	answer := e.Reason.Response()
	s.tellOperator(c, e)
	h := c.w.Header()
	if wants := c.wants(e.Reason, answer.Status); wants != nil {
		h["Www-Authenticate"] = wants
	}
	if after := retryAfter(e, answer.Status); after > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(after, 10)}
	}
	h["Cache-Control"] = noStore
	delete(h, "Etag")
	c.status, c.media = answer.Status, jsonMedia
	clear(c.out)
	c.out = appendError(c.out[:0], e, answer, c.id)
	return e.Reason
}

// wants is the WWW-Authenticate of a refusal: the scheme of who would be let
// in, and what is wrong with a bearer token if one came.
func (c *call) wants(reason exchange.Reason, status int) []string {
	switch {
	case reason == exchange.ReasonAccessTokenInvalid && len(c.r.Header["Authorization"]) == 0:
		return bearerScheme // RFC 6750 §3.1: without an error
	case reason == exchange.ReasonAccessTokenInvalid:
		return bearerIsInvalid
	case reason == exchange.ReasonAccessTokenInsufficient:
		return bearerIsInsufficient
	case status == http.StatusUnauthorized:
		return basicScheme // RFC 9110 §11.6.1, RFC 6749 §5.2
	}
	return nil
}

// appendError writes the body of RFC 6749 §5.2 with our code and request_id.
func appendError(b []byte, e *exchange.Error, answer exchange.ErrorResponse, id string) []byte {
	description := e.Description
	if description == "" || answer.Status == http.StatusInternalServerError {
		description = answer.Description
	}
	b = append(b, `{"error":`...)
	b = appendString(b, string(answer.Code))
	b = append(b, `,"error_description":`...)
	b = appendString(b, describe(description))
	b = append(b, `,"code":`...)
	b = appendString(b, string(e.Reason))
	b = append(b, `,"request_id":`...)
	b = appendString(b, id)
	return append(b, '}')
}

// describe makes a text fit for error_description, which RFC 6749 §5.2 has be
// ASCII without quotation marks, backslashes and control characters. Messages
// of operators are so by their validation; strangers' strings need not be.
func describe(s string) string {
	const most = 256
	b := make([]byte, 0, min(len(s), most))
	for _, r := range s {
		if len(b) == most {
			break
		}
		b = append(b, described(r))
	}
	return string(b)
}

func described(r rune) byte {
	switch {
	case r == '"':
		return '\''
	case r == '\\':
		return '/'
	case r < ' ' || r == 0x7f:
		return ' '
	case r > 0x7f:
		return '?'
	}
	return byte(r)
}

// retryAfter is in seconds, 0 for none (RFC 9110 §10.2.3). What is only busy
// may be tried again after one.
func retryAfter(e *exchange.Error, status int) int64 {
	if e.RetryAfter > 0 {
		return int64((e.RetryAfter + time.Second - 1) / time.Second)
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return 1
	}
	return 0
}

// tellOperator logs what is wrong with the server. What is wrong with a request
// is in the audit event, so that nobody can fill the log by asking.
func (s *Server) tellOperator(c *call, e *exchange.Error) {
	switch e.Reason {
	case exchange.ReasonInternal, exchange.ReasonStoreUnavailable, exchange.ReasonMailUnavailable:
	default:
		if e.Reason.Response().Status != http.StatusInternalServerError {
			return
		}
	}
	s.cfg.Logger.LogAttrs(c.ctx(), slog.LevelError, "request failed",
		slog.String("request_id", c.id), slog.String("path", exchange.Clip(c.r.URL.Path)),
		slog.String("error", e.Error()))
}

var errPanic = errors.New("panic")

// panicked logs a panic with its stack, of which arguments are numbers only.
func (s *Server) panicked(c *call, v any) error {
	s.cfg.Logger.LogAttrs(c.ctx(), slog.LevelError, "handler panicked",
		slog.String("request_id", c.id), slog.String("panic", exchange.Clip(fmt.Sprint(v))),
		slog.String("stack", string(debug.Stack())))
	return exchange.Refuse(exchange.ReasonInternal, errPanic)
}
