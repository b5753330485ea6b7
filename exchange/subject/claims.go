package subject

import (
	"slices"
	"strings"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// claimRules refuse a name that differs from a known claim only by case: its
// signer may have meant that claim, and other readers take it for it.
var claimRules = strictjson.Options{AllowNUL: true, Known: strictjson.Known(
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

// noEvent refuses a security event token (RFC 8417 §2.2), such as a logout token
// (OpenID Connect Back-Channel Logout §2.4): it has the claims of an ID token,
// and not every issuer gives it a typ of its own.
func (l *list) noEvent(claims map[string]any) {
	if _, event := claims["events"]; event {
		l.check(exchange.Check{Name: "events", Want: "none", Got: "present", Reason: exchange.ReasonSubjectTokenTypeNotAccepted})
	}
}

func presence(there bool) string {
	if there {
		return "present"
	}
	return "absent"
}

// recipient checks who issued the token and for whom, and answers the latter.
func (l *list) recipient(issuer *exchange.Issuer, claims map[string]any) []string {
	l.issuedBy(issuer.URL, claims)
	audience := l.audience(issuer, claims)
	l.authorizedParty(issuer, claims)
	return audience
}

// CheckRecipient looks again at claims that were verified before: whether by the
// issuer's registration of today they are still for somebody known here.
func (v *Verifier) CheckRecipient(issuer *exchange.Issuer, claims map[string]any) ([]exchange.Check, error) {
	l := &list{}
	l.recipient(issuer, claims)
	return l.checks, l.err
}

// issuedBy compares iss byte for byte (RFC 7519 §4.1.1). An issuer without a
// URL has none in its tokens.
func (l *list) issuedBy(url string, claims map[string]any) {
	if l.refused() {
		return
	}
	got, ok := optionalText(claims, "iss")
	_, present := claims["iss"]
	l.check(exchange.Check{
		Name: "iss", Want: url, Got: got,
		Passed: ok && got == url && present == (url != ""), Reason: exchange.ReasonIssuerUnknown,
	})
}

// audience wants an aud that is exactly one of the issuer's audiences (RFC
// 7519 §4.1.3). Where the issuer says in client_id whom its tokens are for,
// that is wanted, and an aud that is there besides must be right too.
func (l *list) audience(issuer *exchange.Issuer, claims map[string]any) []string {
	if l.refused() {
		return nil
	}
	audience := l.texts("aud", claims)
	if !issuer.ClientIDClaim {
		l.accepted("aud", issuer.Audiences, audience)
		return audience
	}
	client, ok := optionalText(claims, "client_id")
	l.check(exchange.Check{
		Name: "client_id", Want: "a string", Got: client,
		Passed: ok, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
	l.accepted("client_id", issuer.Audiences, []string{client})
	if audience != nil {
		l.accepted("aud", issuer.Audiences, audience)
	}
	return []string{client}
}

// texts reads a claim that is a string or an array of strings, nil if there
// is none.
func (l *list) texts(name string, claims map[string]any) []string {
	v, present := claims[name]
	if !present {
		return nil
	}
	texts, ok := texts(v)
	l.check(exchange.Check{
		Name: name, Want: "a string or an array of strings", Got: strings.Join(texts, " "),
		Passed: ok, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
	return texts
}

func (l *list) accepted(name string, want, got []string) {
	ok := slices.ContainsFunc(got, func(a string) bool { return a != "" && slices.Contains(want, a) })
	l.check(exchange.Check{
		Name: name, Want: strings.Join(want, " "), Got: strings.Join(got, " "),
		Passed: ok, Reason: exchange.ReasonAudienceNotAccepted,
	})
}

// authorizedParty refuses a token that was issued to a party that nobody here
// knows (OpenID Connect Core §3.1.3.7, 5).
func (l *list) authorizedParty(issuer *exchange.Issuer, claims map[string]any) {
	if _, present := claims["azp"]; !present || l.refused() {
		return
	}
	azp, ok := optionalText(claims, "azp")
	ok = ok && (slices.Contains(issuer.Audiences, azp) || slices.Contains(issuer.AuthorizedParties, azp))
	l.checkSaying(exchange.Check{Name: "azp", Passed: ok, Reason: exchange.ReasonAudienceNotAccepted}, func() (want, got string) {
		return strings.Join(slices.Concat(issuer.Audiences, issuer.AuthorizedParties), " "), azp
	})
}

func (l *list) nonce(claims map[string]any, asked string) {
	if asked == "" || l.refused() {
		return
	}
	got, ok := optionalText(claims, "nonce")
	l.check(exchange.Check{ // shows neither: they tie a login to a browser
		Name: "nonce", Want: "that of the request", Got: presence(got != ""),
		Passed: ok && got == asked, Reason: exchange.ReasonNonceMismatch,
	})
}

// authentication is how the user logged in at the issuer, as far as the token
// says it in the types of OpenID Connect Core §2.
func authentication(claims map[string]any) exchange.Proof {
	var p exchange.Proof
	p.AuthTime, _ = claims["auth_time"].(int64)
	p.ACR, _ = claims["acr"].(string)
	if amr, ok := claims["amr"].([]any); ok {
		p.AMR, _ = texts(amr)
	}
	return p
}

// optionalText is a claim that is a string or not there.
func optionalText(claims map[string]any, name string) (string, bool) {
	v, present := claims[name]
	if !present {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}

// texts are the strings of a value that is one or an array of them.
func texts(v any) ([]string, bool) {
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
