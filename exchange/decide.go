package exchange

import (
	"encoding/json"
	"time"
)

// Requested holds the parameters of a request that a decision grants or refuses.
type Requested struct {
	Scopes    []string
	Audiences []string        // audience and resource (RFC 8693 §2.1, RFC 8707)
	Details   json.RawMessage // authorization_details (RFC 9396)
	// Types returns the registered type of authorization_details with a name, nil
	// if there is none. A nil Types means that none is registered.
	Types func(name string) *DetailKind
	// NoAccessToken means that no access token is issued, so that no scope has to
	// be granted: an ID token instead, or no token at all.
	NoAccessToken bool
}

// Decision holds what is granted, the checks that led there, and the refusal if
// one of them did not pass. A refused decision grants nothing.
type Decision struct {
	Scopes   []string
	Audience []string
	Details  json.RawMessage
	Extra    map[string]any // mapped claims for access tokens
	Email    string         // mapped, for display
	Rules    []string       // names of the operator's rules that passed
	NotAfter time.Time      // end of what is granted; zero if only the client's limits apply
	Checks   []Check
	Err      *Error
}

// Decide decides about a subject that a token or a first-party proof
// authenticated: whether the client may present the proof, whether the issuer's
// conditions hold, and which scopes and audiences are granted.
func Decide(issuer *CompiledIssuer, client *Client, subject *Subject, requested Requested, now time.Time) Decision {
	d := newDecider(client)
	d.mayPresent(issuer.Issuer, subject.Proof.TokenType)
	d.subjectAudience(subject.Proof.TokenType, subject.Proof.Audience)
	d.chain(subject.Proof.TokenType, subject.ID)
	d.conditions(issuer.Rules, subject.Claims)
	d.audience(requested.Audiences, client.Audiences)
	d.scopes(requested.Scopes, client.DefaultScopes, grantedBy(issuer.Rules, subject.Claims))
	d.details(requested, nil, d.out.Scopes)
	if !requested.NoAccessToken {
		d.someScope()
	}
	d.out.Extra, d.out.Email = subject.Extra, subject.Email
	if most := issuer.Issuer.MaxSession; most != 0 {
		d.out.NotAfter = now.Add(time.Duration(most))
	}
	return d.decision()
}

// DecideRefresh evaluates a session under today's rules (RFC 6749 §6). A request
// for nothing keeps what is still granted of the session's scopes and audiences;
// a request for more than the session has is refused. NotAfter is never zero; if
// it has passed, the session has expired.
func DecideRefresh(issuer *CompiledIssuer, client *Client, session *Session, requested Requested) Decision {
	d := newDecider(client)
	d.mayPresent(issuer.Issuer, session.Proof)
	d.subjectAudience(session.Proof, issuer.Issuer.Recipient(session.Claims))
	d.chain(session.Proof, session.Subject)
	d.sameSubject(issuer.Rules, session)
	d.conditions(issuer.Rules, session.Claims)
	d.narrowAudience(requested.Audiences, session.Audience)
	d.scopes(requested.Scopes, session.Scopes, within(session.Scopes, grantedBy(issuer.Rules, session.Claims)))
	d.details(requested, session.Details, nil)
	d.out.NotAfter = Earlier(session.NotAfter, session.Created.Add(client.Absolute()))
	if most := issuer.Issuer.MaxSession; most != 0 {
		d.out.NotAfter = Earlier(d.out.NotAfter, session.Created.Add(time.Duration(most)))
	}
	return d.decision()
}

// DecideNarrowing decides about the exchange of an access token of this server:
// the new token can have less than parent, never more, and never expires later. A
// checkout token, which a page holds, is never exchanged.
func DecideNarrowing(client *Client, parent *AccessToken, requested Requested) Decision {
	d := newDecider(client)
	d.mayNarrow(parent)
	d.narrowAudience(requested.Audiences, parent.Audience)
	d.scopes(requested.Scopes, parent.Scopes, within(parent.Scopes, always))
	d.details(requested, parent.Details, parent.Scopes)
	d.someScope()
	d.out.Extra, d.out.NotAfter = parent.Extra, parent.Expires
	return d.decision()
}

// DecideClientCredentials decides about a client's request for a token of its own
// (RFC 6749 §4.4), for which only its registration counts.
func DecideClientCredentials(client *Client, requested Requested) Decision {
	d := newDecider(client)
	d.audience(requested.Audiences, client.Audiences)
	d.scopes(requested.Scopes, client.DefaultScopes, always)
	d.details(requested, nil, d.out.Scopes)
	d.someScope()
	return d.decision()
}

// decider records the checks of one decision and what it grants.
type decider struct {
	Recorder
	client *Client
	out    Decision
}

func newDecider(client *Client) *decider {
	const usual = 4 // checks of a decision with a rule
	return &decider{client: client, Recorder: Recorder{Checks: make([]Check, 0, usual)}}
}

// decision returns what was decided. A refused decision grants nothing, so that a
// caller that ignores Err grants nothing either.
func (d *decider) decision() Decision {
	if d.Refused() {
		return Decision{Checks: d.Checks, Err: d.Err}
	}
	d.out.Checks = d.Checks
	for _, c := range d.Checks {
		if c.Rule && c.Passed {
			d.out.Rules = append(d.out.Rules, c.Name)
		}
	}
	return d.out
}
