package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

func TestApply(t *testing.T) {
	longer := func(i *exchange.Issuer) { i.Audiences = []string{"app", "other"} }
	start := manifest(issuer("a"), issuer("b"), client("c", "a"))
	for _, row := range []struct {
		name  string
		m     exchange.Manifest
		prune bool
		want  string
	}{
		{"the same", start, false, "unchanged issuer a, unchanged issuer b, unchanged client c"},
		{"the same, pruned", start, true, "unchanged issuer a, unchanged issuer b, unchanged client c"},
		{"one changed", manifest(issuer("a", longer), issuer("b")), false, "change issuer a, unchanged issuer b"},
		{"one added", manifest(issuer("d")), false, "add issuer d"},
		{"a client of a registered issuer", manifest(client("d", "b")), false, "add client d"},
		{"one left out, pruned", manifest(issuer("a"), client("c", "a")), true, "unchanged issuer a, unchanged client c, remove issuer b"},
		{"nothing", manifest(), false, ""},
		{"nothing, pruned", manifest(), true, "remove issuer a, remove issuer b, remove client c"},
		{"a removed issuer's URL for another", manifest(issuer("d", func(i *exchange.Issuer) { i.URL = issuer("b").URL })), true,
			"add issuer d, remove issuer a, remove issuer b, remove client c"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t, start, false)
			planned, problems, err := w.Plan(t.Context(), row.m, row.prune, noon)
			if err != nil || len(problems) > 0 || short(planned) != row.want {
				t.Fatalf("planned %q %v %v\nwant %q", short(planned), problems, err, row.want)
			}
			if n := w.open(); n != 3 {
				t.Errorf("planning left %d key sets open, want 3", n)
			}
			if got := short(w.apply(t, row.m, row.prune)); got != row.want {
				t.Errorf("did %q\nwant %q", got, row.want)
			}
			before, bytes := w.Snapshot(), stored(t, w.engine)
			if again := w.apply(t, row.m, row.prune); again.Changes() || w.Snapshot() != before || stored(t, w.engine) != bytes {
				t.Errorf("applying again did %q", short(again))
			}
			w.checkReopened(t)
		})
	}
}

// checkReopened checks that the store and the Snapshot agree.
func (w *world) checkReopened(t *testing.T) {
	t.Helper()
	before := w.Snapshot()
	w.reopen(t)
	after := w.Snapshot()
	if b, a := fmt.Sprint(before.Manifest(), before.Revision(), before.Origins()), fmt.Sprint(after.Manifest(), after.Revision(), after.Origins()); a != b {
		t.Errorf("after reopening there is\n%s\nwant\n%s", a, b)
	}
}

func TestInvalidManifestChangesNothing(t *testing.T) {
	bad := func(i *exchange.Issuer) {
		i.ClaimValidationRules = []exchange.ClaimValidationRule{{Claim: "x", RequiredValue: "y"}, {Expression: "bad"}}
	}
	url := func(u string) func(*exchange.Issuer) { return func(i *exchange.Issuer) { i.URL = u } }
	named := func(c exchange.Client) exchange.Client { c.Name = "bad"; return c }
	for _, row := range []struct {
		name  string
		m     exchange.Manifest
		prune bool
		path  string
	}{
		{"a condition that does not compile", manifest(issuer("d"), issuer("e", bad)), false, "$.issuers[1].claimValidationRules[1].expression"},
		{"a client that does not compile", manifest(issuer("d"), named(client("e"))), false, "$.clients[0].name"},
		{"invalid by itself", manifest(issuer("d", func(i *exchange.Issuer) { i.Audiences = nil })), false, "$.issuers[0].audiences"},
		{"another URL for an ID", manifest(issuer("a", url("https://evil.example.com"))), false, "$.issuers[0].url"},
		{"another URL for a removed ID", manifest(issuer("removed", url("https://evil.example.com"))), false, "$.issuers[0].url"},
		{"a registered issuer's URL", manifest(issuer("d"), issuer("e", url(issuer("a").URL))), false, "$.issuers[1].url"},
		{"two of a URL", manifest(issuer("d"), issuer("e", url(issuer("d").URL))), false, "$.issuers[1].url"},
		{"two of an ID", manifest(issuer("d"), issuer("d", url("https://e.example.com"))), false, "$.issuers[1].id"},
		{"a client of an unknown issuer", manifest(client("d", "a"), client("e", "a", "z")), false, "$.clients[1].issuers[1]"},
		{"a client of a removed issuer", manifest(client("d", "removed")), false, "$.clients[0].issuers[0]"},
		{"a client of a pruned issuer", manifest(client("d", "a")), true, "$.clients[0].issuers[0]"},
		{"a sealed secret", manifest(issuer("d", func(i *exchange.Issuer) {
			i.Keys.Secrets = []exchange.SharedSecret{{ID: "s", Value: strings.Repeat("v", 32), Sealed: []byte("x")}}
		})), false, "$.issuers[0].keys.secrets[0].sealed"},
		{"a secret that is not stored", manifest(issuer("a", func(i *exchange.Issuer) {
			i.Keys.Secrets = []exchange.SharedSecret{{ID: "s"}}
		})), false, "$.issuers[0].keys.secrets[0].value"},
		{"a client secret", manifest(exchange.Client{
			ID: "d", Auth: exchange.AuthSecretBasic, Audiences: []string{"api"}, Secrets: []exchange.ClientSecret{{ID: "s", MAC: []byte("x")}},
		}), false, "$.clients[0].secrets[0].mac"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(t, manifest(issuer("a"), issuer("removed"), client("c", "a")), false)
			if err := w.Remove(t.Context(), registry.KindIssuer, "removed", noon); err != nil {
				t.Fatal(err)
			}
			before, bytes, open := w.Snapshot(), stored(t, w.engine), w.open()
			plan, problems, err := w.Apply(t.Context(), row.m, row.prune, noon, nil)
			if err != nil || plan != nil || len(problems) != 1 || problems[0].Path != row.path {
				t.Errorf("got %q %v %v\nwant a problem at %s", short(plan), problems, err, row.path)
			}
			if w.Snapshot() != before || stored(t, w.engine) != bytes || w.open() != open {
				t.Error("a refused manifest changed something")
			}
		})
	}
}

