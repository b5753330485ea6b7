package subject

import (
	"context"
	"time"

	"cambio/exchange"
)

// userAssertion accepts a confidential client's statement about one of its own
// users: base64url JSON {externalUserId, email?, emailVerified?, name?}. The proof
// is that the client authenticated.
//
// The user belongs to the client's namespace, or to the issuer that the operator
// registered as the client's asIssuer: then that issuer's mappings and conditions
// apply, to the members as claims sub, email, email_verified and name.
func (v *Verifier) userAssertion(_ context.Context, r *recorder, token exchange.SubjectToken, _ time.Time) (*exchange.Subject, *exchange.CompiledIssuer) {
	client := r.presenter(token)
	if client == nil || !r.Check(exchange.Check{
		Name: "client.auth", Want: "a client that authenticates", Got: string(client.Auth),
		Passed: !client.Public(), Reason: exchange.ReasonClientNotAllowed,
	}) {
		return nil, nil
	}
	a, decoded := token.Proof.(exchange.UserAssertion)
	if !decoded {
		r.decodeProof(token.Text, map[string]any{
			"externalUserId": &a.ExternalUserID, "email": &a.Email, "emailVerified": &a.EmailVerified, "name": &a.Name,
		})
	}
	issuer := v.assertionIssuer(r, client)
	if r.Refused() {
		return nil, nil
	}
	claims := exchange.FirstPartyClaims(a.ExternalUserID, a.Email, a.EmailVerified, a.Name)
	return r.firstPartySubject(issuer, claims, token), issuer
}

// assertionIssuer returns the issuer of the users that a client asserts.
func (v *Verifier) assertionIssuer(r *recorder, client *exchange.Client) *exchange.CompiledIssuer {
	id := client.Namespace(exchange.TypeUserAssertion)
	if exchange.IsNamespace(id) {
		return exchange.FirstPartyIssuer(client, exchange.TypeUserAssertion)
	}
	issuer := v.cfg.Issuers().Issuer(id)
	r.Check(exchange.Check{
		Name: "client.asIssuer", Want: "a registered issuer", Got: id,
		Passed: issuer != nil, Reason: exchange.ReasonIssuerUnknown,
	})
	return issuer
}
