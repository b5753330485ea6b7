package subject

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

const (
	// defaultMaxLifetime is the longest lifetime of a subject token.
	defaultMaxLifetime = 24 * time.Hour
	defaultSkew        = time.Minute
)

// externalToken verifies a JWT of a registered issuer.
func (v *Verifier) externalToken(ctx context.Context, r *recorder, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	return v.externalJWT(ctx, r, token, r.parse(token.Text), now)
}

// parse parses a compact JWS, or returns nil after a refusal.
func (r *recorder) parse(text string) *jwks.Token {
	jws, err := jwks.Parse(text)
	if err != nil {
		refused := refusal(err)
		if near := nearJWT(text); near != "" {
			refused.Err = fmt.Errorf("%w; %s", refused.Err, near)
		}
		r.Fail(exchange.Check{Name: "form", Want: "a compact JWS of claims", Got: err.Error()}, refused)
		return nil
	}
	return jws
}

// externalJWT verifies a parsed JWT of a registered issuer; jws is nil after a
// refusal.
func (v *Verifier) externalJWT(ctx context.Context, r *recorder, token exchange.SubjectToken, jws *jwks.Token, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	if jws == nil {
		return nil, nil
	}
	issuer := v.issuerOf(r, token, jws.Issuer())
	if issuer == nil {
		return nil, nil
	}
	registered := issuer.Issuer
	if largest := registered.TokenSize(); len(token.Text) > largest {
		r.size(len(token.Text), largest)
	}
	r.acceptedType(registered, token.Type)
	claims := r.signedClaims(ctx, issuer.Keys, jws, token.Type, registered.HeaderTypes, now)
	r.notEvent(claims)
	audience := r.recipient(registered, claims)
	skew := registered.ClockSkew.Or(defaultSkew)
	expires := r.lifetime(claims, skew, registered.MaxLifetime.Or(defaultMaxLifetime), now)
	r.nonce(claims, token.Nonce)
	subject := r.mappedSubject(issuer, claims)
	if registered.SingleUse { // otherwise nothing reads it
		r.optionalID(claims)
	}
	if r.Refused() {
		return nil, issuer
	}
	subject.Proof = r.authentication(claims, now.Add(skew))
	p := &subject.Proof
	p.TokenType, p.Key, p.Expires, p.Audience = token.Type, r.key, expires, audience
	if registered.SingleUse {
		p.Replay, p.ReplayEnd = replayID(claims, jws.SigningInput()), expires
		// Every token with the same jti that was issued before now expires by then.
		if last := now.Add(registered.MaxLifetime.Or(defaultMaxLifetime)); last.After(expires) && claims["jti"] != nil {
			p.ReplayEnd = last
		}
	}
	return subject, issuer
}

// issuerOf finds the issuer that a token names in iss; an issuer_id beside it must
// name the same one. This server is never an external issuer, whatever is
// registered: its own tokens are accepted as access tokens only, and only where
// the client may present them.
func (v *Verifier) issuerOf(r *recorder, token exchange.SubjectToken, iss string) *exchange.CompiledIssuer {
	want := "a registered issuer"
	issuers := v.cfg.Issuers()
	issuer := issuers.IssuerByURL(iss)
	if token.IssuerID != "" {
		want = "that of the issuer " + token.IssuerID
		issuer = issuers.Issuer(token.IssuerID)
	}
	if issuer != nil && (!issuedAs(issuer.Issuer, iss) || iss == v.cfg.OwnIssuer) {
		issuer = nil
	}
	c := exchange.Check{Name: "issuer", Want: want, Got: iss, Passed: issuer != nil, Reason: exchange.ReasonIssuerUnknown}
	if !c.Passed {
		c.Hint = v.nearIssuer(issuers, token.IssuerID, iss)
	}
	r.Check(c)
	return issuer
}

// acceptedType requires a token type that the issuer's registration accepts.
func (r *recorder) acceptedType(issuer *exchange.Issuer, typ string) {
	want := "id_token jwt"
	if len(issuer.TokenTypes) > 0 {
		want = strings.Join(issuer.TokenTypes, " ")
	}
	r.Check(exchange.Check{
		Name: "issuer.tokenTypes", Want: want, Got: typ,
		Passed: issuer.Accepts(typ), Reason: exchange.ReasonSubjectTokenTypeNotAccepted,
	})
}

