package exchange_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
)

func TestNotAfter(t *testing.T) {
	day := exchange.Duration(24 * time.Hour)
	for _, row := range []struct {
		name   string
		change func(*inputs)
		decide func(*inputs) exchange.Decision
		want   time.Time
	}{
		{"the client's only", nil, (*inputs).decide, time.Time{}},
		{"the issuer's cap", func(in *inputs) { in.issuer.MaxSession = day }, (*inputs).decide, now.Add(24 * time.Hour)},
		{"the session's own", nil, (*inputs).refresh, now.Add(time.Hour)},
		{"the issuer's cap, lowered", func(in *inputs) { in.issuer.MaxSession = exchange.Duration(90 * time.Minute) }, (*inputs).refresh, now.Add(30 * time.Minute)},
		{"the issuer's cap, raised", func(in *inputs) { in.issuer.MaxSession = day }, (*inputs).refresh, now.Add(time.Hour)},
		{"the client's limit, lowered", func(in *inputs) { in.client.RefreshAbsolute = exchange.Duration(30 * time.Minute) }, (*inputs).refresh, now.Add(-30 * time.Minute)},
		{"a session that stored none", func(in *inputs) { in.session.NotAfter = time.Time{} }, (*inputs).refresh, now.Add(-time.Hour).Add(90 * 24 * time.Hour)},
		{"never beyond the parent token", nil, (*inputs).narrow, now.Add(time.Minute)},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := good()
			if row.change != nil {
				row.change(in)
			}
			if d := row.decide(in); d.Err != nil || !d.NotAfter.Equal(row.want) {
				t.Errorf("NotAfter %v, want %v (%v)", d.NotAfter, row.want, d.Err)
			}
		})
	}
}

func TestDecisionRecordsPassedRules(t *testing.T) {
	in := good()
	in.rules.conditions = []exchange.Check{condition("staff", true, false), condition("new", false, true)}
	in.rules.gives["admin"] = scopeRule("admin", true, false)
	in.rules.gives["write"] = scopeRule("write", false, true)
	in.requested.Scopes = []string{"read", "write", "admin"}
	d := in.decide()
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

func TestExtraClaims(t *testing.T) {
	if d := good().decide(); d.Extra["tenant"] != "a" {
		t.Errorf("a new session has %v, want the proof's", d.Extra)
	}
	if d := good().refresh(); d.Extra["tenant"] != "today" {
		t.Errorf("a refreshed session has %v, want today's", d.Extra)
	}
	if d := good().narrow(); d.Extra["tenant"] != "a" {
		t.Errorf("a narrower token has %v, want the parent's", d.Extra)
	}
}

func TestConditionMessageReachesClient(t *testing.T) {
	in := good()
	in.rules.conditions = []exchange.Check{condition("staff", false, false)}
	d := in.decide()
	if d.Err == nil || d.Err.Description != "only for staff" {
		t.Errorf("got %+v", d.Err)
	}
	if strings.Contains(d.Err.Description, "want") || !strings.Contains(d.Err.Error(), `want "staff", got "false"`) {
		t.Errorf("the caller reads %q, the operator %q", d.Err.Description, d.Err)
	}
}

func TestDecisionSharesNoMemoryWithClient(t *testing.T) {
	in := good()
	d := in.decide()
	d.Audience[0], d.Scopes[0] = "changed", "changed"
	if in.client.Audiences[0] == "changed" || in.client.DefaultScopes[0] == "changed" {
		t.Error("the decision shares memory with the client")
	}
}

func TestLongRequestIsClipped(t *testing.T) {
	in := good()
	for i := range 20_000 {
		in.requested.Scopes = append(in.requested.Scopes, fmt.Sprint(i))
	}
	d := in.decide()
	refusedFor(t, d, exchange.ReasonScopeNotAllowed)
	for _, c := range d.Checks {
		if len(c.Got) > 128 {
			t.Errorf("%s shows %d bytes of untrusted text", c.Name, len(c.Got))
		}
	}
	if len(d.Err.Error()) > 512 {
		t.Errorf("the error has %d bytes", len(d.Err.Error()))
	}
}
