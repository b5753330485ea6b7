package subject

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/jwks"
)

const (
	// defaultMaxLifetime is how long a subject token may live in all.
	defaultMaxLifetime = 24 * time.Hour
	defaultSkew        = time.Minute
)

// external verifies a JWT of a registered issuer.
func (v *Verifier) external(ctx context.Context, l *list, token exchange.SubjectToken, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	return v.externalJWT(ctx, l, token, l.parse(token.Text), now)
}

// parse parses a token, once. Before the signature is verified, only iss is read
// of its claims, to find the issuer whose keys verify it.
func (l *list) parse(text string) *jwks.Token {
	if l.refused() {
		return nil
	}
	parsed, err := jwks.Parse(text)
	if err != nil {
		l.fail(exchange.Check{Name: "form", Want: "a compact JWS of claims", Got: err.Error()}, refusal(err))
	}
	return parsed
}

// externalJWT verifies a parsed JWT, nil if it was refused.
func (v *Verifier) externalJWT(ctx context.Context, l *list, token exchange.SubjectToken, parsed *jwks.Token, now time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	if parsed == nil {
		return nil, nil
	}
	trust := v.issuer(l, token, parsed.Issuer())
	if trust == nil {
		return nil, nil
	}
	l.issuersType(trust.Issuer, token.Type)
	claims := l.signed(ctx, trust.Keys, parsed, token.Type, trust.Issuer.HeaderTypes, now)
	l.noEvent(claims)
	audience := l.recipient(trust.Issuer, claims)
	skew := trust.Issuer.ClockSkew.Or(defaultSkew)
	expires := l.times(claims, skew, trust.Issuer.MaxLifetime.Or(defaultMaxLifetime), now)
	l.nonce(claims, token.Nonce)
	mapped := l.mapped(trust.Rules, claims)
	l.jti(claims)
	if l.refused() {
		return nil, trust
	}
	subject := &exchange.Subject{
		Issuer: trust.Issuer.ID, ID: mapped.Subject, Email: mapped.Email, Name: mapped.Name,
		Claims: claims, Extra: mapped.Extra, Proof: authentication(claims),
	}
	p := &subject.Proof
	p.TokenType, p.Key, p.Expires, p.Audience = token.Type, l.key, expires, audience
	if trust.Issuer.SingleUse {
		p.Replay = replayID(claims, parsed.SigningInput())
	}
	return subject, trust
}

// issuer finds whose token it says it is. A name given beside a token that
// says it itself must be of the same issuer. We are nobody's external issuer,
// whatever is registered: our own tokens come as access tokens, and only where
// the client may bring them.
func (v *Verifier) issuer(l *list, token exchange.SubjectToken, iss string) *exchange.CompiledIssuer {
	trusts := v.cfg.Issuers()
	trust := trusts.IssuerByURL(iss)
	if token.IssuerID != "" {
		trust = trusts.Issuer(token.IssuerID)
	}
	if trust != nil && (trust.Issuer.URL != iss || iss == v.cfg.OwnIssuer) {
		trust = nil
	}
	l.check(exchange.Check{
		Name: "issuer", Want: wantIssuer(token.IssuerID), Got: iss,
		Passed: trust != nil, Reason: exchange.ReasonIssuerUnknown,
	})
	return trust
}

func wantIssuer(id string) string {
	if id == "" {
		return "a registered issuer"
	}
	return "that of the issuer " + id
}

func (l *list) issuersType(issuer *exchange.Issuer, typ string) {
	want := "id_token jwt"
	if len(issuer.TokenTypes) > 0 {
		want = strings.Join(issuer.TokenTypes, " ")
	}
	l.check(exchange.Check{
		Name: "issuer.tokenTypes", Want: want, Got: typ,
		Passed: issuer.Accepts(typ), Reason: exchange.ReasonSubjectTokenTypeNotAccepted,
	})
}

// signed checks the signature, then the header's typ, and reads the claims.
func (l *list) signed(ctx context.Context, keys exchange.KeySet, parsed *jwks.Token, tokenType string, types []string, now time.Time) map[string]any {
	if l.refused() {
		return nil
	}
	signed, err := verify(ctx, keys, parsed, now)
	if err != nil {
		l.fail(failedSignature(err), refusal(err))
		return nil
	}
	l.key = signed.Thumbprint
	l.checkSaying(exchange.Check{Name: "signature", Passed: true}, func() (want, got string) {
		return "by a key of the issuer", signed.Alg + " " + signed.Thumbprint
	})
	l.headerType(signed.Type, tokenType, types)
	return l.claims(signed.Payload)
}

// failedSignature names the check that the key set made.
func failedSignature(err error) exchange.Check {
	if e, ok := errors.AsType[*jwks.Error](err); ok {
		return exchange.Check{Name: e.Check, Want: e.Want, Got: e.Got}
	}
	return exchange.Check{Name: "signature", Want: "by a key of the issuer", Got: err.Error()}
}

// headerType compares typ as a media type, without regard to case (RFC 7515
// §4.1.9). An access token (RFC 9068 §2.1) is never an ID token, even where
// the issuer's tokens may be both.
func (l *list) headerType(got, tokenType string, types []string) {
	same := func(t string) bool { return strings.EqualFold(t, got) }
	ok := got == "" || same("JWT") || slices.ContainsFunc(types, same)
	if tokenType == exchange.TypeIDToken && (same("at+jwt") || same("application/at+jwt")) {
		ok = false
	}
	l.checkSaying(exchange.Check{Name: "typ", Passed: ok, Reason: exchange.ReasonSubjectTokenTypeNotAccepted}, func() (string, string) {
		return strings.Join(append([]string{"JWT"}, types...), " "), got
	})
}

// claims reads a payload, once and strictly.
func (l *list) claims(payload string) map[string]any {
	if l.refused() {
		return nil
	}
	claims, err := parseObject(payload, claimRules)
	c := exchange.Check{Name: "claims", Passed: err == nil, Reason: exchange.ReasonSubjectTokenMalformed}
	l.checkSaying(c, func() (want, got string) {
		if err != nil {
			return "one JSON object", err.Error()
		}
		return "one JSON object", strconv.Itoa(len(payload)) + " bytes"
	})
	return claims
}

// mapped runs the issuer's claim mappings. That of the subject refuses what
// cannot be part of a user's key.
func (l *list) mapped(rules exchange.Rules, claims map[string]any) exchange.Mapped {
	if l.refused() {
		return exchange.Mapped{}
	}
	mapped, checks := rules.Map(claims)
	for _, c := range checks {
		l.check(c)
	}
	return mapped
}

func (l *list) jti(claims map[string]any) {
	if l.refused() {
		return
	}
	jti, ok := optionalText(claims, "jti")
	l.check(exchange.Check{
		Name: "jti", Want: "a string or none", Got: jti,
		Passed: ok, Reason: exchange.ReasonSubjectTokenClaimInvalid,
	})
}

// replayID identifies a token whose claims were checked: by its jti (RFC 7519
// §4.1.7), else by a hash of what is signed. The signature has no part in it,
// for an ECDSA signature has a twin that verifies too.
func replayID(claims map[string]any, signingInput string) string {
	if jti, _ := optionalText(claims, "jti"); jti != "" {
		return "jti:" + jti
	}
	h := sha256.Sum256([]byte(signingInput))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(h[:])
}
