package subject

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

// maxAssertion is the longest lifetime of a client assertion, which is made for
// one request.
const maxAssertion = 5 * time.Minute

// assertionTypes are typ values of assertions besides JWT
// (draft-ietf-oauth-rfc7523bis, RFC 7521).
var assertionTypes = []string{"client-authentication+jwt"}

// ClientAssertion verifies that a client signed assertion (private_key_jwt, RFC
// 7523 §3): iss and sub are its ID, and each aud is one of audiences, the names of
// this server. It returns the jti, which the caller must spend before it
// authenticates the client, and the time at which the assertion expires. Refusals
// have one reason and cost one verification of a signature, so that they reveal
// nothing about a client: an unknown one is nil.
func (v *Verifier) ClientAssertion(ctx context.Context, client *exchange.CompiledClient, assertion *Assertion, audiences []string, now time.Time) (jti string, expires time.Time, err error) {
	r := &recorder{Recorder: &exchange.Recorder{Reason: exchange.ReasonClientAuthenticationFailed}}
	r.size(len(assertion.text), maxToken)
	if assertion.err != nil {
		r.Fail(failedCheck(assertion.err), refusal(assertion.err))
	}
	if client == nil || client.Keys == nil {
		r.signedClaims(ctx, v.decoy, assertion.jws, "", assertionTypes, now)
		if !r.Refused() || !r.Err.Reason.Temporary() {
			r.Err = exchange.Refuse(r.Reason, errors.New("no client of this ID is registered for private_key_jwt"))
		}
		return "", time.Time{}, r.Err
	}
	claims := r.signedClaims(ctx, client.Keys, assertion.jws, "", assertionTypes, now)
	if r.Refused() && namesUnknownKey(r.Err) {
		r.Err = exchange.Refuse(r.Reason, r.Err.Err)
	}
	if r.Refused() && assertion.err == nil && !triedKeys(r.Err) {
		_, _ = verify(ctx, v.decoy, assertion.jws, now) // for its time: r has refused
	}
	r.equals("iss", client.Client.ID, claims)
	r.equals("sub", client.Client.ID, claims)
	r.onlyAudiences(audiences, claims)
	expires = r.lifetime(claims, defaultSkew, maxAssertion, now)
	jti = r.requiredID(claims)
	if r.Refused() {
		return "", time.Time{}, r.Err
	}
	return jti, expires, nil
}

// triedKeys reports whether a refusal came from keys that fit the token.
func triedKeys(err error) bool {
	e, ok := errors.AsType[*jwks.Error](err)
	return !ok || e.Kind != jwks.KeyNotFound && e.Kind != jwks.AlgorithmNotAccepted && !namesUnknownKey(err)
}

// namesUnknownKey reports whether a refusal is for a kid that may be known after the
// next fetch. That is an issuer's trouble, but of a client it would tell that the
// client exists.
func namesUnknownKey(err error) bool {
	e, ok := errors.AsType[*jwks.Error](err)
	return ok && e.Kind == jwks.Unavailable && e.Check != jwks.CheckKeys
}

//go:embed decoy.pem
var decoyPEM []byte

// newDecoy returns a set with one key for each algorithm of client assertions. What
// it verifies is refused.
func newDecoy(verifying chan struct{}) *jwks.Set {
	set, err := jwks.New(jwks.Source{PEM: decoyPEM}, jwks.Options{Verifying: verifying})
	if err != nil {
		panic("subject: decoy.pem: " + err.Error())
	}
	return set
}

// Assertion is a client assertion that was parsed and not verified.
type Assertion struct {
	text string
	jws  *jwks.Token // nil with an err
	err  error
}

// ParseAssertion parses a client assertion. An error is returned by
// [Verifier.ClientAssertion].
func ParseAssertion(text string) *Assertion {
	a := &Assertion{text: text}
	a.jws, a.err = jwks.Parse(text)
	return a
}

// Client returns the ID of the client that the assertion claims to be from (iss,
// RFC 7523 §3), or an empty one. It is not verified: it only serves to find the
// client whose keys verify the assertion.
func (a *Assertion) Client() string {
	if a.jws == nil {
		return ""
	}
	return a.jws.Issuer()
}

// equals requires a claim to be want.
func (r *recorder) equals(name, want string, claims map[string]any) {
	got, ok := optionalString(claims, name)
	r.Check(exchange.Check{Name: name, Want: want, Got: got, Passed: ok && got == want && got != ""})
}

// onlyAudiences requires every audience to be a name of this server: an assertion
// that another server accepts as well may have been copied from there.
func (r *recorder) onlyAudiences(audiences []string, claims map[string]any) {
	got, ok := stringList(claims["aud"])
	foreign := slices.ContainsFunc(got, func(a string) bool { return !slices.Contains(audiences, a) })
	r.Check(exchange.Check{
		Name: "aud", Want: strings.Join(audiences, " "), Got: strings.Join(got, " "),
		Passed: ok && len(got) > 0 && !foreign,
	})
}

// requiredID returns the jti, by which an assertion is spent.
func (r *recorder) requiredID(claims map[string]any) string {
	jti, ok := optionalString(claims, "jti")
	r.Check(exchange.Check{
		Name: "jti", Want: "1 to 256 bytes", Got: jti,
		Passed: ok && jti != "" && len(jti) <= 256,
	})
	return jti
}