// signedClaims checks the signature, then the header's typ, and returns the
// claims.
func (r *recorder) signedClaims(ctx context.Context, keys exchange.KeySet, jws *jwks.Token, tokenType string, types []string, now time.Time) map[string]any {
	if r.Refused() {
		return nil
	}
	verified, err := verify(ctx, keys, jws, now)
	if err != nil {
		r.Fail(failedCheck(err), refusal(err))
		return nil
	}
	r.key = verified.Thumbprint
	r.checkLazily(exchange.Check{Name: "signature", Passed: true}, func() (want, got string) {
		return "by a key of the issuer", verified.Alg + " " + verified.Thumbprint
	})
	r.headerType(verified.Type, tokenType, types)
	return r.claims(verified.Payload)
}

// failedCheck returns the check that the key set refused by.
func failedCheck(err error) exchange.Check {
	if e, ok := errors.AsType[*jwks.Error](err); ok {
		return exchange.Check{Name: e.Check, Want: e.Want, Got: e.Got}
	}
	return exchange.Check{Name: "signature", Want: "by a key of the issuer", Got: err.Error()}
}

// headerType compares typ as a media type, without regard to case (RFC 7515
// §4.1.9). An access token (RFC 9068 §2.1) is never an ID token, even where
// the issuer's tokens may be both.
func (r *recorder) headerType(got, tokenType string, types []string) {
	same := func(t string) bool { return strings.EqualFold(t, got) }
	ok := got == "" || same("JWT") || slices.ContainsFunc(types, same)
	c := exchange.Check{Name: "typ", Passed: ok, Reason: exchange.ReasonSubjectTokenTypeNotAccepted}
	if same("at+jwt") || same("application/at+jwt") {
		if c.Passed = ok && tokenType != exchange.TypeIDToken; !c.Passed {
			c.Hint = "this is an access token: send the ID token, or present it as access_token and register tokenTypes and headerTypes for it"
		}
	}
	r.checkLazily(c, func() (string, string) {
		return strings.Join(append([]string{"JWT"}, types...), " "), got
	})
}

// claims parses a payload.
func (r *recorder) claims(payload string) map[string]any {
	if r.Refused() {
		return nil
	}
	claims, err := parseObject(payload, claimRules)
	c := exchange.Check{Name: "claims", Passed: err == nil, Reason: exchange.ReasonSubjectTokenMalformed}
	r.checkLazily(c, func() (want, got string) {
		if err != nil {
			return "one JSON object", err.Error()
		}
		return "one JSON object", strconv.Itoa(len(payload)) + " bytes"
	})
	return claims
}

// mappedSubject returns the subject that the issuer's claim mappings make of claims,
// nil after a refusal. The mapping of the subject refuses what cannot be part of a
// user's key.
func (r *recorder) mappedSubject(issuer *exchange.CompiledIssuer, claims map[string]any) *exchange.Subject {
	if r.Refused() {
		return nil
	}
	mapped, checks := issuer.Rules.Map(claims)
	r.CheckAll(checks)
	return &exchange.Subject{
		Issuer: issuer.Issuer.ID, ID: mapped.Subject, Email: mapped.Email, Name: mapped.Name,
		Claims: claims, Extra: mapped.Extra,
	}
}

// optionalID requires jti to be a string or absent.
func (r *recorder) optionalID(claims map[string]any) {
	jti, ok := optionalString(claims, "jti")
	r.Check(exchange.Check{
		Name: "jti", Want: "a string or none", Got: jti,
		Passed: ok, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
}

// replayID identifies a verified token: by its jti (RFC 7519 §4.1.7), otherwise by
// a hash of the signed part. The signature is not part of it, because an ECDSA
// signature can be turned into another that verifies too.
func replayID(claims map[string]any, signingInput string) string {
	if jti, _ := optionalString(claims, "jti"); jti != "" {
		return "jti:" + jti
	}
	h := sha256.Sum256([]byte(signingInput))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(h[:])
}
