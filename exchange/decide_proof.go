package exchange

import (
	"slices"
	"strconv"
	"strings"
)

// mayPresent checks that the client may present tokens of the issuer or, for a
// first-party proof, proofs of its type: about its own users or, if the operator
// configured AsIssuer, about those of an issuer.
func (d *decider) mayPresent(issuer *Issuer, proof string) {
	if FirstPartyType(proof) {
		d.Check(Check{
			Name: "client.proofs", Want: joined(d.client.Proofs), Got: strings.TrimPrefix(proof, firstPartyPrefix),
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
		Name: "client.issuers", Want: joined(d.client.Issuers), Got: issuer.ID,
		Passed: slices.Contains(d.client.Issuers, issuer.ID), Reason: ReasonIssuerUnknown,
	})
}

// subjectAudience checks that an issuer's token is for this client, if the client
// has SubjectAudiences.
func (d *decider) subjectAudience(proof string, audience []string) {
	want := d.client.SubjectAudiences
	if len(want) == 0 || FirstPartyType(proof) {
		return
	}
	d.Check(Check{
		Name: "client.subjectAudiences", Want: joined(want), Got: joined(audience),
		Passed: len(common(audience, want)) > 0, Reason: ReasonAudienceNotAccepted,
	})
}

// AnyEVMChain is the chain of an account that signs by its own key: the same key has
// the same address on every EVM chain, so it is one subject on all of them. It is a
// CAIP-2 identifier that no chain has. A contract belongs to the chain that it is
// on.
const AnyEVMChain = evmNamespace + "0"

const evmNamespace = "eip155:"

// chain checks that a wallet's account, a CAIP-10 identifier, is on one of the
// client's chains.
func (d *decider) chain(proof, account string) {
	if proof != TypeWalletSignature {
		return
	}
	var chains []string
	if w := d.client.Wallets; w != nil {
		chains = w.Chains
	}
	chain := account[:max(0, strings.LastIndexByte(account, ':'))]
	d.Check(Check{
		Name: "client.wallets.chains", Want: joined(chains), Got: chain,
		Passed: onChain(chain, chains), Reason: ReasonWalletNotSupported,
	})
}

// onChain reports whether an account of a chain is on one of chains.
func onChain(chain string, chains []string) bool {
	if chain == AnyEVMChain {
		return slices.ContainsFunc(chains, func(id string) bool { return strings.HasPrefix(id, evmNamespace) })
	}
	return slices.Contains(chains, chain)
}

// DecideActor decides whether a client may present an issuer's token as an actor
// token: it passes what a subject token passes (RFC 8693 §1.1). Its claims were
// verified; the checks are added to r.
func DecideActor(r *Recorder, issuer *CompiledIssuer, client *Client, claims map[string]any) {
	d := newDecider(client)
	d.mayPresent(issuer.Issuer, "")
	d.subjectAudience("", issuer.Issuer.Recipient(claims))
	d.conditions(issuer.Rules, claims)
	r.CheckAll(d.Checks)
}

// sameSubject refuses a session if today's mapping makes another subject of its
// claims.
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

func (d *decider) conditions(rules Rules, claims map[string]any) {
	if !d.Refused() {
		d.CheckAll(rules.Validate(claims))
	}
}

// mayNarrow checks that the client may present an access token of this server. A
// public client is not authenticated, so it may present only tokens that were
// issued to it.
func (d *decider) mayNarrow(parent *AccessToken) {
	d.Check(Check{
		Name: "subject token", Want: "no checkout token", Got: parent.kind(),
		Passed: parent.Purchase == nil, Reason: ReasonAccessTokenInsufficient,
	})
	allowed := d.client.ExchangeOwnTokens
	d.Check(Check{
		Name: "client.exchangeOwnTokens", Want: "true", Got: strconv.FormatBool(allowed),
		Passed: allowed, Reason: ReasonSubjectTokenTypeNotAccepted,
	})
	if d.client.Public() {
		d.Check(Check{
			Name: "client_id", Want: d.client.ID, Got: parent.Client,
			Passed: d.client.ID == parent.Client, Reason: ReasonClientNotAllowed,
		})
	}
}

func joined(words []string) string { return strings.Join(words, " ") }
