package exchange

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Requested is what a request asks for beyond being let in.
type Requested struct {
	Scopes    []string
	Audiences []string        // audience and resource (RFC 8693 §2.1, RFC 8707)
	Details   json.RawMessage // authorization_details (RFC 9396)
	// Types knows the registered types of authorization_details, nil where
	// there is none of a name. A nil Types knows none.
	Types func(name string) *DetailKind
}

// Decision is what is granted, the checks that led there, and the refusal if
// one of them did not pass. A refused decision grants nothing.
type Decision struct {
	Scopes   []string
	Audience []string
	Details  json.RawMessage
	Extra    map[string]any // mapped claims for our tokens
	Email    string         // mapped, for display
	Rules    []string       // names of the operator's rules that let it in
	NotAfter time.Time      // of what is granted; zero when only the client's limits count
	Checks   []Check
	Err      *Error
}

// Decide is the decision about a subject that an issuer's token proved:
// whether its client may bring it, whether the issuer's conditions hold, and
// which scopes and audiences it gets.
func Decide(trust *CompiledIssuer, client *Client, subject *Subject, ask Requested, now time.Time) Decision {
	d := newDecider(client)
	d.mayBring(trust.Issuer, subject.Proof.TokenType)
	d.meantFor(subject.Proof.TokenType, subject.Proof.Audience)
	d.onChain(subject.Proof.TokenType, subject.ID)
	d.conditions(trust.Rules, subject.Claims)
	d.audience(ask.Audiences, client.Audiences)
	d.scopes(ask.Scopes, client.DefaultScopes, givenBy(trust.Rules, subject.Claims))
	d.details(ask, nil, d.out.Scopes)
	d.out.Extra, d.out.Email = subject.Extra, subject.Email
	if most := trust.Issuer.MaxSession; most != 0 {
		d.out.NotAfter = now.Add(time.Duration(most))
	}
	return d.decision()
}

// DecideRefresh judges a session by today's rules (RFC 6749 §6): asking for
// nothing keeps what is still given of the session's scopes and audiences,
// asking for more than the session has is refused. NotAfter is never zero and
// may have passed: then the session has expired.
func DecideRefresh(trust *CompiledIssuer, client *Client, session *Session, ask Requested) Decision {
	d := newDecider(client)
	d.mayBring(trust.Issuer, session.Proof)
	d.meantFor(session.Proof, proofAudience(trust.Issuer, session.Claims))
	d.onChain(session.Proof, session.Subject)
	d.sameSubject(trust.Rules, session)
	d.conditions(trust.Rules, session.Claims)
	d.narrowAudience(ask.Audiences, session.Audience)
	given := givenBy(trust.Rules, session.Claims)
	d.scopes(ask.Scopes, session.Scopes, within(session.Scopes, given))
	d.details(ask, session.Details, nil)
	d.out.NotAfter = Earlier(session.NotAfter, session.Created.Add(client.Absolute()))
	if most := trust.Issuer.MaxSession; most != 0 {
		d.out.NotAfter = Earlier(d.out.NotAfter, session.Created.Add(time.Duration(most)))
	}
	return d.decision()
}

// DecideNarrowing is the decision about one of our own access tokens: less of
// it may be had, never more of it, and not for longer. A checkout token is as
// little as there is: it is in a page's hands and is exchanged for nothing.
func DecideNarrowing(client *Client, parent *AccessToken, ask Requested) Decision {
	d := newDecider(client)
	d.mayNarrow(parent)
	d.narrowAudience(ask.Audiences, parent.Audience)
	d.scopes(ask.Scopes, parent.Scopes, within(parent.Scopes, always))
	d.details(ask, parent.Details, parent.Scopes)
	d.out.Extra, d.out.NotAfter = parent.Extra, parent.Expires
	return d.decision()
}

// DecideClientCredentials is the decision about a client that asks for itself
// (RFC 6749 §4.4): its registration is all there is to ask.
func DecideClientCredentials(client *Client, ask Requested) Decision {
	d := newDecider(client)
	d.audience(ask.Audiences, client.Audiences)
	d.scopes(ask.Scopes, client.DefaultScopes, always)
	d.details(ask, nil, d.out.Scopes)
	return d.decision()
}

