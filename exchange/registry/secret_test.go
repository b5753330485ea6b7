package registry_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

func confidential(id string) exchange.Client {
	c := client(id)
	c.Auth = exchange.AuthSecretBasic
	return c
}

func (w *world) newSecret(t *testing.T, id string, now time.Time) string {
	t.Helper()
	_, secret, err := w.NewSecret(t.Context(), id, now)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// checks returns which of the secrets are valid at a time.
func (w *world) checks(id string, now time.Time, secrets ...string) (valid []bool) {
	c := w.Snapshot().Client(id).Client
	for _, s := range secrets {
		valid = append(valid, w.CheckSecret(c, s, now) != "")
	}
	return valid
}

func TestClientSecretIsRandomAndValidForOneClient(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(confidential("c"), confidential("d")), false)
	secret := w.newSecret(t, "c", noon)
	text, ok := strings.CutPrefix(secret, "ssk_")
	if raw, err := base64.RawURLEncoding.DecodeString(text); !ok || err != nil || len(raw) != 32 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	other := w.newSecret(t, "d", noon)
	if got := w.checks("c", noon, secret, other, "", secret+"x", secret[:len(secret)-1]); !slices.Equal(got, []bool{true, false, false, false, false}) {
		t.Errorf("client c: %v", got)
	}
	// The record of one client is not valid for another either.
	moved := *w.Snapshot().Client("d").Client
	moved.Secrets = w.Snapshot().Client("c").Client.Secrets
	if w.CheckSecret(&moved, secret, noon) != "" {
		t.Error("a secret is valid for another client that has its MAC")
	}
	w.reopen(t)
	if got := w.checks("d", noon, secret, other); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("client d: %v", got)
	}
}

func TestClientSecretRotation(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(confidential("c")), false)
	keys := w.Snapshot().Client("c").Keys
	first := w.newSecret(t, "c", noon)
	second := w.newSecret(t, "c", noon.Add(time.Hour))
	end := noon.Add(25 * time.Hour)
	for _, row := range []struct {
		at   time.Time
		want []bool
	}{
		{noon.Add(time.Hour), []bool{true, true}},
		{end.Add(-time.Nanosecond), []bool{true, true}},
		{end, []bool{false, true}},
		{end.AddDate(10, 0, 0), []bool{false, true}},
	} {
		if got := w.checks("c", row.at, first, second); !slices.Equal(got, row.want) {
			t.Errorf("at %v: %v, want %v", row.at, got, row.want)
		}
	}
	third := w.newSecret(t, "c", noon.Add(2*time.Hour))
	if got := w.checks("c", noon.Add(2*time.Hour), first, second, third); !slices.Equal(got, []bool{false, true, true}) {
		t.Errorf("after the third: %v", got)
	}
	p := w.Snapshot().Client("c")
	if !slices.Equal(p.SecretNetworks, anywhere) {
		t.Error("a new secret lost the compiled client")
	}
	if p.Keys != keys || p.Keys.(*keySet).closed.Load() != 0 {
		t.Error("a new secret replaced or closed the client's keys")
	}
}

func TestRevokedSecretStopsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(confidential("c")), false)
	first, second := w.newSecret(t, "c", noon), w.newSecret(t, "c", noon)
	id := w.Snapshot().Client("c").Client.Secrets[1].ID
	if err := w.RevokeSecret(t.Context(), "c", id, noon); err != nil {
		t.Fatal(err)
	}
	if got := w.checks("c", noon, first, second); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("after revoking: %v", got)
	}
	for _, err := range []error{w.RevokeSecret(t.Context(), "c", id, noon), w.RevokeSecret(t.Context(), "z", id, noon)} {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("revoking an unknown secret: %v", err)
		}
	}
}