func TestApplyReportsAllProblems(t *testing.T) {
	w := newWorld(t)
	m := manifest(
		issuer("a", func(i *exchange.Issuer) { i.Audiences = nil }),
		issuer("b", func(i *exchange.Issuer) { i.ClaimValidationRules = []exchange.ClaimValidationRule{{Expression: "bad"}} }),
		client("c", "unknown"),
	)
	_, problems, err := w.Apply(t.Context(), m, false, noon, nil)
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	slices.Sort(paths)
	want := []string{"$.clients[0].issuers[0]", "$.issuers[0].audiences", "$.issuers[1].claimValidationRules[0].expression"}
	if err != nil || !slices.Equal(paths, want) {
		t.Errorf("got %q %v, want %q", paths, err, want)
	}
}

func TestUnchangedRegistrationsAreNotCompiledAgain(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b"), client("c", "a")), false)
	before, compiled := w.Snapshot(), w.compiled()
	w.apply(t, manifest(issuer("a", func(i *exchange.Issuer) { i.Scopes = []string{"read"} }), issuer("b"), client("c", "a")), false)
	after := w.Snapshot()
	if after.Issuer("b") != before.Issuer("b") || after.Client("c") != before.Client("c") {
		t.Error("an unchanged registration was replaced")
	}
	if w.compiled() != compiled+1 {
		t.Errorf("%d registrations were compiled, want 1", w.compiled()-compiled)
	}
	if before.Issuer("a").Keys.(*keySet).closed.Load() != 1 || after.Issuer("a").Keys.(*keySet).closed.Load() != 0 {
		t.Error("the replaced keys are open, or the new ones closed")
	}
	if len(before.Issuer("a").Issuer.Scopes) != 0 {
		t.Error("a snapshot changed")
	}
}

func TestRemovalIsEffectiveInNextSnapshot(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b"), client("c", "a", "b")), false)
	before := w.Snapshot()
	calls := 0
	w.OnChange(func() {
		if calls++; calls > 1 {
			return
		}
		if w.Snapshot() == before {
			t.Error("the callback came before the change")
		}
		if before.Issuer("a").Keys.(*keySet).closed.Load() != 0 {
			t.Error("keys were closed before the snapshot without them was in place")
		}
	})
	revocation := storage.Write{Table: "revocations", Key: "issuer/a", Value: []byte("now")}
	if err := w.Remove(t.Context(), registry.KindIssuer, "a", noon, revocation); err != nil {
		t.Fatal(err)
	}
	if s := w.Snapshot(); s.Issuer("a") != nil || s.IssuerByURL(issuer("a").URL) != nil || s.Issuer("b") == nil {
		t.Error("the removed issuer can be used, or another one cannot")
	}
	if _, err := w.engine.Get(t.Context(), "revocations", "issuer/a"); err != nil {
		t.Errorf("the caller's write: %v", err)
	}
	if before.Issuer("a").Keys.(*keySet).closed.Load() != 1 || calls != 1 {
		t.Errorf("keys not closed, or %d callbacks instead of 1", calls)
	}
	if err := w.Remove(t.Context(), registry.KindClient, "c", noon); err != nil || w.Snapshot().Client("c") != nil {
		t.Errorf("the removed client can be used: %v", err)
	}
	for _, err := range []error{w.Remove(t.Context(), registry.KindIssuer, "a", noon), w.Remove(t.Context(), registry.KindClient, "c", noon)} {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("removing again: %v", err)
		}
	}
	w.checkReopened(t)
}

