package exchange_test

import (
	"errors"
	"strings"
	"testing"

	"cambio/exchange"
)

func TestRecorderStopsAtFirstRefusal(t *testing.T) {
	var r exchange.Recorder
	for _, c := range []exchange.Check{
		{Name: "passes", Passed: true, Got: strings.Repeat("x", 1000)},
		{Name: "audited", Audit: true, Reason: exchange.ReasonConditionFailed},
	} {
		if !r.Check(c) {
			t.Fatalf("%s refused: %v", c.Name, r.Err)
		}
	}
	if r.Check(exchange.Check{Name: "refuses", Reason: exchange.ReasonScopeNotAllowed}) || r.Err.Reason != exchange.ReasonScopeNotAllowed {
		t.Fatalf("a check that did not pass gives %v", r.Err)
	}
	r.Check(exchange.Check{Name: "too late", Passed: true})
	r.Fail(exchange.Check{Name: "too late"}, errors.New("x"))
	if len(r.Checks) != 3 || r.Err.Reason != exchange.ReasonScopeNotAllowed || len(r.Checks[0].Got) > 128 {
		t.Errorf("recorded %d checks and %v", len(r.Checks), r.Err)
	}
}

func TestRecorderReasonNeverHidesTemporaryOnes(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want exchange.Reason
	}{
		{"fault of the token", exchange.Refuse(exchange.ReasonKeyNotFound, nil), exchange.ReasonActorTokenInvalid},
		{"issuer down", exchange.Refuse(exchange.ReasonIssuerUnavailable, nil), exchange.ReasonIssuerUnavailable},
		{"internal error", errors.New("x"), exchange.ReasonInternal},
	} {
		r := exchange.Recorder{Reason: exchange.ReasonActorTokenInvalid}
		r.Fail(exchange.Check{Name: "key", Passed: true, Audit: true}, row.err)
		if c := r.Checks[0]; r.Err.Reason != row.want || c.Reason != row.want || c.Passed || c.Audit {
			t.Errorf("%s: %v, recorded as %+v", row.name, r.Err, c)
		}
	}
	r := exchange.Recorder{Reason: exchange.ReasonActorTokenInvalid}
	r.Check(exchange.Check{Name: "aud", Reason: exchange.ReasonAudienceNotAccepted})
	if r.Err.Reason != exchange.ReasonActorTokenInvalid {
		t.Errorf("a check refused with %s", r.Err.Reason)
	}
}
