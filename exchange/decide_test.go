package exchange_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rules are an issuer's rules without expressions: fixed conditions and scopes,
// and the subject is the claim sub.
type rules struct {
	conditions []exchange.Check
	gives      map[string]exchange.Check
	broken     bool // the mapping fails
}

func (r rules) Map(claims map[string]any) (exchange.Mapped, []exchange.Check) {
	sub, _ := claims["sub"].(string)
	check := exchange.Check{Name: "claimMappings.subject", Passed: !r.broken, Reason: exchange.ReasonSubjectTokenClaimInvalid}
	return exchange.Mapped{Subject: sub, Extra: map[string]any{"tenant": "today"}}, []exchange.Check{check}
}

func (r rules) Validate(map[string]any) []exchange.Check { return r.conditions }

func (r rules) GrantsScope(_ map[string]any, scope string) exchange.Check {
	if c, ok := r.gives[scope]; ok {
		return c
	}
	return exchange.Check{Name: "issuer.scopes", Got: scope, Reason: exchange.ReasonScopeNotAllowed}
}

func gives(scopes ...string) map[string]exchange.Check {
	out := map[string]exchange.Check{}
	for _, s := range scopes {
		out[s] = exchange.Check{Name: "issuer.scopes", Got: s, Passed: true, Reason: exchange.ReasonScopeNotAllowed}
	}
	return out
}

func condition(name string, passed, audit bool) exchange.Check {
	return exchange.Check{
		Name: name, Want: name, Got: fmt.Sprint(passed), Passed: passed, Audit: audit, Rule: true,
		Message: "only for staff", Reason: exchange.ReasonConditionFailed,
	}
}

func scopeRule(scope string, passed, audit bool) exchange.Check {
	return exchange.Check{Name: "scope:" + scope, Passed: passed, Audit: audit, Rule: true, Reason: exchange.ReasonScopeNotAllowed}
}

// inputs are the inputs of a decision; rows of the tables change one of them.
type inputs struct {
	issuer    exchange.Issuer
	client    exchange.Client
	rules     rules
	subject   exchange.Subject
	session   exchange.Session
	parent    exchange.AccessToken
	requested exchange.Requested
}

func good() *inputs {
	claims := map[string]any{"sub": "alice"}
	return &inputs{
		issuer: exchange.Issuer{ID: "google"},
		client: exchange.Client{
			ID: "web", Issuers: []string{"google"}, ExchangeOwnTokens: true,
			Scopes: []string{"read", "write", "admin"}, DefaultScopes: []string{"read", "write"},
			Audiences: []string{"https://api", "https://files"}, DetailTypes: []string{"a", "b", "lost"},
		},
		requested: exchange.Requested{Types: kinds},
		rules:     rules{gives: gives("read", "write")},
		subject:   exchange.Subject{Issuer: "google", ID: "alice", Claims: claims, Extra: map[string]any{"tenant": "a"}},
		session: exchange.Session{
			Subject: "alice", Claims: claims, Created: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			Scopes: []string{"read", "write"}, Audience: []string{"https://api"},
			Details: json.RawMessage(`[{"type":"a"},{"type":"b"}]`),
		},
		parent: exchange.AccessToken{
			Client: "web", Scopes: []string{"read", "write"}, Audience: []string{"https://api", "https://files"},
			Expires: now.Add(time.Minute), Details: json.RawMessage(`[{"type":"a"}]`), Extra: map[string]any{"tenant": "a"},
		},
	}
}

func (in *inputs) compiledIssuer() *exchange.CompiledIssuer {
	return &exchange.CompiledIssuer{Issuer: &in.issuer, Rules: in.rules}
}

func (in *inputs) decide() exchange.Decision {
	return exchange.Decide(in.compiledIssuer(), &in.client, &in.subject, in.requested, now)
}

func (in *inputs) refresh() exchange.Decision {
	return exchange.DecideRefresh(in.compiledIssuer(), &in.client, &in.session, in.requested)
}

func (in *inputs) narrow() exchange.Decision {
	return exchange.DecideNarrowing(&in.client, &in.parent, in.requested)
}

func (in *inputs) clientCredentials() exchange.Decision {
	return exchange.DecideClientCredentials(&in.client, in.requested)
}

// row changes one input, and has what is granted or why it is refused.
type row struct {
	name   string
	change func(*inputs)
	reason exchange.Reason // empty: granted
	scopes string
	aud    string
}

func run(t *testing.T, rows []row, decide func(*inputs) exchange.Decision) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			in := good()
			if r.change != nil {
				r.change(in)
			}
			d := decide(in)
			if r.reason != "" {
				refusedFor(t, d, r.reason)
				return
			}
			if d.Err != nil {
				t.Fatalf("refused: %v", d.Err)
			}
			if got := strings.Join(d.Scopes, " "); got != r.scopes {
				t.Errorf("scopes %q, want %q", got, r.scopes)
			}
			if got := strings.Join(d.Audience, " "); got != r.aud {
				t.Errorf("audience %q, want %q", got, r.aud)
			}
		})
	}
}

