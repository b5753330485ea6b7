package exchange

import (
	"encoding/json"
	"time"
)

// Check is one thing that was looked at on the way to a decision: what was
// expected, what came, and whether that was good. An audited check that did
// not pass refuses nothing.
type Check struct {
	Name   string `json:"name"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
	Passed bool   `json:"passed"`
	Audit  bool   `json:"audit,omitempty"`
	// Message is the operator's own, told to the caller if the check refuses.
	Message string `json:"message,omitempty"`
	// Reason refuses when the check did not pass.
	Reason Reason `json:"reason,omitempty"`
}

// Ask is what a request asks for beyond being let in.
type Ask struct {
	Scopes    []string
	Audiences []string        // audience and resource (RFC 8693 §2.1, RFC 8707)
	Details   json.RawMessage // authorization_details (RFC 9396)
}

// Decision is what is granted, the checks that led there, and the refusal if
// one of them did not pass.
type Decision struct {
	Scopes   []string
	Audience []string
	Details  json.RawMessage
	Extra    map[string]any // mapped claims for our tokens
	Rules    []string       // names of the conditions that let it in
	NotAfter time.Time      // of what is granted; zero when only the client's limits count
	Checks   []Check
	Err      *Error
}

// Decide is the decision about a subject that an issuer's token proved:
// whether its client may bring it, whether the issuer's conditions hold, and
// which scopes and audiences it gets.
func Decide(trust *Trust, client *Client, subject *Subject, ask Ask, now time.Time) Decision {
	d := &decider{client: client, out: Decision{Extra: subject.Extra}}
	d.mayBring(trust.Issuer)
	d.conditions(trust.Rules, subject.Claims)
	d.audience(ask.Audiences, client.Audiences)
	d.scopes(ask.Scopes, client.DefaultScopes, givenBy(trust.Rules, subject.Claims))
	d.details(ask.Details, nil)
	if most := trust.Issuer.MaxSession; most != 0 {
		d.out.NotAfter = now.Add(time.Duration(most))
	}
	return d.out
}

// DecideAgain judges a session by today's rules (RFC 6749 §6): asking for
// nothing keeps what is still given of the session's scopes, asking for more
// than the session has is refused.
func DecideAgain(trust *Trust, client *Client, session *Session, ask Ask) Decision {
	d := &decider{client: client}
	d.mayBring(trust.Issuer)
	d.sameSubject(trust.Rules, session)
	d.conditions(trust.Rules, session.Claims)
	d.audience(orAll(ask.Audiences, session.Audience), common(session.Audience, client.Audiences))
	given := givenBy(trust.Rules, session.Claims)
	d.scopes(ask.Scopes, session.Scopes, within(session.Scopes, given))
	d.details(ask.Details, session.Details)
	d.out.NotAfter = session.NotAfter
	if most := trust.Issuer.MaxSession; most != 0 {
		d.out.NotAfter = earlier(d.out.NotAfter, session.Created.Add(time.Duration(most)))
	}
	return d.out
}

// DecideNarrower is the decision about one of our own access tokens: less of
// it may be had, never more of it, and not for longer.
func DecideNarrower(client *Client, parent *AccessToken, ask Ask) Decision {
	d := &decider{client: client, out: Decision{Extra: parent.Extra, NotAfter: parent.Expires}}
	d.check(Check{
		Name: "client.exchangeOwnTokens", Want: "true", Got: parent.Client,
		Passed: client.ExchangeOwnTokens && (!client.Public() || client.ID == parent.Client),
		Reason: ReasonSubjectTokenTypeNotAccepted,
	})
	d.audience(orAll(ask.Audiences, parent.Audience), parent.Audience)
	d.scopes(ask.Scopes, parent.Scopes, within(parent.Scopes, always))
	d.details(ask.Details, parent.Details)
	return d.out
}

// DecideForClient is the decision about a client that asks for itself
// (RFC 6749 §4.4): its registration is all there is to ask.
func DecideForClient(client *Client, ask Ask) Decision {
	d := &decider{client: client}
	d.audience(ask.Audiences, client.Audiences)
	d.scopes(ask.Scopes, client.DefaultScopes, always)
	d.details(ask.Details, nil)
	return d.out
}
