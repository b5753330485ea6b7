package registry_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"cambio/exchange"
	"cambio/exchange/registry"
	"cambio/storage"
)

func TestReload(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b"), client("c", "a"), client("d", "a")), false)
	other := w.another(t)
	before, calls := other.Snapshot(), 0
	unchanged := before.Issuer("a")
	removed := map[string]exchange.KeySet{"b": before.Issuer("b").Keys, "d": before.Client("d").Keys}
	compiled := w.compiled()
	other.OnChange(func() { calls++ })
	if err := other.Reload(t.Context()); err != nil || other.Snapshot() != before || calls != 0 {
		t.Errorf("reloading an unchanged store did something: %v", err)
	}
	w.apply(t, manifest(issuer("a"), issuer("e"), client("c", "a", "e")), true)
	if err := other.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := other.Snapshot()
	if fmt.Sprint(s.Manifest()) != fmt.Sprint(w.Snapshot().Manifest()) || s.Revision() != 2 || calls != 1 {
		t.Errorf("got revision %d and %d callbacks: %v", s.Revision(), calls, s.Manifest())
	}
	if s.Issuer("a") != unchanged || s.Client("c") == before.Client("c") {
		t.Error("the unchanged issuer was replaced, or the changed client was not")
	}
	if n := w.compiled() - compiled; n != 3 { // e and c where they were applied, c here
		t.Errorf("%d registrations were compiled, want 3", n)
	}
	if s.Issuer("e") == nil || w.compiled() != compiled+4 {
		t.Error("the new issuer was not compiled when it was needed")
	}
	for id, keys := range removed {
		if keys.(*keySet).closed.Load() != 1 {
			t.Errorf("the keys of %s are not closed", id)
		}
	}
}

func TestFaultyRegistrationDoesNotAffectOthers(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b"), client("c", "a"), client("d", "a")), false)
	good := w.cfg
	w.cfg.CompileIssuer = func(i exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem) {
		if i.ID == "a" {
			return nil, []exchange.Problem{{Path: "audiences", Message: "is too long"}}
		}
		return good.CompileIssuer(i)
	}
	w.reopen(t)
	w.Warm(t.Context())
	s := w.Snapshot()
	if s.Issuer("a") != nil || s.IssuerByURL(issuer("a").URL) != nil || s.Issuer("b") == nil {
		t.Error("the faulty issuer can be used, or another one cannot")
	}
	if f := s.Faults(); len(f) != 1 || f[0].Kind != registry.KindIssuer || f[0].ID != "a" || f[0].Problems[0].Path != "audiences" {
		t.Errorf("faults: %v", f)
	}
	w.cfg = good
	w.Registry = w.another(t)
	w.Warm(t.Context())
	if len(w.Snapshot().Faults()) != 0 || w.Snapshot().Issuer("a") == nil {
		t.Error("the fault stayed")
	}
}

func TestOriginsAndOrder(t *testing.T) {
	w := newWorld(t)
	c, d := client("c", "a"), client("d", "a")
	c.Origins = []string{"https://z.example.com", "https://a.example.com"}
	d.Origins = []string{"https://a.example.com"}
	w.apply(t, manifest(issuer("b"), issuer("a"), d, c), false)
	if got := w.Snapshot().Origins(); !slices.Equal(got, []string{"https://a.example.com", "https://z.example.com"}) {
		t.Errorf("origins %q", got)
	}
	var order []string
	m := w.Snapshot().Manifest()
	for _, i := range m.Issuers {
		order = append(order, i.ID)
	}
	for _, c := range m.Clients {
		order = append(order, c.ID)
	}
	if !slices.Equal(order, []string{"a", "b", "c", "d"}) {
		t.Errorf("order %q", order)
	}
	w.apply(t, manifest(d), false)
	if err := w.Remove(t.Context(), registry.KindClient, "c", noon); err != nil || len(w.Snapshot().Origins()) != 1 {
		t.Errorf("the removed client's origin is listed: %v", err)
	}
}

func TestIssuersAreCompiledWhenFirstNeeded(t *testing.T) {
	w := newWorld(t)
	w.apply(t, manifest(issuer("a"), issuer("b"), issuer("c")), false)
	before := w.compiled()
	w.reopen(t)
	s := w.Snapshot()
	var wg sync.WaitGroup
	compiled := make([]*exchange.CompiledIssuer, 64)
	for n := range compiled {
		wg.Go(func() { compiled[n] = s.IssuerByURL(issuer("a").URL) })
	}
	wg.Wait()
	if same := slices.Compact(compiled); len(same) != 1 || same[0] == nil || w.compiled() != before+1 {
		t.Errorf("%d values, %d compiled", len(same), w.compiled()-before)
	}
	if err := w.Remove(t.Context(), registry.KindIssuer, "b", noon); err != nil {
		t.Fatal(err)
	}
	if s.Issuer("b") != nil || w.compiled() != before+1 {
		t.Error("an issuer was compiled after it was removed")
	}
	w.Warm(t.Context())
	w.Warm(t.Context())
	if w.compiled() != before+2 {
		t.Errorf("%d compiled, want a and c", w.compiled()-before)
	}
}

// scanning calls between once, between two scans of a reload.
type scanning struct {
	storage.Engine
	between func()
}

func (s *scanning) Scan(ctx context.Context, table, from, to string, limit int) iter.Seq2[storage.Record, error] {
	if f := s.between; table == "clients" && f != nil {
		s.between = nil
		f()
	}
	return s.Engine.Scan(ctx, table, from, to, limit)
}

func TestReloadReadsOneRevision(t *testing.T) {
	w := newWorld(t)
	engine := &scanning{Engine: w.engine}
	other, err := registry.Open(t.Context(), engine, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	other.OnChange(func() {
		if s := other.Snapshot(); s.Issuer(s.Client("c").Client.Issuers[0]) == nil {
			t.Errorf("revision %d is mixed from two revisions: %v", s.Revision(), s.Manifest())
		}
	})
	w.apply(t, manifest(issuer("a"), client("c", "a")), false)
	engine.between = func() { w.apply(t, manifest(issuer("b"), client("c", "b")), true) }
	if err := other.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if engine.between != nil || other.Snapshot().Revision() != 2 || other.Snapshot().Issuer("b") == nil {
		t.Errorf("reloaded to revision %d, want 2", other.Snapshot().Revision())
	}
}

func TestIssuerWithoutURLIsFoundByIDOnly(t *testing.T) {
	w := newWorld(t)
	app := func(i *exchange.Issuer) {
		i.URL, i.Keys.Secrets = "", []exchange.SharedSecret{{ID: "k", Value: value("a")}}
	}
	w.apply(t, manifest(issuer("a", app), issuer("b", app)), false)
	if s := w.Snapshot(); s.IssuerByURL("") != nil || s.Issuer("a") == nil || s.Issuer("b") == nil {
		t.Error("an issuer without a URL is found by a URL, or not by its ID")
	}
}