// refusedFor requires one failed check, the last one, and nothing granted.
func refusedFor(t *testing.T, d exchange.Decision, reason exchange.Reason) {
	t.Helper()
	if d.Err == nil || d.Err.Reason != reason {
		t.Fatalf("got %v, want %s", d.Err, reason)
	}
	last := d.Checks[len(d.Checks)-1]
	if last.Passed || last.Audit || last.Reason != reason {
		t.Errorf("the last check is not the refusal: %+v", last)
	}
	for _, c := range d.Checks[:len(d.Checks)-1] {
		if !c.Passed && !c.Audit {
			t.Errorf("went on after %+v", c)
		}
	}
	rest := d
	rest.Checks, rest.Err = nil, nil
	if diff := cmp.Diff(exchange.Decision{}, rest); diff != "" {
		t.Errorf("a refusal grants something (-want +got):\n%s", diff)
	}
}

func request(scopes ...string) func(*inputs) {
	return func(in *inputs) { in.requested.Scopes = scopes }
}

func requestAudience(audiences ...string) func(*inputs) {
	return func(in *inputs) { in.requested.Audiences = audiences }
}

func TestDecide(t *testing.T) {
	run(t, []row{
		{"nothing requested", nil, "", "read write", "https://api"},
		{"one scope", request("write"), "", "write", "https://api"},
		{"a scope twice", request("write", "read", "write"), "", "write read", "https://api"},
		{"a scope the client may not have", request("read", "billing"), exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope no rule gives", request("read", "admin"), exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope in other case", request("Read"), exchange.ReasonScopeNotAllowed, "", ""},
		{"an empty scope", request(""), exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope whose rule holds", func(in *inputs) {
			in.rules.gives["admin"] = scopeRule("admin", true, false)
			in.requested.Scopes = []string{"admin"}
		}, "", "admin", "https://api"},
		{"a scope whose rule does not hold", func(in *inputs) {
			in.rules.gives["admin"] = scopeRule("admin", false, false)
			in.requested.Scopes = []string{"admin"}
		}, exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope whose audited rule does not hold", func(in *inputs) {
			in.rules.gives["admin"] = scopeRule("admin", false, true)
			in.requested.Scopes = []string{"admin"}
		}, "", "admin", "https://api"},
		{"a default scope no rule gives", func(in *inputs) { delete(in.rules.gives, "write") }, "", "read", "https://api"},
		{"a default scope the client lost", func(in *inputs) { in.client.Scopes = []string{"write"} }, "", "write", "https://api"},
		{"no default scopes", func(in *inputs) { in.client.DefaultScopes = nil }, exchange.ReasonScopeMissing, "", ""},
		{"no default scopes, and an ID token", func(in *inputs) { in.client.DefaultScopes, in.requested.NoAccessToken = nil, true }, "", "", "https://api"},
		{"no default scope that the issuer grants", func(in *inputs) { in.rules.gives = gives("admin") }, exchange.ReasonScopeMissing, "", ""},
		{"no default scopes, and one requested", func(in *inputs) { in.client.DefaultScopes, in.requested.Scopes = nil, []string{"read"} }, "", "read", "https://api"},
		{"another audience", requestAudience("https://files"), "", "read write", "https://files"},
		{"two audiences", requestAudience("https://files", "https://api"), "", "read write", "https://files https://api"},
		{"an audience twice", requestAudience("https://api", "https://api"), "", "read write", "https://api"},
		{"an audience beside an allowed one", requestAudience("https://api", "https://evil"), exchange.ReasonTargetNotAllowed, "", ""},
		{"an empty audience", requestAudience(""), exchange.ReasonTargetNotAllowed, "", ""},
		{"a client without audiences", func(in *inputs) { in.client.Audiences = nil }, exchange.ReasonTargetNotAllowed, "", ""},
		{"a client without issuers", func(in *inputs) { in.client.Issuers = nil }, exchange.ReasonIssuerUnknown, "", ""},
		{"a client of another issuer", func(in *inputs) { in.client.Issuers = []string{"google2"} }, exchange.ReasonIssuerUnknown, "", ""},
		{"a token for the client", func(in *inputs) {
			in.client.SubjectAudiences, in.subject.Proof.Audience = []string{"web", "app"}, []string{"other", "app"}
		}, "", "read write", "https://api"},
		{"a token for another client of the issuer", func(in *inputs) {
			in.client.SubjectAudiences, in.subject.Proof.Audience = []string{"web"}, []string{"other"}
		}, exchange.ReasonAudienceNotAccepted, "", ""},
		{"conditions that hold", func(in *inputs) {
			in.rules.conditions = []exchange.Check{condition("a", true, false), condition("b", true, false)}
		}, "", "read write", "https://api"},
		{"a condition that does not hold", func(in *inputs) {
			in.rules.conditions = []exchange.Check{condition("a", true, false), condition("b", false, false)}
		}, exchange.ReasonConditionFailed, "", ""},
		{"an audited condition that does not hold", func(in *inputs) {
			in.rules.conditions = []exchange.Check{condition("a", false, true), condition("b", true, false)}
		}, "", "read write", "https://api"},
		{"an audited condition before one that refuses", func(in *inputs) {
			in.rules.conditions = []exchange.Check{condition("a", false, true), condition("b", false, false)}
		}, exchange.ReasonConditionFailed, "", ""},
		{"authorization details", requestDetails(`[{"type":"a"}]`), "", "read write", "https://api"},
		{"empty authorization details", requestDetails(`[]`), exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"authorization details of a scope that was not requested", func(in *inputs) {
			in.requested.Scopes = []string{"write"}
			requestDetails(`[{"type":"a"}]`)(in)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
	}, (*inputs).decide)
}

