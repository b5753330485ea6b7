package subject

import (
	"fmt"
	"time"

	"cambio/exchange"
)

// The bounds of what a token says about the login at its issuer: it becomes part of
// each access token.
const (
	maxACR     = 256 // bytes
	maxMethods = 16  // of amr
	maxMethod  = 64  // bytes
)

// authentication returns how the user logged in at the issuer (OpenID Connect Core
// §2). What is not of the type or the size that is expected is dropped, and the
// audit event says so: nothing depends on it here.
func (r *recorder) authentication(claims map[string]any, latest time.Time) exchange.Proof {
	var p exchange.Proof
	var ok bool
	p.AuthTime, ok = authTime(claims["auth_time"], latest)
	r.dropped(claims, "auth_time", "whole seconds since 1970 that have passed", ok)
	p.ACR, ok = short(claims["acr"], maxACR)
	r.dropped(claims, "acr", "at most 256 bytes without control characters", ok)
	p.AMR, ok = methods(claims["amr"])
	r.dropped(claims, "amr", "a list of at most 16 strings of at most 64 bytes without control characters", ok)
	return p
}

// dropped records that a claim that is present was not kept.
func (r *recorder) dropped(claims map[string]any, name, want string, kept bool) {
	value, present := claims[name]
	if !present || value == nil || kept {
		return
	}
	r.Check(exchange.Check{
		Name: name, Want: want, Got: exchange.Clip(fmt.Sprint("dropped: ", value)), Audit: true, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
}

func authTime(claim any, latest time.Time) (int64, bool) {
	seconds, ok := claim.(int64)
	if !ok || seconds <= 0 || seconds > latest.Unix() {
		return 0, false
	}
	return seconds, true
}

func short(claim any, most int) (string, bool) {
	s, ok := claim.(string)
	if !ok || !exchange.Printable(s, most) {
		return "", false
	}
	return s, true
}

func methods(claim any) ([]string, bool) {
	list, ok := claim.([]any)
	if !ok || len(list) > maxMethods {
		return nil, false
	}
	out := make([]string, len(list))
	for i, method := range list {
		if out[i], ok = short(method, maxMethod); !ok {
			return nil, false
		}
	}
	return out, true
}
