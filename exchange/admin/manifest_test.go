package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func actions(p admin.Plan) string {
	var out []string
	for _, c := range p.Changes {
		out = append(out, string(c.Action)+" "+c.ID)
	}
	return strings.Join(out, ", ")
}

func TestApply(t *testing.T) {
	f := setup(t)
	const all = "add google, add legacy, add shop, add backend"

	plan, err := f.Plan(t.Context(), manifest(), false)
	must(t, err)
	if actions(plan) != all || f.registry.Snapshot().Revision() != 0 || f.audited() != "" {
		t.Errorf("plan: %s, revision %d", actions(plan), f.registry.Snapshot().Revision())
	}

	plan, err = f.Apply(t.Context(), manifest(), false)
	must(t, err)
	if actions(plan) != all || f.registry.Snapshot().Issuer("google") == nil {
		t.Errorf("apply: %s", actions(plan))
	}
	if got := f.audited(); got != "admin.issuer.add admin.issuer.add admin.client.add admin.client.add" {
		t.Errorf("audited: %s", got)
	}

	before := f.registry.Snapshot().Revision()
	plan, err = f.Apply(t.Context(), manifest(), true)
	must(t, err)
	if strings.Count(actions(plan), "unchanged") != 4 || f.registry.Snapshot().Revision() != before || f.audited() != "" {
		t.Errorf("again: %s", actions(plan))
	}
}