func TestOnlyClientsThatAuthenticateBySecretHaveSecrets(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(confidential("c"), client("public")), false)
	if _, s, err := w.NewSecret(t.Context(), "public", noon); err == nil || s != "" {
		t.Errorf("a public client got a secret: %v", err)
	}
	if _, _, err := w.NewSecret(t.Context(), "z", noon); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown client: %v", err)
	}
	secret := w.newSecret(t, "c", noon)
	renamed := confidential("c")
	renamed.Name = "Another name"
	w.apply(t, manifest(renamed), false)
	if got := w.checks("c", noon, secret); !got[0] {
		t.Error("applying a change lost the secret")
	}
	w.apply(t, manifest(client("c")), false)
	w.apply(t, manifest(renamed), false)
	if got := w.checks("c", noon, secret); got[0] {
		t.Error("the secret is valid again after the client was public")
	}
}

func withSecrets(secrets ...exchange.SharedSecret) func(*exchange.Issuer) {
	return func(i *exchange.Issuer) { i.Keys.Secrets = secrets }
}

func value(c string) string { return strings.Repeat(c, 40) }

func TestSharedSecrets(t *testing.T) {
	named := func(id, c string) exchange.SharedSecret { return exchange.SharedSecret{ID: id, Value: value(c)} }
	for _, row := range []struct {
		name     string
		from, to []exchange.SharedSecret
		action   registry.Action
		diff     []string
		revoked  int
	}{
		{"the same", []exchange.SharedSecret{named("k", "a")}, []exchange.SharedSecret{named("k", "a")}, registry.Unchanged, nil, 0},
		{"the same without an ID", []exchange.SharedSecret{{Value: value("a")}}, []exchange.SharedSecret{{Value: value("a")}}, registry.Unchanged, nil, 0},
		{"only its ID", []exchange.SharedSecret{named("k", "a")}, []exchange.SharedSecret{{ID: "k"}}, registry.Unchanged, nil, 0},
		{"another value", []exchange.SharedSecret{named("k", "a")}, []exchange.SharedSecret{named("k", "b")}, registry.Edit,
			[]string{"~ keys.secrets[0].value: \"(secret)\" → \"(another secret)\""}, 1},
		{"a second", []exchange.SharedSecret{named("k", "a")}, []exchange.SharedSecret{{ID: "k"}, named("l", "b")}, registry.Edit,
			[]string{"+ keys.secrets[1].id: \"l\"", "+ keys.secrets[1].value: \"(secret)\""}, 0},
		{"the first removed", []exchange.SharedSecret{named("k", "a"), named("l", "b")}, []exchange.SharedSecret{{ID: "l"}}, registry.Edit,
			[]string{"~ keys.secrets[0].id: \"k\" → \"l\"", "~ keys.secrets[0].value: \"(secret)\" → \"(another secret)\"",
				"- keys.secrets[1].id: \"l\"", "- keys.secrets[1].value: \"(secret)\""}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t, manifest(issuer("a", withSecrets(row.from...))), false)
			plan := w.apply(t, manifest(issuer("a", withSecrets(row.to...))), false)
			if got := plan[0]; got.Action != row.action || !slices.Equal(got.Diff, row.diff) || len(got.RevokedKeys) != row.revoked {
				t.Errorf("got %s %q, revoked %q\nwant %s %q, %d revoked", got.Action, got.Diff, got.RevokedKeys, row.action, row.diff, row.revoked)
			}
			if again := w.apply(t, w.Snapshot().Manifest(), true); again.Changes() {
				t.Errorf("applying the registered manifest changes %v", again)
			}
			want := row.to[0].Value
			if want == "" {
				i := slices.IndexFunc(row.from, func(s exchange.SharedSecret) bool { return s.ID == row.to[0].ID })
				want = row.from[i].Value
			}
			w.reopen(t)
			if got := w.Snapshot().Issuer("a").Keys.(*keySet).plain; got != want {
				t.Error("the compiler did not get the secret")
			}
		})
	}
}

