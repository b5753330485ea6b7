package registry_test

import (
	"fmt"
	"testing"

	"cambio/exchange"
	"cambio/exchange/registry"
)

// many returns a manifest of n issuers with a client each.
func many(n int) (m exchange.Manifest) {
	for k := range n {
		id := fmt.Sprintf("issuer-%05d", k)
		m.Issuers = append(m.Issuers, issuer(id))
		m.Clients = append(m.Clients, client("client-"+id, id))
	}
	return m
}

func TestOneChangeAmongTenThousandCompilesOne(t *testing.T) {
	const n = 10_000
	w := newWorld(t)
	m := many(n)
	m.Clients = m.Clients[:100]
	w.apply(t, m, false)
	before, compiled := w.Snapshot(), w.compiled()
	m.Issuers[n/2].Scopes = []string{"read"}
	if plan := w.apply(t, m, true); len(plan) != n+100 || !plan.Changes() {
		t.Fatalf("%d changes", len(plan))
	}
	if got := w.compiled() - compiled; got != 1 {
		t.Errorf("%d registrations were compiled, want 1", got)
	}
	after := w.Snapshot()
	for k, i := range m.Issuers {
		if same := before.Issuer(i.ID) == after.Issuer(i.ID); same != (k != n/2) {
			t.Fatalf("issuer %s: same value %v", i.ID, same)
		}
	}
	w.reopen(t)
	if s := w.Snapshot(); s.Issuer(m.Issuers[n/2].ID).Issuer.Scopes[0] != "read" || s.Issuer(m.Issuers[n-1].ID) == nil {
		t.Error("the store differs")
	}
}

func TestLookupsAllocateNothing(t *testing.T) {
	w := newWorld(t)
	m := many(100)
	w.apply(t, m, false)
	if n := testing.AllocsPerRun(100, func() { lookup(w.Registry, m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// lookup reads what a request needs from the snapshot.
func lookup(r *registry.Registry, m exchange.Manifest) bool {
	s := r.Snapshot()
	c := s.Client(m.Clients[len(m.Clients)-1].ID)
	i := s.IssuerByURL(m.Issuers[len(m.Issuers)-1].URL)
	return c != nil && i != nil
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		w, m := newWorld(b), many(n)
		w.apply(b, m, false)
		b.Run(fmt.Sprintf("issuers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if !lookup(w.Registry, m) {
						b.Error("not found")
					}
				}
			})
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	w := newWorld(b)
	w.apply(b, many(10_000), false)
	for b.Loop() {
		w.another(b)
	}
}

// BenchmarkApplyOne changes one issuer of ten thousand, declared alone and
// together with all others.
func BenchmarkApplyOne(b *testing.B) {
	m := many(10_000)
	w := newWorld(b)
	w.apply(b, m, false)
	n := 0
	for name, declared := range map[string]exchange.Manifest{"alone": {Issuers: m.Issuers[:1]}, "among all": m} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n++
				declared.Issuers[0].Scopes = []string{fmt.Sprintf("s%d", n)}
				w.apply(b, declared, false)
			}
		})
	}
}

func BenchmarkCheckSecret(b *testing.B) {
	w := newWorld(b)
	w.apply(b, manifest(confidential("c")), false)
	_, secret, err := w.NewSecret(b.Context(), "c", noon)
	if err != nil {
		b.Fatal(err)
	}
	c := w.Snapshot().Client("c").Client
	b.ReportAllocs()
	for b.Loop() {
		if w.CheckSecret(c, secret, noon) == "" {
			b.Fatal("refused")
		}
	}
}
