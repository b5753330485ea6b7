package subject

import (
	"math"
	"time"

	"cambio/exchange"
)

// times checks exp, which is required, nbf and iat (RFC 7519 §4.1.4 to §4.1.6)
// with a tolerance of skew, and that the token lives at most as long as most.
// It answers exp.
func (l *list) times(claims map[string]any, skew, most time.Duration, now time.Time) time.Time {
	expires, ok := l.date("exp", claims)
	if !ok {
		l.check(exchange.Check{Name: "exp", Want: "a time", Reason: exchange.ReasonSubjectTokenClaimInvalid})
	}
	l.checkSaying(exchange.Check{
		Name: "exp", Passed: now.Before(expires.Add(skew)), Reason: exchange.ReasonSubjectTokenExpired,
	}, func() (want, got string) { return stamp("after ", now.Add(-skew)), stamp("", expires) })
	l.begun("nbf", claims, now.Add(skew))
	issued, ok := l.begun("iat", claims, now.Add(skew))
	if !ok {
		issued = now // its life so far is unknown; what is left is capped
	}
	life := expires.Sub(issued)
	l.checkSaying(exchange.Check{
		Name: "lifetime", Passed: life <= most, Reason: exchange.ReasonSubjectTokenLifetimeTooLong,
	}, func() (want, got string) { return "at most " + most.String(), life.String() })
	return expires
}

// begun wants a claim, if it is there, to be no later than latest.
func (l *list) begun(name string, claims map[string]any, latest time.Time) (time.Time, bool) {
	t, ok := l.date(name, claims)
	if ok {
		l.checkSaying(exchange.Check{
			Name: name, Passed: !t.After(latest), Reason: exchange.ReasonSubjectTokenNotYetValid,
		}, func() (want, got string) { return stamp("at most ", latest), stamp("", t) })
	}
	return t, ok
}

// date reads a NumericDate (RFC 7519 §2) between 1970 and 9999, if there is
// one.
func (l *list) date(name string, claims map[string]any) (time.Time, bool) {
	v, present := claims[name]
	if !present || l.refused() {
		return time.Time{}, false
	}
	t, ok := date(v)
	if !ok {
		l.check(exchange.Check{
			Name: name, Want: "a number of seconds between the years 1970 and 9999", Got: "something else",
			Reason: exchange.ReasonSubjectTokenClaimInvalid,
		})
	}
	return t, ok
}

func date(v any) (time.Time, bool) {
	const latest = 253402300799 // the last second of 9999
	switch v := v.(type) {
	case int64:
		return time.Unix(v, 0), 0 <= v && v <= latest
	case float64:
		whole, part := math.Modf(v)
		return time.Unix(int64(whole), int64(part*1e9)), 0 <= v && v <= latest
	}
	return time.Time{}, false
}

// stamp shows a time to operators, after a word.
func stamp(word string, t time.Time) string { return word + t.UTC().Format(time.RFC3339) }