// Of several sources, each keeps its secrets as one source does.
func TestSharedSecretsOfSources(t *testing.T) {
	w := newWorld(t)
	sources := func(secrets ...exchange.SharedSecret) exchange.Manifest {
		return manifest(issuer("a", func(i *exchange.Issuer) {
			i.Keys = exchange.Keys{Sources: []exchange.Keys{{Secrets: secrets, Algorithms: []string{"HS256"}}, {PEM: "x", Algorithms: []string{"ES256"}}}}
		}))
	}
	declared := sources(exchange.SharedSecret{ID: "k", Value: value("a")})
	w.apply(t, declared, false)
	if got := declared.Issuers[0].Keys.Sources[0].Secrets[0]; got.Value != value("a") || got.Sealed != nil {
		t.Error("applying changed the caller's manifest")
	}
	if s := w.Snapshot().Issuer("a").Issuer.Keys.Sources[0].Secrets[0]; s.Value != "" || len(s.Sealed) == 0 {
		t.Error("the snapshot's issuer has a plain secret, or none")
	}
	if again := w.apply(t, w.Snapshot().Manifest(), true); again.Changes() {
		t.Errorf("applying the registered manifest changes %v", again)
	}
	plan := w.apply(t, sources(exchange.SharedSecret{ID: "k", Value: value("b")}), false)
	if got := plan[0]; len(got.RevokedKeys) != 1 || strings.Contains(fmt.Sprint(plan), value("b")) || len(got.Diff) != 1 {
		t.Errorf("another value: %+v", got)
	}
	file, err := os.ReadFile(w.path)
	if err != nil || strings.Contains(string(file), value("a")) || strings.Contains(string(file), value("b")) {
		t.Errorf("the file contains a secret: %v", err)
	}
}

func TestSecretsAreNeitherStoredNorShown(t *testing.T) {
	w := newWorld(t)
	hmac := "an-hmac-secret-that-must-never-be-shown-again"
	m := manifest(issuer("a", withSecrets(exchange.SharedSecret{ID: "k", Value: hmac})), confidential("c"))
	planned, _, err := w.Plan(t.Context(), m, false, noon)
	if err != nil {
		t.Fatal(err)
	}
	applied := w.apply(t, m, false)
	secret := w.newSecret(t, "c", noon)
	changed := w.apply(t, manifest(issuer("a", withSecrets(exchange.SharedSecret{ID: "k", Value: hmac + "2"}))), false)
	removed := w.apply(t, manifest(), true)
	s := w.Snapshot()
	shown := fmt.Sprint(planned, applied, changed, removed, s.Manifest())
	if err := w.engine.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(secret[len("ssk_"):])
	for name, hidden := range map[string]string{
		"HMAC secret": hmac, "HMAC secret in base64": base64.StdEncoding.EncodeToString([]byte(hmac))[:40],
		"client secret": secret[len("ssk_"):], "client secret's bytes": string(raw), "client secret's bytes in base64": base64.StdEncoding.EncodeToString(raw),
	} {
		if strings.Contains(string(file), hidden) {
			t.Errorf("the file contains the %s", name)
		}
		if strings.Contains(shown, hidden) {
			t.Errorf("a plan or manifest contains the %s", name)
		}
	}
	if m.Issuers[0].Keys.Secrets[0].Value != hmac || m.Issuers[0].Keys.Secrets[0].Sealed != nil {
		t.Error("applying changed the caller's manifest")
	}
}

func TestSnapshotHoldsNoPlainSecret(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a", withSecrets(exchange.SharedSecret{ID: "k", Value: value("a")}))), false)
	if s := w.Snapshot().Issuer("a").Issuer.Keys.Secrets[0]; s.Value != "" || len(s.Sealed) == 0 {
		t.Error("the snapshot's issuer has a plain secret")
	}
	if s := w.Snapshot().Manifest().Issuers[0].Keys.Secrets[0]; s.Value != "" || s.Sealed != nil || s.ID != "k" {
		t.Error("the manifest to show has more than the ID of a secret")
	}
}

func TestAnotherSealingKeyIsAFault(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a", withSecrets(exchange.SharedSecret{ID: "k", Value: value("a")})), issuer("b")), false)
	s := newSealer(t)
	w.cfg.Seal, w.cfg.Unseal = s.seal, s.unseal
	w.reopen(t)
	w.Warm(t.Context())
	if w.Snapshot().Issuer("a") != nil || w.Snapshot().Issuer("b") == nil || len(w.Snapshot().Faults()) != 1 {
		t.Errorf("faults: %v", w.Snapshot().Faults())
	}
	w.apply(t, manifest(issuer("a", withSecrets(exchange.SharedSecret{ID: "k", Value: value("a")}))), false)
	if w.Snapshot().Issuer("a") == nil || len(w.Snapshot().Faults()) != 0 {
		t.Error("declaring the secret again did not repair it")
	}
}

