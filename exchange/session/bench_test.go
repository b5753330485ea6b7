package session

import (
	"context"
	"strings"
	"testing"
	"time"

	"cambio/jwks/strictjson"
	"cambio/keys"
	"cambio/storage/bolt"
)

func benchWorld(b *testing.B, sync bool) *world {
	b.Helper()
	w := newWorld(b)
	if sync {
		w.close()
		e, err := bolt.Open(w.path, bolt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { e.Close() })
		ring, err := keys.Open(b.Context(), e, keys.Config{KEK: []byte(strings.Repeat("\a", 32)), Now: func() time.Time { return start }})
		if err != nil {
			b.Fatal(err)
		}
		w.Store = New(e, ring, Config{Issuer: issuer})
	}
	return w
}

func BenchmarkClaims(b *testing.B) {
	t := fullToken(start)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := appendAccess(make(strictjson.Buffer, 0, 1024).Begin(), t); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClaimsPlain(b *testing.B) {
	t := aToken(start)
	t.Issuer, t.ID, t.Origin = issuer, newTokenID(), originOf(aSession(start))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := appendAccess(make(strictjson.Buffer, 0, 1024).Begin(), t); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMint(b *testing.B) {
	w := newWorld(b)
	t := aToken(start)
	t.IssuedAt, t.Origin = start, originOf(aSession(start))
	b.ReportAllocs()
	for b.Loop() {
		t.ID = ""
		if _, err := w.Sign(t); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for _, tt := range []struct {
		name       string
		keep, sync bool
	}{{"stateless", false, false}, {"stored-nosync", true, false}, {"stored-sync", true, true}} {
		w := benchWorld(b, tt.sync)
		run := func() error {
			_, err := w.Create(context.Background(), aSession(start), aToken(start), idle, tt.keep, start)
			return err
		}
		b.Run(tt.name, func(b *testing.B) { each(b, run) })
		b.Run(tt.name+"-parallel", func(b *testing.B) { parallel(b, run) })
	}
}

func BenchmarkRefresh(b *testing.B) {
	for _, sync := range []bool{false, true} {
		w := benchWorld(b, sync)
		run := func() error {
			_, tokens := w.start(start)
			_, err := w.refresh(tokens.RefreshToken, start)
			return err
		}
		name := map[bool]string{false: "create+rotate-nosync", true: "create+rotate-sync"}[sync]
		b.Run(name, func(b *testing.B) { each(b, run) })
		b.Run(name+"-parallel", func(b *testing.B) { parallel(b, run) })
	}
	w := newWorld(b)
	_, tokens := w.start(start)
	b.Run("rotate-nosync", func(b *testing.B) {
		each(b, func() (err error) { tokens, err = w.refresh(tokens.RefreshToken, start); return err })
	})
	_, tokens = w.start(start)
	if _, err := w.refresh(tokens.RefreshToken, start); err != nil {
		b.Fatal(err)
	}
	b.Run("repeated", func(b *testing.B) {
		each(b, func() error { _, err := w.refresh(tokens.RefreshToken, start); return err })
	})
}

func BenchmarkParse(b *testing.B) {
	w := newWorld(b)
	_, tokens := w.start(start)
	for name, token := range map[string]string{"session": tokens.AccessToken, "stateless": w.stateless(start)} {
		b.Run(name, func(b *testing.B) {
			each(b, func() error { _, err := w.Parse(context.Background(), token, start); return err })
		})
	}
}

func each(b *testing.B, run func() error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
}

func parallel(b *testing.B, run func() error) {
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := run(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