// mayBring asks whether the client may bring tokens of issuer, or, where the
// proof is one of ours, proofs of its kind: about users of its own or, if the
// operator says so, about those of an issuer.
func (d *decider) mayBring(issuer *Issuer, proof string) {
	if FirstPartyType(proof) {
		d.Check(Check{
			Name: "client.proofs", Want: list(d.client.Proofs), Got: strings.TrimPrefix(proof, ownTypePrefix),
			Passed: d.client.MayPresent(proof), Reason: ReasonSubjectTokenTypeNotAccepted,
		})
		d.Check(Check{
			Name: "namespace", Want: d.client.Namespace(proof), Got: issuer.ID,
			Passed: d.client.Namespace(proof) == issuer.ID, Reason: ReasonIssuerUnknown,
		})
		if issuer.ID == Namespace(proof, d.client.ID) {
			return
		}
	}
	d.Check(Check{
		Name: "client.issuers", Want: list(d.client.Issuers), Got: issuer.ID,
		Passed: contains(d.client.Issuers, issuer.ID), Reason: ReasonIssuerUnknown,
	})
}

// meantFor asks whether an issuer's token is for the client, where that has
// audiences of its own among those of the issuer.
func (d *decider) meantFor(proof string, audience []string) {
	want := d.client.SubjectAudiences
	if len(want) == 0 || FirstPartyType(proof) {
		return
	}
	d.Check(Check{
		Name: "client.subjectAudiences", Want: list(want), Got: list(audience),
		Passed: len(common(audience, want)) > 0, Reason: ReasonAudienceNotAccepted,
	})
}

// onChain asks whether a wallet's account, which is the subject by its CAIP-10
// identifier, is on one of the client's chains.
func (d *decider) onChain(proof, account string) {
	if proof != TypeWalletSignature {
		return
	}
	var chains []string
	if w := d.client.Wallets; w != nil {
		chains = w.Chains
	}
	chain := account[:max(0, strings.LastIndexByte(account, ':'))]
	d.Check(Check{
		Name: "client.wallets.chains", Want: list(chains), Got: chain,
		Passed: contains(chains, chain), Reason: ReasonWalletNotSupported,
	})
}

// proofAudience is whom verified claims of an issuer are for.
func proofAudience(issuer *Issuer, claims map[string]any) []string {
	v := claims["aud"]
	if issuer.ClientIDClaim {
		v = claims["client_id"]
	}
	if one, ok := v.(string); ok {
		return []string{one}
	}
	var out []string
	some, _ := v.([]any)
	for _, a := range some {
		if s, ok := a.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// mayNarrow asks whether the client may bring our own token. A public client
// shows nobody who it is, so it may bring only what it was itself given.
func (d *decider) mayNarrow(parent *AccessToken) {
	d.Check(Check{
		Name: "subject token", Want: "no checkout token", Got: parent.kind(),
		Passed: parent.Purchase == nil, Reason: ReasonAccessTokenInsufficient,
	})
	own := d.client.ExchangeOwnTokens
	d.Check(Check{
		Name: "client.exchangeOwnTokens", Want: "true", Got: strconv.FormatBool(own),
		Passed: own, Reason: ReasonSubjectTokenTypeNotAccepted,
	})
	if !d.client.Public() {
		return
	}
	d.Check(Check{
		Name: "client_id", Want: d.client.ID, Got: parent.Client,
		Passed: d.client.ID == parent.Client, Reason: ReasonClientNotAllowed,
	})
}

// sameSubject refuses when today's mapping makes somebody else of the claims.
func (d *decider) sameSubject(rules Rules, session *Session) {
	if d.Refused() {
		return
	}
	mapped, checks := rules.Map(session.Claims)
	d.CheckAll(checks)
	d.Check(Check{
		Name: "subject", Want: session.Subject, Got: mapped.Subject,
		Passed: mapped.Subject == session.Subject, Reason: ReasonSubjectTokenClaimInvalid,
	})
	d.out.Extra, d.out.Email = mapped.Extra, mapped.Email
}
