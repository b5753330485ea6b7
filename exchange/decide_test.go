package exchange_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rules are an issuer's rules without expressions: conditions by name, scopes
// by name, and the subject is the claim sub.
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

// world is what a decision is about; rows of the tables change one fact of it.
type world struct {
	issuer  exchange.Issuer
	client  exchange.Client
	rules   rules
	subject exchange.Subject
	session exchange.Session
	parent  exchange.AccessToken
	ask     exchange.Requested
}

func good() *world {
	claims := map[string]any{"sub": "alice"}
	return &world{
		issuer: exchange.Issuer{ID: "google"},
		client: exchange.Client{
			ID: "web", Issuers: []string{"google"}, ExchangeOwnTokens: true,
			Scopes: []string{"read", "write", "admin"}, DefaultScopes: []string{"read", "write"},
			Audiences: []string{"https://api", "https://files"}, DetailTypes: []string{"a", "b", "lost"},
		},
		ask:     exchange.Requested{Types: kinds},
		rules:   rules{gives: gives("read", "write")},
		subject: exchange.Subject{Issuer: "google", ID: "alice", Claims: claims, Extra: map[string]any{"tenant": "a"}},
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

func (w *world) trust() *exchange.CompiledIssuer {
	return &exchange.CompiledIssuer{Issuer: &w.issuer, Rules: w.rules}
}

func (w *world) decide() exchange.Decision {
	return exchange.Decide(w.trust(), &w.client, &w.subject, w.ask, now)
}

func (w *world) again() exchange.Decision {
	return exchange.DecideRefresh(w.trust(), &w.client, &w.session, w.ask)
}

func (w *world) narrower() exchange.Decision {
	return exchange.DecideNarrowing(&w.client, &w.parent, w.ask)
}

func (w *world) forClient() exchange.Decision {
	return exchange.DecideClientCredentials(&w.client, w.ask)
}

// row changes one fact and says what is granted, or why it is refused.
type row struct {
	name   string
	change func(*world)
	reason exchange.Reason // empty: granted
	scopes string
	aud    string
}

func run(t *testing.T, rows []row, decide func(*world) exchange.Decision) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			w := good()
			if r.change != nil {
				r.change(w)
			}
			d := decide(w)
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

// refusedFor demands one failed check, the last one, and that nothing at all
// is granted beside it.
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

func ask(scopes ...string) func(*world) {
	return func(w *world) { w.ask.Scopes = scopes }
}

func target(audiences ...string) func(*world) {
	return func(w *world) { w.ask.Audiences = audiences }
}

func TestDecide(t *testing.T) {
	run(t, []row{
		{"nothing asked", nil, "", "read write", "https://api"},
		{"one scope", ask("write"), "", "write", "https://api"},
		{"a scope twice", ask("write", "read", "write"), "", "write read", "https://api"},
		{"a scope the client may not have", ask("read", "billing"), exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope no rule gives", ask("read", "admin"), exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope in other case", ask("Read"), exchange.ReasonScopeNotAllowed, "", ""},
		{"an empty scope", ask(""), exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope whose rule holds", func(w *world) {
			w.rules.gives["admin"] = scopeRule("admin", true, false)
			w.ask.Scopes = []string{"admin"}
		}, "", "admin", "https://api"},
		{"a scope whose rule does not hold", func(w *world) {
			w.rules.gives["admin"] = scopeRule("admin", false, false)
			w.ask.Scopes = []string{"admin"}
		}, exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope whose audited rule does not hold", func(w *world) {
			w.rules.gives["admin"] = scopeRule("admin", false, true)
			w.ask.Scopes = []string{"admin"}
		}, "", "admin", "https://api"},
		{"a default scope no rule gives", func(w *world) { delete(w.rules.gives, "write") }, "", "read", "https://api"},
		{"a default scope the client lost", func(w *world) { w.client.Scopes = []string{"write"} }, "", "write", "https://api"},
		{"no default scopes", func(w *world) { w.client.DefaultScopes = nil }, "", "", "https://api"},
		{"another audience", target("https://files"), "", "read write", "https://files"},
		{"two audiences", target("https://files", "https://api"), "", "read write", "https://files https://api"},
		{"an audience twice", target("https://api", "https://api"), "", "read write", "https://api"},
		{"an audience beside an allowed one", target("https://api", "https://evil"), exchange.ReasonTargetNotAllowed, "", ""},
		{"an empty audience", target(""), exchange.ReasonTargetNotAllowed, "", ""},
		{"a client without audiences", func(w *world) { w.client.Audiences = nil }, exchange.ReasonTargetNotAllowed, "", ""},
		{"a client without issuers", func(w *world) { w.client.Issuers = nil }, exchange.ReasonIssuerUnknown, "", ""},
		{"a client of another issuer", func(w *world) { w.client.Issuers = []string{"google2"} }, exchange.ReasonIssuerUnknown, "", ""},
		{"a token for the client", func(w *world) {
			w.client.SubjectAudiences, w.subject.Proof.Audience = []string{"web", "app"}, []string{"other", "app"}
		}, "", "read write", "https://api"},
		{"a token for another client of the issuer", func(w *world) {
			w.client.SubjectAudiences, w.subject.Proof.Audience = []string{"web"}, []string{"other"}
		}, exchange.ReasonAudienceNotAccepted, "", ""},
		{"conditions that hold", func(w *world) {
			w.rules.conditions = []exchange.Check{condition("a", true, false), condition("b", true, false)}
		}, "", "read write", "https://api"},
		{"a condition that does not hold", func(w *world) {
			w.rules.conditions = []exchange.Check{condition("a", true, false), condition("b", false, false)}
		}, exchange.ReasonConditionFailed, "", ""},
		{"an audited condition that does not hold", func(w *world) {
			w.rules.conditions = []exchange.Check{condition("a", false, true), condition("b", true, false)}
		}, "", "read write", "https://api"},
		{"an audited condition before one that refuses", func(w *world) {
			w.rules.conditions = []exchange.Check{condition("a", false, true), condition("b", false, false)}
		}, exchange.ReasonConditionFailed, "", ""},
		{"authorization details", details(`[{"type":"a"}]`), "", "read write", "https://api"},
		{"empty authorization details", details(`[]`), exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"authorization details of a scope that was not asked for", func(w *world) {
			w.ask.Scopes = []string{"write"}
			details(`[{"type":"a"}]`)(w)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
	}, (*world).decide)
}

func details(text string) func(*world) {
	return func(w *world) { w.ask.Details = json.RawMessage(text) }
}

func TestDecideAgain(t *testing.T) {
	run(t, []row{
		{"nothing asked", nil, "", "read write", "https://api"},
		{"a proof for the client", func(w *world) {
			w.client.SubjectAudiences, w.session.Claims = []string{"web"}, map[string]any{"sub": "alice", "aud": "web"}
		}, "", "read write", "https://api"},
		{"a proof for the client and others", func(w *world) {
			w.client.SubjectAudiences, w.session.Claims = []string{"web"}, map[string]any{"sub": "alice", "aud": []any{"other", "web"}}
		}, "", "read write", "https://api"},
		{"a proof for another client of the issuer", func(w *world) {
			w.client.SubjectAudiences, w.session.Claims = []string{"web"}, map[string]any{"sub": "alice", "aud": []any{"other"}}
		}, exchange.ReasonAudienceNotAccepted, "", ""},
		{"a proof whose client_id is the client", func(w *world) {
			w.issuer.ClientIDClaim, w.client.SubjectAudiences = true, []string{"web"}
			w.session.Claims = map[string]any{"sub": "alice", "client_id": "web"}
		}, "", "read write", "https://api"},
		{"a proof for nobody", func(w *world) { w.client.SubjectAudiences = []string{"web"} }, exchange.ReasonAudienceNotAccepted, "", ""},
		{"less", ask("read"), "", "read", "https://api"},
		{"more than the session has", func(w *world) {
			w.rules.gives = gives("read", "write", "admin")
			w.ask.Scopes = []string{"read", "admin"}
		}, exchange.ReasonScopeNotAllowed, "", ""},
		{"no more than the session has, when more is given today", func(w *world) {
			w.session.Scopes = []string{"read"}
		}, "", "read", "https://api"},
		{"a rule was removed", func(w *world) { delete(w.rules.gives, "write") }, "", "read", "https://api"},
		{"a rule was removed and its scope asked for", func(w *world) {
			delete(w.rules.gives, "write")
			w.ask.Scopes = []string{"write"}
		}, exchange.ReasonScopeNotAllowed, "", ""},
		{"a scope rule does not hold any more", func(w *world) {
			w.rules.gives["write"] = scopeRule("write", false, false)
		}, "", "read", "https://api"},
		{"the client lost a scope", func(w *world) { w.client.Scopes = []string{"read"} }, "", "read", "https://api"},
		{"a condition was added", func(w *world) {
			w.rules.conditions = []exchange.Check{condition("new", false, false)}
		}, exchange.ReasonConditionFailed, "", ""},
		{"an audited condition was added", func(w *world) {
			w.rules.conditions = []exchange.Check{condition("new", false, true)}
		}, "", "read write", "https://api"},
		{"the client lost the issuer", func(w *world) { w.client.Issuers = []string{"entra"} }, exchange.ReasonIssuerUnknown, "", ""},
		{"the mapping makes somebody else of the claims", func(w *world) {
			w.session.Subject = "bob"
		}, exchange.ReasonSubjectTokenClaimInvalid, "", ""},
		{"the mapping fails", func(w *world) { w.rules.broken = true }, exchange.ReasonSubjectTokenClaimInvalid, "", ""},
		{"an audience of the client that the session has not", target("https://files"), exchange.ReasonTargetNotAllowed, "", ""},
		{"one of the session's audiences", func(w *world) {
			w.session.Audience = []string{"https://api", "https://files"}
			w.ask.Audiences = []string{"https://files"}
		}, "", "read write", "https://files"},
		{"the client lost one of the audiences", func(w *world) {
			w.session.Audience = []string{"https://old", "https://api"}
		}, "", "read write", "https://api"},
		{"the client lost all of the audiences", func(w *world) {
			w.session.Audience = []string{"https://old"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"other authorization details", details(`[{"type":"c"}]`), exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"authorization details where the session has none", func(w *world) {
			w.session.Details = nil
			details(`[{"type":"a"}]`)(w)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"the client lost a type of its authorization details", func(w *world) {
			w.client.DetailTypes = []string{"a"}
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"a type of its authorization details was removed", func(w *world) { w.ask.Types = nil }, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"some of the authorization details", details(` [ {"type": "b"} ] `), "", "read write", "https://api"},
	}, (*world).again)
}

func TestDecideNarrower(t *testing.T) {
	confidential := func(w *world) { w.client.Auth = exchange.AuthSecretBasic }
	run(t, []row{
		{"nothing asked", nil, "", "read write", "https://api https://files"},
		{"less", ask("write"), "", "write", "https://api https://files"},
		{"one audience", target("https://files"), "", "read write", "https://files"},
		{"more than the token has", ask("read", "admin"), exchange.ReasonScopeNotAllowed, "", ""},
		{"an audience the token has not", func(w *world) {
			w.parent.Audience = []string{"https://api"}
			w.ask.Audiences = []string{"https://files"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"an audience the client may not have", func(w *world) {
			w.parent.Audience = []string{"https://bank", "https://api"}
			w.ask.Audiences = []string{"https://bank"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"only audiences the client may not have", func(w *world) {
			w.parent.Audience = []string{"https://bank"}
		}, exchange.ReasonTargetNotAllowed, "", ""},
		{"a client that may not", func(w *world) { w.client.ExchangeOwnTokens = false }, exchange.ReasonSubjectTokenTypeNotAccepted, "", ""},
		{"a public client with another's token", func(w *world) { w.parent.Client = "app" }, exchange.ReasonClientNotAllowed, "", ""},
		{"a confidential client with another's token", func(w *world) { confidential(w); w.parent.Client = "app" }, "", "read write", "https://api https://files"},
		{"its authorization details", details(`[{"type":"a"}]`), "", "read write", "https://api https://files"},
		{"other authorization details", details(`[{"type":"a","n":1}]`), exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"details of a token that has none", func(w *world) {
			w.parent.Details = nil
			details(`[{"type":"a","n":1},{"type":"b"}]`)(w)
		}, "", "read write", "https://api https://files"},
		{"details of a scope that the token has not", func(w *world) {
			w.parent.Details, w.parent.Scopes = nil, []string{"write"}
			details(`[{"type":"a"}]`)(w)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
		{"a checkout token", func(w *world) { w.parent.Purchase = &exchange.Purchase{} }, exchange.ReasonAccessTokenInsufficient, "", ""},
		{"a detail of type checkout", func(w *world) {
			w.parent.Details, w.client.DetailTypes = nil, []string{"checkout"}
			details(`[{"type":"checkout","customer_id":"c","invoice_id":"i"}]`)(w)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
	}, (*world).narrower)
}

func TestDecideForClient(t *testing.T) {
	run(t, []row{
		{"nothing asked", nil, "", "read write", "https://api"},
		{"a scope of its own", ask("admin"), "", "admin", "https://api"},
		{"a scope it may not have", ask("admin", "billing"), exchange.ReasonScopeNotAllowed, "", ""},
		{"an audience it may not have", target("https://bank"), exchange.ReasonTargetNotAllowed, "", ""},
		{"authorization details", details(`[{"type":"a"}]`), "", "read write", "https://api"},
		{"a detail of type checkout", func(w *world) {
			w.client.DetailTypes, w.client.Scopes = []string{"checkout"}, []string{"checkout:create"}
			w.client.Checkout = &exchange.Checkout{Audience: "https://pay"}
			details(`[{"type":"checkout","customer_id":"c","invoice_id":"i"}]`)(w)
		}, exchange.ReasonAuthorizationDetailsInvalid, "", ""},
	}, (*world).forClient)
}

func TestAuthorizationDetailsThatAreNoArray(t *testing.T) {
	for _, text := range []string{`null`, `{}`, `"a"`, `[`, `[]`, `[null]`, `[{"type":"a"}] x`, `[{"type":"b","x":1}]`} {
		w := good()
		w.ask.Details = json.RawMessage(text)
		if d := w.again(); d.Err == nil || d.Err.Reason != exchange.ReasonAuthorizationDetailsInvalid {
			t.Errorf("%s: got %v", text, d.Err)
		}
	}
}

func TestLifetimes(t *testing.T) {
	day := exchange.Duration(24 * time.Hour)
	for _, row := range []struct {
		name   string
		change func(*world)
		decide func(*world) exchange.Decision
		want   time.Time
	}{
		{"the client's only", nil, (*world).decide, time.Time{}},
		{"the issuer's cap", func(w *world) { w.issuer.MaxSession = day }, (*world).decide, now.Add(24 * time.Hour)},
		{"the session's own", nil, (*world).again, now.Add(time.Hour)},
		{"the issuer's cap, lowered", func(w *world) { w.issuer.MaxSession = exchange.Duration(90 * time.Minute) }, (*world).again, now.Add(30 * time.Minute)},
		{"the issuer's cap, raised", func(w *world) { w.issuer.MaxSession = day }, (*world).again, now.Add(time.Hour)},
		{"the client's limit, lowered", func(w *world) { w.client.RefreshAbsolute = exchange.Duration(30 * time.Minute) }, (*world).again, now.Add(-30 * time.Minute)},
		{"a session that stored none", func(w *world) { w.session.NotAfter = time.Time{} }, (*world).again, now.Add(-time.Hour).Add(90 * 24 * time.Hour)},
		{"never beyond the parent token", nil, (*world).narrower, now.Add(time.Minute)},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := good()
			if row.change != nil {
				row.change(w)
			}
			if d := row.decide(w); d.Err != nil || !d.NotAfter.Equal(row.want) {
				t.Errorf("NotAfter %v, want %v (%v)", d.NotAfter, row.want, d.Err)
			}
		})
	}
}

func TestRulesAreRememberedIfTheyPassed(t *testing.T) {
	w := good()
	w.rules.conditions = []exchange.Check{condition("staff", true, false), condition("new", false, true)}
	w.rules.gives["admin"] = scopeRule("admin", true, false)
	w.rules.gives["write"] = scopeRule("write", false, true)
	w.ask.Scopes = []string{"read", "write", "admin"}
	d := w.decide()
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	if diff := cmp.Diff([]string{"staff", "scope:admin"}, d.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	failed := slices.DeleteFunc(slices.Clone(d.Checks), func(c exchange.Check) bool { return c.Passed })
	if len(failed) != 2 || !failed[0].Audit || !failed[1].Audit {
		t.Errorf("audited checks that did not pass: %+v", failed)
	}
}

func TestMappedClaims(t *testing.T) {
	if d := good().decide(); d.Extra["tenant"] != "a" {
		t.Errorf("a new session has %v, want the proof's", d.Extra)
	}
	if d := good().again(); d.Extra["tenant"] != "today" {
		t.Errorf("a refreshed session has %v, want today's", d.Extra)
	}
	if d := good().narrower(); d.Extra["tenant"] != "a" {
		t.Errorf("a narrower token has %v, want the parent's", d.Extra)
	}
}

func TestConditionTellsItsMessage(t *testing.T) {
	w := good()
	w.rules.conditions = []exchange.Check{condition("staff", false, false)}
	d := w.decide()
	if d.Err == nil || d.Err.Description != "only for staff" {
		t.Errorf("got %+v", d.Err)
	}
	if strings.Contains(d.Err.Description, "want") || !strings.Contains(d.Err.Error(), `want "staff", got "false"`) {
		t.Errorf("the caller reads %q, the operator %q", d.Err.Description, d.Err)
	}
}

func TestGrantsShareNothingWithTheRegistration(t *testing.T) {
	w := good()
	d := w.decide()
	d.Audience[0], d.Scopes[0] = "changed", "changed"
	if w.client.Audiences[0] == "changed" || w.client.DefaultScopes[0] == "changed" {
		t.Error("the decision shares memory with the client")
	}
}

func TestLongAsk(t *testing.T) {
	w := good()
	for i := range 20_000 {
		w.ask.Scopes = append(w.ask.Scopes, fmt.Sprint(i))
	}
	d := w.decide()
	refusedFor(t, d, exchange.ReasonScopeNotAllowed)
	for _, c := range d.Checks {
		if len(c.Got) > 128 {
			t.Errorf("%s shows %d bytes of what a stranger sent", c.Name, len(c.Got))
		}
	}
	if len(d.Err.Error()) > 512 {
		t.Errorf("the error has %d bytes", len(d.Err.Error()))
	}
}
