package subject

import (
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// claimRules refuse a name that differs from a known claim only by case: its
// signer may have meant that claim, and other readers take it for it. A number that
// cannot be held exactly is a json.Number, which no check and no rule takes for a
// number: it spoils a token only where it is read.
var claimRules = strictjson.Options{AllowNUL: true, KeepNumbers: true, Known: strictjson.Known(
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", // RFC 7519 §4.1
	"azp", "nonce", "auth_time", "acr", "amr", // OpenID Connect Core §2
	"email", "email_verified", "name", // OpenID Connect Core §5.1
	"client_id", "scope", "act", "may_act", "cnf", // RFC 8693 §4, RFC 7800 §3
	"events", // RFC 8417 §2.2
)}

// parseObject parses a JSON object. Claims that were stored as JSON and read back
// are the same.
func parseObject(text string, rules strictjson.Options) (map[string]any, error) {
	r := strictjson.New(text, rules)
	m := r.Map()
	if err := r.End(); err != nil {
		return nil, err
	}
	return m, nil
}

// notEvent refuses a security event token (RFC 8417 §2.2), such as a logout token
// (OpenID Connect Back-Channel Logout §2.4): it has the claims of an ID token,
// and not every issuer gives it a typ of its own.
func (r *recorder) notEvent(claims map[string]any) {
	if _, event := claims["events"]; event {
		r.Check(exchange.Check{Name: "events", Want: "none", Got: "present", Reason: exchange.ReasonSubjectTokenTypeNotAccepted})
	}
}

// presence describes a value that checks must not show.
func presence(present bool) string {
	if present {
		return "present"
	}
	return "absent"
}

// CheckRecipient checks, and records in checks, whether claims that were verified
// earlier are still meant for a recipient that the issuer's registration accepts
// today.
func (v *Verifier) CheckRecipient(checks *exchange.Recorder, issuer *exchange.Issuer, claims map[string]any) {
	(&recorder{Recorder: checks}).recipient(issuer, claims)
}

// recipient checks the issuer and the recipient of a token, and returns the
// latter.
func (r *recorder) recipient(issuer *exchange.Issuer, claims map[string]any) []string {
	r.issuedBy(issuer, claims)
	audience := r.audience(issuer, claims)
	r.authorizedParty(issuer, claims)
	return audience
}

// issuedAs reports whether iss is a value of the issuer's; "" is that of one without.
func issuedAs(i *exchange.Issuer, iss string) bool {
	return iss == i.URL || slices.Contains(i.URLs, iss)
}

// issuedBy compares iss byte for byte (RFC 7519 §4.1.1). The tokens of an issuer
// without a URL have none.
func (r *recorder) issuedBy(issuer *exchange.Issuer, claims map[string]any) {
	got, ok := optionalString(claims, "iss")
	_, present := claims["iss"]
	r.Check(exchange.Check{
		Name: "iss", Want: issuer.URL, Got: got,
		Passed: ok && issuedAs(issuer, got) && present == (issuer.URL != ""), Reason: exchange.ReasonIssuerUnknown,
	})
}

// audience requires each of the claims that hold the recipient to be exactly
// one of the issuer's audiences, and one of them to be there. An aud that is not
// among them must be accepted too (RFC 7519 §4.1.3).
func (r *recorder) audience(issuer *exchange.Issuer, claims map[string]any) []string {
	names, found := issuer.AudienceClaims(), false
	for _, name := range names {
		if got := r.audienceClaim(name, claims); got != nil {
			found = true
			r.accepted(name, issuer.Audiences, got, claims)
		}
	}
	if !found {
		r.accepted(strings.Join(names, " or "), issuer.Audiences, nil, claims)
	}
	if _, present := claims["aud"]; present && !slices.Contains(names, "aud") {
		r.accepted("aud", issuer.Audiences, r.audienceClaim("aud", claims), claims)
	}
	return issuer.Recipient(claims)
}

// audienceClaim returns a claim that is a string or, as only aud may be, an array
// of strings; nil if it is absent.
func (r *recorder) audienceClaim(name string, claims map[string]any) []string {
	if name == "aud" {
		return r.strings(name, claims)
	}
	if _, present := claims[name]; !present {
		return nil
	}
	value, ok := optionalString(claims, name)
	r.Check(exchange.Check{
		Name: name, Want: "a string", Got: value,
		Passed: ok, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
	return []string{value}
}

// strings returns a claim that is a string or an array of strings, nil if it is
// absent.
func (r *recorder) strings(name string, claims map[string]any) []string {
	v, present := claims[name]
	if !present {
		return nil
	}
	list, ok := stringList(v)
	r.Check(exchange.Check{
		Name: name, Want: "a string or an array of strings", Got: strings.Join(list, " "),
		Passed: ok, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
	return list
}

// accepted requires one of got, which is from claims, to be in want.
func (r *recorder) accepted(name string, want, got []string, claims map[string]any) {
	c := exchange.Check{
		Name: name, Want: strings.Join(want, " "), Got: strings.Join(got, " "),
		Passed: slices.ContainsFunc(got, func(a string) bool { return a != "" && slices.Contains(want, a) }),
		Reason: exchange.ReasonAudienceNotAccepted,
	}
	if !c.Passed {
		c.Hint = nearIDToken(claims)
	}
	r.Check(c)
}

// authorizedParty refuses a token that was issued to an unknown party (OpenID
// Connect Core §3.1.3.7, 5).
func (r *recorder) authorizedParty(issuer *exchange.Issuer, claims map[string]any) {
	if _, present := claims["azp"]; !present {
		return
	}
	azp, ok := optionalString(claims, "azp")
	ok = ok && (slices.Contains(issuer.Audiences, azp) || slices.Contains(issuer.AuthorizedParties, azp))
	r.checkLazily(exchange.Check{Name: "azp", Passed: ok, Reason: exchange.ReasonAudienceNotAccepted}, func() (want, got string) {
		return strings.Join(slices.Concat(issuer.Audiences, issuer.AuthorizedParties), " "), azp
	})
}

// nonce requires the nonce of the request. The check shows neither: a nonce ties a
// login to a browser.
func (r *recorder) nonce(claims map[string]any, want string) {
	if want == "" {
		return
	}
	got, ok := optionalString(claims, "nonce")
	r.Check(exchange.Check{
		Name: "nonce", Want: "that of the request", Got: presence(got != ""),
		Passed: ok && got == want, Reason: exchange.ReasonNonceMismatch,
	})
}

// optionalString returns a claim that is a string or absent.
func optionalString(claims map[string]any, name string) (string, bool) {
	v, present := claims[name]
	if !present {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}

// stringList returns the strings of a value that is a string or an array of
// strings.
func stringList(v any) ([]string, bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	array, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, len(array))
	for i, v := range array {
		if out[i], ok = v.(string); !ok {
			return nil, false
		}
	}
	return out, true
}
