package subject

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"cambio/exchange"
	"cambio/jwks/strictjson"
)

// userAssertion takes the word of a confidential client about one of its own
// users: base64url JSON {externalUserId, email?, emailVerified?, name?}. The
// proof is that the client authenticated.
//
// The user lives in the client's namespace, or is one of the issuer's that the
// operator said the client speaks of: then that issuer's mappings and
// conditions count, and see the members as claims sub, email, email_verified
// and name.
func (v *Verifier) userAssertion(_ context.Context, l *list, token exchange.SubjectToken, _ time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := l.broughtBy(token)
	if client == nil || !l.check(exchange.Check{
		Name: "client.auth", Want: "a client that authenticates", Got: string(client.Auth),
		Passed: !client.Public(), Reason: exchange.ReasonClientNotAllowed,
	}) {
		return nil, nil
	}
	a, decoded := token.Proof.(exchange.UserAssertion)
	if !decoded {
		m := l.object(token.Text, "externalUserId", "email", "emailVerified", "name")
		a.ExternalUserID, a.Email, a.Name = l.text(m, "externalUserId"), l.text(m, "email"), l.text(m, "name")
		a.EmailVerified = l.flag(m, "emailVerified")
	}
	claims := exchange.FirstPartyClaims(a.ExternalUserID, a.Email, a.EmailVerified, a.Name)
	trust := v.ownTrust(l, client, token.Type)
	if l.refused() {
		return nil, nil
	}
	return l.own(trust, claims, token), trust
}

// ownTrust stands for who speaks of the users that a client brings by a proof
// of ours.
func (v *Verifier) ownTrust(l *list, client *exchange.Client, tokenType string) *exchange.CompiledIssuer {
	id := client.Namespace(tokenType)
	if exchange.IsNamespace(id) {
		return exchange.FirstPartyIssuer(client, tokenType)
	}
	trust := v.cfg.Issuers().Issuer(id)
	l.check(exchange.Check{
		Name: "client.asIssuer", Want: "a registered issuer", Got: id,
		Passed: trust != nil, Reason: exchange.ReasonIssuerUnknown,
	})
	return trust
}

// own is the subject of a proof of ours with the claims that it makes.
func (l *list) own(trust *exchange.CompiledIssuer, claims map[string]any, token exchange.SubjectToken) *exchange.Subject {
	mapped := l.mapped(trust.Rules, claims)
	return &exchange.Subject{
		Issuer: trust.Issuer.ID, ID: mapped.Subject, Email: mapped.Email, Name: mapped.Name,
		Claims: claims, Extra: mapped.Extra,
		Proof: exchange.Proof{TokenType: token.Type, Key: token.Credential},
	}
}

// broughtBy is the client that brings a proof of ours. An actor is proven by a
// token of its own.
func (l *list) broughtBy(token exchange.SubjectToken) *exchange.Client {
	l.check(exchange.Check{
		Name: "client", Want: "the client that brings the proof", Got: presence(token.Client != nil),
		Passed: token.Client != nil, Reason: exchange.ReasonClientUnknown,
	})
	l.namesNobody(token)
	if l.refused() {
		return nil
	}
	return token.Client
}

// object reads a proof of ours: strict base64url (RFC 4648 §5) of one JSON
// object with no members but those named. The text is not repeated in checks:
// it may be a code.
func (l *list) object(text string, members ...string) map[string]any {
	c := exchange.Check{Name: "form", Want: "base64url of a JSON object", Reason: exchange.ReasonSubjectTokenMalformed}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	var m map[string]any
	if err == nil {
		m, err = parseObject(string(raw), strictjson.Options{AllowNUL: true})
	}
	if c.Passed = err == nil && base64.RawURLEncoding.EncodeToString(raw) == text; !l.check(c) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(members, name) {
			l.check(exchange.Check{
				Name: "members", Want: "no others", Got: name, Reason: exchange.ReasonParameterInvalid,
				Message: "member " + exchange.Quote(name) + " is not known here",
			})
		}
	}
	return m
}

// text is a member that is a string; an absent one and null are empty.
func (l *list) text(m map[string]any, name string) string {
	return member[string](l, m, name, "a string", " is not a string")
}

// flag is a member that is true or false; an absent one and null are false.
func (l *list) flag(m map[string]any, name string) bool {
	return member[bool](l, m, name, "true or false", " is neither true nor false")
}

// member is a member of a type; an absent one and null are the zero value.
func member[T any](l *list, m map[string]any, name, want, complaint string) T {
	v, ok := m[name].(T)
	if !ok && m[name] != nil {
		l.check(exchange.Check{
			Name: name, Want: want, Got: "something else", Reason: exchange.ReasonParameterInvalid, Message: name + complaint,
		})
	}
	return v
}