func TestIDOfRemovedIssuerStaysBoundToItsURL(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a")), false)
	if err := w.Remove(t.Context(), registry.KindIssuer, "a", noon); err != nil {
		t.Fatal(err)
	}
	w.reopen(t)
	moved := issuer("a", func(i *exchange.Issuer) { i.URL = "https://other.example.com" })
	if _, problems, err := w.Apply(t.Context(), manifest(moved), false, noon, nil); err != nil || len(problems) != 1 {
		t.Errorf("got %v %v, want a problem", problems, err)
	}
	if plan := w.apply(t, manifest(issuer("a")), false); short(plan) != "add issuer a" || w.Snapshot().Issuer("a") == nil {
		t.Errorf("got %s", short(plan))
	}
}

// The record of a removed issuer does not prevent another issuer with its URL, which
// has other users.
func TestURLOfRemovedIssuerIsFree(t *testing.T) {
	for range 8 { // map order is random
		w := newWorld(t)
		w.apply(t, manifest(issuer("a")), false)
		url := w.Snapshot().Issuer("a").Issuer.URL
		w.apply(t, manifest(issuer("b", func(i *exchange.Issuer) { i.URL = url })), true)
		if got := w.Snapshot().IssuerByURL(url); got == nil || got.Issuer.ID != "b" {
			t.Fatalf("found %+v, want issuer b", got)
		}
	}
}

func TestCallersWritesArePartOfTheCommit(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b")), false)
	also := func(p registry.Plan) ([]storage.Write, error) {
		return []storage.Write{{Table: "revocations", Key: short(p), Value: []byte("now")}}, nil
	}
	if _, _, err := w.Apply(t.Context(), manifest(issuer("a")), true, noon, also); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Get(t.Context(), "revocations", "unchanged issuer a, remove issuer b"); err != nil {
		t.Error(err)
	}
	_, _, err := w.Apply(t.Context(), manifest(issuer("a")), true, noon, func(registry.Plan) ([]storage.Write, error) {
		t.Error("also was called for a plan without changes")
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailedCommitChangesNothing(t *testing.T) {
	disk := errors.New("disk on fire")
	taken := []storage.Write{{Table: "revocations", Key: "k", Value: []byte("v"), If: storage.IfEqual, Old: []byte("other")}}
	for _, row := range []struct {
		name  string
		fail  error
		also  []storage.Write
		alsoE error
		want  error
	}{
		{"the engine fails", disk, nil, nil, disk},
		{"the disk is full", storage.ErrFull, nil, nil, storage.ErrFull},
		{"a condition of the caller does not hold", nil, taken, nil, storage.ErrConflict},
		{"the caller fails", nil, nil, disk, disk},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			engine := &failing{Engine: w.engine}
			w.engine = engine
			w.Registry = w.another(t)
			w.apply(t, manifest(issuer("a"), client("c", "a")), false)
			before, bytes, open := w.Snapshot(), stored(t, w.engine), w.open()
			engine.err = row.fail
			m := manifest(issuer("a", func(i *exchange.Issuer) { i.Scopes = []string{"s"} }), issuer("b"))
			_, _, err := w.Apply(t.Context(), m, true, noon, func(registry.Plan) ([]storage.Write, error) { return row.also, row.alsoE })
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if w.Snapshot() != before || stored(t, w.engine) != bytes || w.open() != open {
				t.Error("a failed apply changed something")
			}
			engine.err = nil
			w.apply(t, m, true)
		})
	}
}

func TestConcurrentAppliesDoNotInterleave(t *testing.T) {
	w := newWorld(t)
	nodes := []*registry.Registry{w.Registry, w.another(t)}
	const each = 16
	var wg sync.WaitGroup
	for n, node := range nodes {
		for k := range each {
			wg.Go(func() {
				id := fmt.Sprintf("i%d-%d", n, k)
				all := func(i *exchange.Issuer) { i.Audiences = []string{id} }
				m := manifest(issuer("x", all), issuer("y", all), issuer(id), client(id, id))
				if _, problems, err := node.Apply(t.Context(), m, false, noon, nil); err != nil || len(problems) > 0 {
					t.Errorf("%s: %v %v", id, problems, err)
				}
			})
		}
	}
	wg.Wait()
	for _, node := range nodes {
		if err := node.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := node.Snapshot()
		if s.Revision() != 2*each {
			t.Errorf("revision %d, want %d", s.Revision(), 2*each)
		}
		if x, y := s.Issuer("x").Issuer.Audiences[0], s.Issuer("y").Issuer.Audiences[0]; x != y {
			t.Errorf("x is of %s and y of %s", x, y)
		}
		for n := range nodes {
			for k := range each {
				if id := fmt.Sprintf("i%d-%d", n, k); s.Issuer(id) == nil || s.Client(id) == nil {
					t.Errorf("%s was lost", id)
				}
			}
		}
	}
}
