package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// Refused returns a refusal whose text the caller may read.
func Refused(reason exchange.Reason, format string, args ...any) error {
	return &exchange.Error{Reason: reason, Description: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) error {
	return Refused(exchange.ReasonRequestMalformed, format, args...)
}

// refuse makes err the response: the one place where errors are written. The caller
// gets the reason, the description that came with it, and when to try again; the
// rest is for the operator.
func (r *Request) refuse(err error) exchange.Reason {
	e := exchange.AsError(err)
	if ended := r.Context().Err(); ended != nil && errors.Is(err, ended) {
		e = exchange.Refuse(exchange.ReasonOverloaded, err) // the caller left, or it took too long
	}
	res := e.Reason.Response()
	r.tellOperator(e)
	h := r.w.Header()
	if scheme := r.challenge(e.Reason, res.Status); scheme != nil {
		h["Www-Authenticate"] = scheme
	}
	if after := retryAfter(e, res.Status); after > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(after, 10)}
	}
	h["Cache-Control"] = noStore
	delete(h, "Etag")
	r.status, r.media = res.Status, jsonMedia
	clear(r.out)
	r.out = appendError(r.out[:0], e, res, r.ID)
	return e.Reason
}

// challenge returns the WWW-Authenticate of a refusal: the scheme to use, and what
// is wrong with a bearer token.
func (r *Request) challenge(reason exchange.Reason, status int) []string {
	switch {
	case reason == exchange.ReasonAccessTokenInvalid && len(r.http.Header["Authorization"]) == 0:
		return bearerScheme // RFC 6750 §3.1: without an error
	case reason == exchange.ReasonAccessTokenInvalid:
		return bearerIsInvalid
	case reason == exchange.ReasonAccessTokenInsufficient:
		return bearerIsInsufficient
	case status == http.StatusUnauthorized && !r.fromBrowser(): // which would ask the page's user
		return basicScheme // RFC 9110 §11.6.1, RFC 6749 §5.2
	}
	return nil
}

// appendError appends the body of RFC 6749 §5.2 with our code and request_id.
func appendError(b strictjson.Buffer, e *exchange.Error, res exchange.ErrorResponse, id string) strictjson.Buffer {
	description := e.Description
	if description == "" || res.Status == http.StatusInternalServerError {
		description = res.Description
	}
	b = b.Begin().String("error", string(res.Code)).String("error_description", describe(description))
	return b.String("code", string(e.Reason)).String("request_id", id).End()
}

// describe makes a text fit for error_description, which RFC 6749 §5.2 limits to
// ASCII without quotation marks, backslashes and control characters. The texts of
// operators are so by their validation; callers' need not be.
func describe(s string) string {
	const most = 256
	s = strings.Map(func(r rune) rune {
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
		return r
	}, s)
	return s[:min(len(s), most)]
}

// retryAfter returns seconds, 0 for no header (RFC 9110 §10.2.3). What is only busy
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

// tellOperator logs what is wrong with the server. What is wrong with a request is
// in the audit event, so that callers cannot fill the log.
func (r *Request) tellOperator(e *exchange.Error) {
	if e.Reason.Response().Status != http.StatusInternalServerError &&
		e.Reason != exchange.ReasonStoreUnavailable && e.Reason != exchange.ReasonMailUnavailable {
		return
	}
	if e.Reason == exchange.ReasonMailUnavailable && exchange.AsError(e.Err).Reason == exchange.ReasonOverloaded {
		return // a caller beyond the bound; those within it tell what is wrong
	}
	r.server.cfg.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed",
		slog.String("request_id", r.ID), slog.String("path", exchange.Clip(r.http.URL.Path)),
		slog.String("error", e.Error()))
}

// onPanic, which is deferred, logs a panic with its stack, of which arguments are
// numbers only, and calls refuse with the error that the caller gets.
func (r *Request) onPanic(refuse func(error)) {
	v := recover()
	if v == nil {
		return
	}
	r.server.cfg.Logger.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
		slog.String("request_id", r.ID), slog.String("panic", exchange.Clip(fmt.Sprint(v))),
		slog.String("stack", string(debug.Stack())))
	refuse(exchange.Refuse(exchange.ReasonInternal, errors.New("panic")))
}
