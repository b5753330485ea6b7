package subject

import (
	"math"
	"time"

	"cambio/exchange"
)

// lifetime checks exp, which is required, nbf and iat (RFC 7519 §4.1.4 to §4.1.6)
// with a tolerance of skew, and that the token is valid for at most longest. It
// returns exp.
func (r *recorder) lifetime(claims map[string]any, skew, longest time.Duration, now time.Time) time.Time {
	expires, ok := r.date("exp", claims)
	if !ok {
		r.Check(exchange.Check{Name: "exp", Want: "a time", Reason: exchange.ReasonSubjectTokenClaimInvalid})
	}
	r.checkLazily(exchange.Check{
		Name: "exp", Passed: now.Before(expires.Add(skew)), Reason: exchange.ReasonSubjectTokenExpired,
	}, func() (want, got string) { return "after " + timestamp(now.Add(-skew)), timestamp(expires) })
	r.notAfter("nbf", claims, now.Add(skew))
	issued, ok := r.notAfter("iat", claims, now.Add(skew))
	if !ok {
		issued = now // the age is unknown; the remaining time is bounded
	}
	valid := expires.Sub(issued)
	r.checkLazily(exchange.Check{
		Name: "lifetime", Passed: valid <= longest, Reason: exchange.ReasonSubjectTokenLifetimeTooLong,
	}, func() (want, got string) { return "at most " + longest.String(), valid.String() })
	return expires
}

// notAfter requires a claim, if it is present, to be no later than latest.
func (r *recorder) notAfter(name string, claims map[string]any, latest time.Time) (time.Time, bool) {
	t, ok := r.date(name, claims)
	if ok {
		r.checkLazily(exchange.Check{
			Name: name, Passed: !t.After(latest), Reason: exchange.ReasonSubjectTokenNotYetValid,
		}, func() (want, got string) { return "at most " + timestamp(latest), timestamp(t) })
	}
	return t, ok
}

// date returns a NumericDate (RFC 7519 §2) between 1970 and 9999, if there is one.
func (r *recorder) date(name string, claims map[string]any) (time.Time, bool) {
	v, present := claims[name]
	if !present || r.Refused() {
		return time.Time{}, false
	}
	t, ok := parseDate(v)
	if !ok {
		r.Check(exchange.Check{
			Name: name, Want: "a number of seconds between the years 1970 and 9999", Got: "something else",
			Reason: exchange.ReasonSubjectTokenClaimInvalid,
		})
	}
	return t, ok
}

func parseDate(v any) (time.Time, bool) {
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

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