func TestLongValuesAreBriefInPlans(t *testing.T) {
	w := newWorld(t)
	pem := func(end string) func(*exchange.Issuer) {
		return func(i *exchange.Issuer) { i.Keys.PEM = strings.Repeat("p", 5000) + end }
	}
	w.apply(t, manifest(issuer("a", pem("1"))), false)
	plan := w.apply(t, manifest(issuer("a", pem("2"))), false)
	if d := plan[0].Diff; len(d) != 1 || len(d[0]) > 400 || !strings.Contains(d[0], "5003 bytes") {
		t.Errorf("got %q", d)
	}
}

// Each row is a client that is removed at noon and registered again.
func TestSecretsOfRemovedClientComeBackWithinADay(t *testing.T) {
	public := client("c")
	public.Auth = exchange.AuthNone
	other := confidential("other")
	for _, row := range []struct {
		name   string
		before func(t *testing.T, w *world, id string) // removal
		again  exchange.Client
		after  time.Duration
		valid  bool
	}{
		{"at once", nil, confidential("c"), 0, true},
		{"within a day", nil, confidential("c"), 24*time.Hour - time.Second, true},
		{"after a day", nil, confidential("c"), 24 * time.Hour, false},
		{"as a public client", nil, public, time.Hour, false},
		{"another client", nil, other, time.Hour, false},
		{"with a revoked secret", func(t *testing.T, w *world, id string) {
			if err := w.RevokeSecret(t.Context(), "c", id, noon); err != nil {
				t.Fatal(err)
			}
		}, confidential("c"), time.Hour, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t, manifest(confidential("c")), false)
			id, secret, err := w.NewSecret(t.Context(), "c", noon)
			if err != nil {
				t.Fatal(err)
			}
			if row.before != nil {
				row.before(t, w, id)
			}
			if err := w.Remove(t.Context(), registry.KindClient, "c", noon); err != nil {
				t.Fatal(err)
			}
			if s := w.Snapshot(); s.Client("c") != nil || len(s.Manifest().Clients) != 0 {
				t.Error("the removed client is registered")
			}
			if _, _, err := w.NewSecret(t.Context(), "c", noon); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("a secret of a removed client: %v", err)
			}
			w.reopen(t)
			now := noon.Add(row.after)
			if _, problems, err := w.Apply(t.Context(), manifest(row.again), false, now, nil); err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			c := w.Snapshot().Client(row.again.ID)
			if got := w.CheckSecret(c.Client, secret, now) != ""; got != row.valid {
				t.Errorf("the secret is valid: %v, want %v", got, row.valid)
			}
			w.checkReopened(t)
		})
	}
}

func TestRemovesMost(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b"), client("c"), client("d"), client("e")), false)
	for _, row := range []struct {
		name string
		m    exchange.Manifest
		kind registry.Kind
	}{
		{"nothing", manifest(issuer("a"), issuer("b"), client("c"), client("d"), client("e")), ""},
		{"half of the issuers", manifest(issuer("a"), client("c"), client("d"), client("e")), ""},
		{"all issuers", manifest(client("c"), client("d"), client("e")), registry.KindIssuer},
		{"all issuers, replaced by others", manifest(issuer("x"), issuer("y"), client("c"), client("d"), client("e")), registry.KindIssuer},
		{"a third of the clients", manifest(issuer("a"), issuer("b"), client("c"), client("d")), ""},
		{"two thirds of the clients", manifest(issuer("a"), issuer("b"), client("c")), registry.KindClient},
		{"everything", manifest(), registry.KindIssuer},
	} {
		plan, problems, err := w.Plan(t.Context(), row.m, true, noon)
		if err != nil || len(problems) > 0 {
			t.Fatal(row.name, err, problems)
		}
		if kind, removed, of := plan.RemovesMost(); kind != row.kind {
			t.Errorf("%s: %q, %d of %d", row.name, kind, removed, of)
		}
	}
}
