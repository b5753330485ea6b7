package session

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cambio/exchange"
	"cambio/storage"
)

var _ storage.RecordWriter = (*record)(nil)

// A record is read as the same value whether it or encoding/json wrote it. An
// empty list may be read as nil.
func TestRecordReadsAsWritten(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, r record) {
		own, err := r.AppendRecord(nil)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		plain, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		var got, want record
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatalf("%s: %v", plain, err)
		}
		if err := json.Unmarshal(own, &got); err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%s reads as %+v, %v\n%s", own, got, err, cmp.Diff(want, got))
		}
	}
	check(t, record{})
	check(t, fullRecord(t))
	rapid.Check(t, func(t *rapid.T) { check(t, drawRecord(t)) })
}

// fullRecord has a value in each member.
func fullRecord(t *testing.T) record {
	now := time.Date(2026, 11, 26, 3, 4, 5, 678, time.UTC)
	full := fullToken(now)
	s := exchange.Session{
		ID: "id", User: "user", Client: "client", Issuer: "issuer", Subject: `"<ſ\`, Proof: "proof", Key: "key",
		Rules: []string{"rule"}, Scopes: []string{"a", "b"}, Audience: []string{"api"}, Claims: full.Extra,
		AuthTime: 1, ACR: "acr", AMR: []string{"pwd"}, Actor: full.Actor, Details: full.Details, JKT: "jkt",
		ActorProof: &exchange.ActorProof{Issuer: "issuer", Subject: "bot", Key: "key", Claims: full.Extra},
		Created:    now, NotAfter: now.Add(time.Hour),
	}
	for v, i := reflect.ValueOf(s), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("nothing in %s", v.Type().Field(i).Name)
		}
	}
	return record{s, rotation{math.MaxUint64, now.Add(time.Second), now.Add(time.Minute)}, math.MaxInt64}
}

func drawRecord(t *rapid.T) record {
	text := rapid.String()
	texts := rapid.Map(rapid.SliceOfN(text, 0, 3), func(s []string) []string {
		if len(s) == 0 {
			return nil
		}
		return s
	})
	when := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	claims, _ := drawClaim(3).Filter(func(v any) bool { _, ok := v.(map[string]any); return ok }).Draw(t, "claims").(map[string]any)
	return record{
		exchange.Session{
			ID: text.Draw(t, "id"), Subject: text.Draw(t, "subject"), Rules: texts.Draw(t, "rules"), Audience: texts.Draw(t, "audience"),
			Claims: claims, AuthTime: rapid.Int64().Draw(t, "authTime"), Created: when.Draw(t, "created"), NotAfter: when.Draw(t, "notAfter"),
		},
		rotation{rapid.Uint64().Draw(t, "generation"), when.Draw(t, "turned"), when.Draw(t, "idleUntil")},
		uint64(rapid.Int64Range(0, math.MaxInt64).Draw(t, "order")),
	}
}

// drawClaim draws a value as package subject reads it from JSON.
func drawClaim(depth int) *rapid.Generator[any] {
	some := []*rapid.Generator[any]{
		rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil), rapid.Just[any](1.5),
	}
	if depth > 0 {
		inner := drawClaim(depth - 1)
		some = append(some, rapid.SliceOfN(inner, 0, 3).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 3).AsAny())
	}
	return rapid.OneOf(some...)
}

func TestUnwritableRecordIsNotStored(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*exchange.Session){
		"claim": func(s *exchange.Session) { s.Claims = map[string]any{"n": math.NaN()} },
		"time":  func(s *exchange.Session) { s.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		s := aSession(start)
		spoil(s)
		if _, err := w.Create(t.Context(), s, aToken(start), idle, true, start); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for row, err := range w.sessions.Scan(t.Context(), "", "", 0) {
		t.Errorf("stored %+v, %v", row, err)
	}
}
