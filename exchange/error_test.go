package exchange_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cambio/exchange"
)

func TestEveryReasonHasResponse(t *testing.T) {
	name := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	said := regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`) // RFC 6749 §5.2
	for _, reason := range exchange.Reasons() {
		a := reason.Response()
		if !name.MatchString(string(reason)) || a.Code == "" || !said.MatchString(a.Description) {
			t.Errorf("%s: %+v", reason, a)
		}
		if want := statusOf(a.Code); a.Status != want && !other[a.Status] {
			t.Errorf("%s: status %d with %s, want %d", reason, a.Status, a.Code, want)
		}
		if reason != exchange.ReasonInternal && a.Code == exchange.ServerError {
			t.Errorf("%s: only internal errors are server errors", reason)
		}
	}
}

// other are statuses that are more specific than the code.
var other = map[int]bool{
	http.StatusNotFound: true, http.StatusMethodNotAllowed: true, http.StatusRequestEntityTooLarge: true,
	http.StatusUnsupportedMediaType: true, http.StatusForbidden: true, http.StatusUnauthorized: true,
	http.StatusConflict: true, http.StatusUnprocessableEntity: true,
}

func statusOf(code exchange.Code) int {
	switch code {
	case exchange.InvalidClient, exchange.InvalidToken:
		return http.StatusUnauthorized
	case exchange.AccessDenied, exchange.InsufficientScope:
		return http.StatusForbidden
	case exchange.SlowDown:
		return http.StatusTooManyRequests
	case exchange.TemporarilyUnavailable:
		return http.StatusServiceUnavailable
	case exchange.ServerError:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

func TestInvalidGrantMeansEndOfSession(t *testing.T) {
	for _, reason := range []exchange.Reason{
		exchange.ReasonConditionFailed, exchange.ReasonScopeNotAllowed, exchange.ReasonTargetNotAllowed,
		exchange.ReasonIssuerUnavailable, exchange.ReasonStoreUnavailable, exchange.ReasonSubjectTokenExpired, exchange.ReasonSubjectTokenRevoked,
	} {
		if reason.Response().Code == exchange.InvalidGrant {
			t.Errorf("%s would end a session in its client's eyes", reason)
		}
	}
}

func TestUnknownErrorsAreSilent(t *testing.T) {
	secret := errors.New("pq: password hunter2 is wrong")
	for _, err := range []error{secret, fmt.Errorf("reading: %w", secret)} {
		e := exchange.AsError(err)
		if e.Reason != exchange.ReasonInternal || e.Description != "" || strings.Contains(e.Reason.Response().Description, "hunter2") {
			t.Errorf("the caller would read %q %q", e.Reason.Response().Description, e.Description)
		}
		if !errors.Is(e, secret) {
			t.Error("the operator cannot see the cause")
		}
	}
	if a := exchange.Reason("NEW").Response(); a.Code != exchange.ServerError || a.Status != http.StatusInternalServerError {
		t.Errorf("an unknown reason has %+v", a)
	}
}

// storeError is an error as packages of the store return them.
type storeError struct{ unavailable, overloaded bool }

func (storeError) Error() string       { return "store" }
func (e storeError) Unavailable() bool { return e.unavailable }
func (e storeError) Overloaded() bool  { return e.overloaded }

func TestStoreErrorsHaveReasons(t *testing.T) {
	for _, row := range []struct {
		err  error
		want exchange.Reason
	}{
		{storeError{unavailable: true}, exchange.ReasonStoreUnavailable},
		{storeError{overloaded: true}, exchange.ReasonOverloaded},
		{storeError{}, exchange.ReasonInternal},
		{exchange.Refuse(exchange.ReasonMailTooSoon, storeError{unavailable: true}), exchange.ReasonMailTooSoon},
	} {
		e := exchange.AsError(fmt.Errorf("reading: %w", row.err))
		if e.Reason != row.want || !errors.Is(e, row.err) || e.Description != "" {
			t.Errorf("%#v: %v, want %s", row.err, e, row.want)
		}
	}
}

func TestErrorTextForOperator(t *testing.T) {
	cause := errors.New("kid 7")
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"reason alone", exchange.Refuse(exchange.ReasonKeyNotFound, nil), "KEY_NOT_FOUND"},
		{"with its cause", exchange.Refuse(exchange.ReasonKeyNotFound, cause), "KEY_NOT_FOUND: kid 7"},
		{"with what the client is told", &exchange.Error{Reason: exchange.ReasonParameterInvalid, Description: "scope is no string"}, "PARAMETER_INVALID: scope is no string"},
		{"of no known reason", &exchange.Error{Reason: "X", Description: "password"}, "X"},
		{"with both", &exchange.Error{Reason: exchange.ReasonKeyNotFound, Description: "no key", Err: cause}, "KEY_NOT_FOUND: kid 7"},
		{"of a check", exchange.Check{Name: "aud", Want: "a", Got: "b\n", Reason: exchange.ReasonAudienceNotAccepted}.Refusal(), `AUDIENCE_NOT_ACCEPTED: aud: want "a", got "b\n"`},
	} {
		if got := row.err.Error(); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
	wrapped := fmt.Errorf("verifying: %w", exchange.Refuse(exchange.ReasonKeyNotFound, cause))
	if e := exchange.AsError(wrapped); e.Reason != exchange.ReasonKeyNotFound || !errors.Is(wrapped, cause) {
		t.Errorf("a wrapped refusal is %v", e)
	}
}

func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		s = strings.Repeat(s, rapid.IntRange(0, 50).Draw(t, "n"))
		got := exchange.Clip(s)
		if len(got) > 128 || len(s) <= 128 && got != s {
			t.Fatalf("%q became %q", s, got)
		}
		if len(s) > 128 && !strings.HasPrefix(s, strings.TrimSuffix(got, "…")) {
			t.Fatalf("%q is not the beginning of %q", got, s)
		}
	})
	if got := exchange.Quote("a\x00\"\u202e"); got != `"a\x00\"\u202e"` {
		t.Errorf("control characters are shown as they are: %s", got)
	}
}

// No two pairs have the same key, wherever the first part ends.
func TestLinkKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0, 1, '/'}), 0, 4, -1)
		a, b, c, d := part.Draw(t, "a"), part.Draw(t, "b"), part.Draw(t, "c"), part.Draw(t, "d")
		same := a == c && b == d
		if (exchange.LinkKey(a, b) == exchange.LinkKey(c, d)) != same {
			t.Fatalf("(%q, %q) and (%q, %q)", a, b, c, d)
		}
	})
	if k := exchange.LinkKey("google", "1"); k == exchange.LinkKey("googl", "e1") || len(k) != 64 {
		t.Errorf("key %s", k)
	}
}