// A word stands for a list of one, as in YAML.
func TestWordOrList(t *testing.T) {
	f := setup(t)
	for value, want := range map[string]string{
		`"azp"`: "azp", `["aud","client_id"]`: "aud client_id", `[]`: "", `null`: "", `5`: "422", `{}`: "422", `[1]`: "422", `"sub"`: "422", `""`: "422",
	} {
		body := `{"issuers":[{"id":"clerk","url":"https://clerk.example","audiences":["app"],"audienceClaim":` + value + `}]}`
		status, _ := f.send(t, "POST", "/v1/manifest:apply", body, nil)
		got := fmt.Sprint(status)
		if status == 200 {
			got = strings.Join(f.registry.Snapshot().Issuer("clerk").Issuer.AudienceClaim, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	f := setup(t)
	m := manifest()
	m.Issuers[1].Audiences = nil
	m.Clients[0].Issuers = []string{"unknown"}
	_, err := f.Apply(t.Context(), m, false)
	e, ok := errors.AsType[*admin.Error](err)
	if !ok || e.Status != 422 {
		t.Fatalf("%v", err)
	}
	got := map[string]bool{}
	for _, p := range e.Problems {
		got[p.Path] = true
	}
	if !got["$.issuers[1].audiences"] || !got["$.clients[0].issuers[0]"] {
		t.Errorf("problems: %v", e.Problems)
	}
	if f.registry.Snapshot().Revision() != 0 || f.audited() != "" {
		t.Error("something was changed")
	}
}

func TestPruneRemovesAndRevokes(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	id := f.start(t, "google", "shop", "alice")
	f.audited()

	m := manifest()
	m.Issuers, m.Clients = m.Issuers[1:], m.Clients[1:]
	plan, err := f.Apply(t.Context(), m, false)
	must(t, err)
	if strings.Contains(actions(plan), "remove") || f.ended(t, id) {
		t.Errorf("without prune: %s", actions(plan))
	}
	plan, err = f.Apply(t.Context(), m, true)
	must(t, err)
	if !strings.Contains(actions(plan), "remove google, remove shop") || !f.ended(t, id) {
		t.Errorf("with prune: %s, ended %t", actions(plan), f.ended(t, id))
	}
	if got := f.audited(); got != "admin.issuer.remove admin.client.remove" {
		t.Errorf("audited: %s", got)
	}
}

// Each removal alone ends its sessions.
func TestEachRemovalRevokes(t *testing.T) {
	for name, edit := range map[string]func(*exchange.Manifest){
		"the client": func(m *exchange.Manifest) { m.Clients = m.Clients[1:] },
		"the issuer": func(m *exchange.Manifest) { m.Issuers, m.Clients[0].Issuers = m.Issuers[1:], nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			f.apply(t, manifest())
			mine, other := f.start(t, "google", "shop", "alice"), f.start(t, "legacy", "backend", "bob")
			m := manifest()
			edit(&m)
			_, err := f.Apply(t.Context(), m, true)
			must(t, err)
			if !f.ended(t, mine) || f.ended(t, other) {
				t.Errorf("ended: %t %t", f.ended(t, mine), f.ended(t, other))
			}
		})
	}
}

func TestRevokedKeyEndsTheSessionsItProved(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	mine, other := f.start(t, "google", "shop", "alice"), f.store(t, bobs)
	m := manifest()
	m.Issuers[0].Keys.RevokedKeys = []string{key}
	f.apply(t, m)
	if !f.ended(t, mine) || f.ended(t, other) {
		t.Errorf("ended: %t %t", f.ended(t, mine), f.ended(t, other))
	}
}

// apply registers m, which must succeed.
func (f *fixture) apply(t *testing.T, m exchange.Manifest) {
	t.Helper()
	_, err := f.Apply(t.Context(), m, false)
	must(t, err)
}

// maxManifestBody is slightly below the bound of a body.
const maxManifestBody = 15 << 20

func TestBadManifests(t *testing.T) {
	f := setup(t)
	for _, c := range []struct{ name, body, want string }{
		{"unknown field", `{"issuers":[{"id":"a","audience":["x"],"audiences":["x"]}]}`, `"$.issuers[0].audience"`},
		{"wrong type", `{"issuers":[{"id":"a","audiences":"x"}]}`, `"$.issuers[0].audiences"`},
		{"repeated name", `{"issuers":[],"issuers":[]}`, `repeated`},
		{"repeated name below", `{"issuers":[{"id":"a","id":"b","audiences":["x"]}]}`, `repeated`},
		{"another case", `{"issuers":[{"id":"a","audiences":["x"]}],"Issuers":[]}`, `"$.Issuers"`},
		{"another case below", `{"issuers":[{"id":"a","audiences":["x"],"Audiences":["y"]}]}`, `"$.issuers[0].Audiences"`},
		{"bad duration", `{"issuers":[{"id":"a","audiences":["x"],"clockSkew":"5x"}]}`, `not a duration`},
		{"not JSON", `{"issuers":`, `not valid JSON`},
		{"nested as deeply as a body is long", strings.Repeat("[", maxManifestBody), `deep`},
		{"trailing data", `{} {}`, `after the JSON document`},
		{"a list", `[]`, `"$"`},
		{"nothing", `{"clients":[{"id":"c"}]}`, `audiences`},
		{"a declared MAC", `{"clients":[{"id":"c","audiences":["x"],"secrets":[{"id":"a","mac":"AAAA","created":"2026-01-01T00:00:00Z"}]}]}`, `$.clients[0].secrets`},
		{"a declared seal", `{"issuers":[{"id":"a","url":"https://a.example","audiences":["x"],"keys":{"secrets":[{"id":"s","sealed":"AAAA"}]}}]}`, `$.issuers[0].keys.secrets[0]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := f.send(t, "POST", "/v1/manifest:apply", c.body, nil)
			if status < 400 || status > 499 || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", status, body)
			}
			if f.registry.Snapshot().Revision() != 0 {
				t.Error("something was changed")
			}
		})
	}
}

func TestUnknownQueryIsRefused(t *testing.T) {
	f := setup(t)
	if status, body := f.send(t, "POST", "/v1/manifest:apply?purne=true", `{}`, nil); status != 422 {
		t.Errorf("%d %s", status, body)
	}
}

// Whatever is wrong with a request, neither response nor log repeats a secret.
func TestErrorsRepeatNoSecret(t *testing.T) {
	f := setup(t)
	for _, format := range []string{
		`{"issuers":[{"id":"a","audiences":["x"],"keys":{"secrets":[{"id":"s","value":%q,"vlaue":1}]}}]}`,
		`{"issuers":[{"id":"a","audiences":["x"],"keys":{"secrets":[{"id":"s","value":[%q]}]}}]}`,
		`{"issuers":[{"id":"a","audiences":["x"],"keys":{"secrets":%q}}]}`,
		`{"issuers":[{"id":"a","keys":{"secrets":[{"id":"s","value":%q}]}}]}`,
		`{"issuers":[{"id":"a","audiences":["x"],"keys":{"secrets":[{"id":"s","value":%q}]}}`,
		`{"issuers":[{"id":"a","audiences":["x"],"keys":{"jwksURL":"https://a.example","secrets":[{"id":"s","value":%q}]}}]}`,
		`%q`,
	} {
		status, body := f.send(t, "POST", "/v1/manifest:apply", fmt.Sprintf(format, secret), nil)
		if status < 400 || strings.Contains(body, secret) || strings.Contains(f.log.String(), secret) {
			t.Errorf("%s: %d %s", format, status, body)
		}
	}
}

func TestResponsesContainNoSecret(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	generated, err := f.RotateSecret(t.Context(), "backend")
	must(t, err)
	m := manifest()
	m.Issuers[1].Keys.Secrets[0].Value += "!"
	all := fmt.Sprint(m)
	if !strings.Contains(all, secret) {
		t.Fatal("the test looks for nothing")
	}
	for _, path := range []string{"/v1/issuers", "/v1/issuers/legacy", "/v1/issuers/legacy/keys", "/v1/clients", "/v1/clients/backend", "/v1/clients/backend/secrets", "/v1/keys"} {
		status, body := f.send(t, "GET", path, "", nil)
		for _, bad := range []string{secret, generated.Secret, `"mac"`, `"sealed"`, `"value"`, "private"} {
			if status != 200 || strings.Contains(body, bad) {
				t.Errorf("%s: %d, has %s: %s", path, status, bad, body)
			}
		}
	}
	plan, err := f.Plan(t.Context(), m, false)
	must(t, err)
	if text := fmt.Sprint(plan); strings.Contains(text, secret) || !strings.Contains(text, "secrets") {
		t.Errorf("plan: %s", text)
	}
}

// Registrations as the API returns them can be applied again and change nothing.
func TestApplyingWhatIsListedChangesNothing(t *testing.T) {
	f := setup(t)
	f.apply(t, manifest())
	issuers, err := f.Issuers(t.Context())
	must(t, err)
	clients, err := f.Clients(t.Context())
	must(t, err)
	plan, err := f.Apply(t.Context(), exchange.Manifest{Issuers: issuers, Clients: clients}, true)
	must(t, err)
	if strings.Count(actions(plan), "unchanged") != 4 {
		t.Errorf("%s", actions(plan))
	}
}
