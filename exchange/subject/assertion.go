package subject

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

// maxAssertion is how long a client assertion may live in all. It is made for
// one request.
const maxAssertion = 5 * time.Minute

// ClientAssertion verifies that a client signed assertion (private_key_jwt,
// RFC 7523 §3): iss and sub are its ID, and aud names nobody but us, in one of
// the ways listed in audiences. It answers the jti, which the caller must
// spend before it believes the client, and until when. Refusals all have the
// same reason, so that a stranger learns nothing of a client.
func (v *Verifier) ClientAssertion(ctx context.Context, party *exchange.CompiledClient, assertion *Assertion, audiences []string, now time.Time) (jti string, expires time.Time, err error) {
	if party.Keys == nil {
		return "", time.Time{}, exchange.Refuse(exchange.ReasonClientAuthenticationFailed, errors.New("the client has no keys"))
	}
	l := &list{}
	l.reason = exchange.ReasonClientAuthenticationFailed
	l.size(len(assertion.text))
	if assertion.err != nil && !l.refused() {
		l.fail(failedSignature(assertion.err), refusal(assertion.err))
	}
	claims := l.signed(ctx, party.Keys, assertion.parsed, "", assertionTypes, now)
	l.exactly("iss", party.Client.ID, claims)
	l.exactly("sub", party.Client.ID, claims)
	l.onlyFor(audiences, claims)
	expires = l.times(claims, defaultSkew, maxAssertion, now)
	jti = l.identifier(claims)
	if l.refused() {
		return "", time.Time{}, l.err
	}
	return jti, expires, nil
}

// Assertion is a client assertion that was parsed and not verified.
type Assertion struct {
	text   string
	parsed *jwks.Token // nil with an err
	err    error
}

// ParseAssertion parses a client assertion. What is wrong with it is an error of
// ClientAssertion.
func ParseAssertion(text string) *Assertion {
	a := &Assertion{text: text}
	a.parsed, a.err = jwks.Parse(text)
	return a
}

// Client returns the ID of the client that the assertion says it is from (iss,
// RFC 7523 §3), empty if it does not say. It is not verified: it serves only to
// find the client whose keys verify the assertion.
func (a *Assertion) Client() string {
	if a.parsed == nil {
		return ""
	}
	return a.parsed.Issuer()
}

// assertionTypes are typ values of assertions besides JWT
// (draft-ietf-oauth-rfc7523bis, RFC 7521).
var assertionTypes = []string{"client-authentication+jwt"}

func (l *list) exactly(name, want string, claims map[string]any) {
	got, ok := optionalText(claims, name)
	l.check(exchange.Check{Name: name, Want: want, Got: got, Passed: ok && got == want && got != ""})
}

// onlyFor wants every audience to be a name of ours: an assertion that another
// server may take as well could have come from there.
func (l *list) onlyFor(audiences []string, claims map[string]any) {
	got, ok := texts(claims["aud"])
	foreign := slices.ContainsFunc(got, func(a string) bool { return !slices.Contains(audiences, a) })
	l.check(exchange.Check{
		Name: "aud", Want: strings.Join(audiences, " "), Got: strings.Join(got, " "),
		Passed: ok && len(got) > 0 && !foreign,
	})
}

// identifier is the jti, which an assertion must have to be spent.
func (l *list) identifier(claims map[string]any) string {
	const most = 256
	jti, ok := optionalText(claims, "jti")
	l.check(exchange.Check{
		Name: "jti", Want: "1 to 256 bytes", Got: jti,
		Passed: ok && jti != "" && len(jti) <= most,
	})
	return jti
}