func requestDetails(text string) func(*inputs) {
	return func(in *inputs) { in.requested.Details = json.RawMessage(text) }
}

func TestDecideRefresh(t *testing.T) {
	run(t, []row{
		{"nothing requested", nil, "", "read write", "https://api"},
		{"a proof for the client", func(in *inputs) {
			in.client.SubjectAudiences, in.session.Claims = []string{"web"}, map[string]any{"sub": "alice", "aud": "web"}
		}, "", "read write", "https://api"},
		{"a proof for the client and others", func(in *inputs) {
			in.client.SubjectAudiences, in.session.Claims = []string{"web"}, map[string]any{"sub": "alice", "aud": []any{"other", "web"}}
		}, "", "read write", "https://api"},
		{"a proof for another client of the issuer", func(in *inputs) {
			in.client.SubjectAudiences, in.session.Claims = []string{"web"}, map[string]any{"sub": "alice", "aud": []any{"other"}}
		}, exchange.ReasonAudienceNotAccepted, "", ""},
		{"a proof whose client_id is the client", func(in *inputs) {
			in.issuer.ClientIDClaim, in.client.SubjectAudiences = true, []string{"web"}
			in.session.Claims = map[string]any{"sub": "alice", "client_id": "web"}
		}, "", "read write", "https://api"},
		{"a proof without audience", func(in *inputs) { in.client.SubjectAudiences = []string{"web"} }, exchange.ReasonAudienceNotAccepted, "", ""},
		{"less", request("read"), "", "read", "https://api"},
		{"more than the session has", func(in *inputs) {
			in.rules.gives = gives("read", "write", "admin")
			in.requested.Scopes = []string{"read", "admin"}
		}, exchange.ReasonScopeNotAllowed, "", ""},
		{"no more than the session has, when more is given today", func(in *inputs) {
			in.session.Scopes = []string{"read"}
		}, "", "read", "https://api"},
		{"a rule was removed", func(in *inputs) { delete(in.rules.gives, "write") }, "", "read", "https://api"},
		{"a rule was removed and its scope requested", func(in *inputs) {
			delete(in.rules.gives, "write")
			in.requested.Scopes = []string{"write"}
		}, exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope rule no longer passes", func(in *inputs) {
			in.rules.gives["write"] = scopeRule("write", false, false)
		}, "", "read", "https://api"},
		{"the client lost a scope", func(in *inputs) { in.client.Scopes = []string{"read"} }, "", "read", "https://api"},
		{"a condition was added", func(in *inputs) {
			in.rules.conditions = []exchange.Check{condition("new", false, false)}
		}, exchange.ReasonConditionFailed, "", ""},
		{"an audited condition was added", func(in *inputs) {
			in.rules.conditions = []exchange.Check{condition("new", false, true)}
		}, "", "read write", "https://api"},
		{"the client lost the issuer", func(in *inputs) { in.client.Issuers = []string{"entra"} }, exchange.ReasonIssuerUnknown, "", ""},
		{"the mapping makes another subject of the claims", func(in *inputs) {
			in.session.Subject = "bob"
		}, exchange.ReasonSubjectTokenClaimInvalid, "", ""},
		{"the mapping fails", func(in *inputs) { in.rules.broken = true }, exchange.ReasonSubjectTokenClaimInvalid, "", ""},
		{"an audience of the client that the session does not have", requestAudience("https://files"), exchange.ReasonTargetNotAllowed, "", ""},
		{"one of the session's audiences", func(in *inputs) {
			in.session.Audience = []string{"https://api", "https://files"}
			in.requested.Audiences = []string{"https://files"}
		}, "", "read write", "https://files"},
		{"the client lost one of the audiences", func(in *inputs) {
			in.session.Audience = []string{"https://old", "https://api"}
		}, "", "read write", "https://api"},
		{"the client lost all of the audiences", func(in *inputs) {
			in.session.Audience = []string{"https://old"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"other authorization details", requestDetails(`[{"type":"c"}]`), exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"authorization details where the session has none", func(in *inputs) {
			in.session.Details = nil
			requestDetails(`[{"type":"a"}]`)(in)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"the client lost a type of its authorization details", func(in *inputs) {
			in.client.DetailTypes = []string{"a"}
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"a type of its authorization details was removed", func(in *inputs) { in.requested.Types = nil }, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"some of the authorization details", requestDetails(` [ {"type": "b"} ] `), "", "read write", "https://api"},
	}, (*inputs).refresh)
}

func TestDecideNarrowing(t *testing.T) {
	confidential := func(in *inputs) { in.client.Auth = exchange.AuthSecretBasic }
	run(t, []row{
		{"nothing requested", nil, "", "read write", "https://api https://files"},
		{"less", request("write"), "", "write", "https://api https://files"},
		{"one audience", requestAudience("https://files"), "", "read write", "https://files"},
		{"more than the token has", request("read", "admin"), exchange.ReasonScopeNotAllowed, "", ""},
		{"an audience the token does not have", func(in *inputs) {
			in.parent.Audience = []string{"https://api"}
			in.requested.Audiences = []string{"https://files"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"an audience the client may not have", func(in *inputs) {
			in.parent.Audience = []string{"https://bank", "https://api"}
			in.requested.Audiences = []string{"https://bank"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"only audiences the client may not have", func(in *inputs) {
			in.parent.Audience = []string{"https://bank"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"a client that may not", func(in *inputs) { in.client.ExchangeOwnTokens = false }, exchange.ReasonSubjectTokenTypeNotAccepted, "", ""},
		{"a public client with another's token", func(in *inputs) { in.parent.Client = "app" }, exchange.ReasonClientNotAllowed, "", ""},
		{"a confidential client with another's token", func(in *inputs) { confidential(in); in.parent.Client = "app" }, "", "read write", "https://api https://files"},
		{"its authorization details", requestDetails(`[{"type":"a"}]`), "", "read write", "https://api https://files"},
		{"other authorization details", requestDetails(`[{"type":"a","n":1}]`), exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"details of a token that has none", func(in *inputs) {
			in.parent.Details = nil
			requestDetails(`[{"type":"a","n":1},{"type":"b"}]`)(in)
		}, "", "read write", "https://api https://files"},
		{"details of a scope that the token does not have", func(in *inputs) {
			in.parent.Details, in.parent.Scopes = nil, []string{"write"}
			requestDetails(`[{"type":"a"}]`)(in)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"a checkout token", func(in *inputs) { in.parent.Purchase = &exchange.Purchase{} }, exchange.ReasonAccessTokenInsufficient, "", ""},
		{"a detail of type checkout", func(in *inputs) {
			in.parent.Details, in.client.DetailTypes = nil, []string{"checkout"}
			requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":"i"}]`)(in)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
	}, (*inputs).narrow)
}

func TestDecideClientCredentials(t *testing.T) {
	run(t, []row{
		{"nothing requested", nil, "", "read write", "https://api"},
		{"a scope of its own", request("admin"), "", "admin", "https://api"},
		{"a scope it may not have", request("admin", "billing"), exchange.ReasonScopeNotAllowed, "", ""},
		{"an audience it may not have", requestAudience("https://bank"), exchange.ReasonTargetNotAllowed, "", ""},
		{"authorization details", requestDetails(`[{"type":"a"}]`), "", "read write", "https://api"},
		{"a detail of type checkout", func(in *inputs) {
			in.client.DetailTypes, in.client.Scopes = []string{"checkout"}, []string{"checkout:create"}
			in.client.Checkout = &exchange.Checkout{Audience: "https://pay"}
			requestDetails(`[{"type":"checkout","customer_id":"c","invoice_id":"i"}]`)(in)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
	}, (*inputs).clientCredentials)
}

func TestRefreshRefusesMalformedDetails(t *testing.T) {
	for _, text := range []string{`null`, `{}`, `"a"`, `[`, `[]`, `[null]`, `[{"type":"a"}] x`, `[{"type":"b","x":1}]`} {
		in := good()
		in.requested.Details = json.RawMessage(text)
		if d := in.refresh(); d.Err == nil || d.Err.Reason != exchange.ReasonAuthorizationDetailsInvalid {
			t.Errorf("%s: got %v", text, d.Err)
		}
	}
}
