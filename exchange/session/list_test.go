package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/storage"
)

func TestList(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for i := range 10 {
		now := start.Add(time.Duration(i) * time.Minute)
		s := aSession(now)
		s.User, s.Client = []string{"even", "odd"}[i%2], []string{"a", "b", "c"}[i%3]
		if _, err := w.Create(t.Context(), s, aToken(now), idle, true, now); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationSession, ID: ids[4], Time: start}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		filter Filter
		want   []int
	}{
		{"all", Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"in pages", Filter{Limit: 3}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"a user's", Filter{User: "odd"}, []int{1, 3, 5, 7, 9}},
		{"a user's at a client, in pages", Filter{User: "even", Client: "b", Limit: 1}, []int{4}},
		{"an issuer's", Filter{Issuer: "acme", Limit: 9}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"another issuer's", Filter{Issuer: "other"}, nil},
	}
	for _, tt := range tests {
		var got []string
		for pages := 0; pages < 20; pages++ {
			page, next, err := w.List(t.Context(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			if tt.filter.Limit > 0 && len(page) > tt.filter.Limit {
				t.Errorf("%s: a page of %d", tt.name, len(page))
			}
			for _, i := range page {
				got = append(got, i.ID)
				if i.Ended != (i.ID == ids[4]) {
					t.Errorf("%s: session %s ended: %v", tt.name, i.ID, i.Ended)
				}
			}
			if tt.filter.From = next; next == "" {
				break
			}
		}
		var want []string
		for _, i := range tt.want {
			want = append(want, ids[i])
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	now := start.Add(time.Hour)
	if _, err := w.refresh(tokens.RefreshToken, now); err != nil {
		t.Fatal(err)
	}
	got, err := w.Find(t.Context(), s.ID)
	want := Info{*s, Status{Refreshed: now, Expires: now.Add(idle)}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	b, err := json.Marshal(got)
	var back Info
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if d := cmp.Diff(got, back); err != nil || d != "" {
		t.Errorf("through JSON: %v %s", err, d)
	}
	if _, err := w.Find(t.Context(), "none"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestSweep(t *testing.T) {
	w := newWorld(t)
	const day = 24 * time.Hour
	end := func(m exchange.Revocation) {
		t.Helper()
		if err := w.Revoke(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	end(exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-3", Time: start.Add(-time.Hour)})
	_, unused := w.start(start)
	logout, rotated := w.start(start)
	if _, err := w.refresh(rotated.RefreshToken, start); err != nil {
		t.Fatal(err)
	}
	free := w.stateless(start)
	if _, err := w.RevokeToken(t.Context(), free, "app", start); err != nil {
		t.Fatal(err)
	}
	end(exchange.Revocation{Kind: exchange.RevocationSession, ID: logout.ID, Time: start})
	end(exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-2", Time: start.Add(20 * day)})
	now := start.Add(20 * day)
	_, active := w.start(now)

	steps := []struct {
		now  time.Time
		want map[string]int
	}{
		{start.Add(day), map[string]int{"sessions": 3, "marks": 2, "revoked": 1}},
		{start.Add(day + time.Second), map[string]int{"sessions": 2, "marks": 1, "revoked": 1}},
		{start.Add(day + time.Hour), map[string]int{"sessions": 2, "marks": 1}},
		{start.Add(idle + day), map[string]int{"sessions": 2, "marks": 1}},
		{start.Add(idle + day + 1), map[string]int{"sessions": 1, "marks": 1}},
	}
	for _, step := range steps {
		before := len(w.dump())
		n, err := w.Sweep(t.Context(), step.now)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(step.want, w.tables()); d != "" {
			t.Errorf("after %s: %s", step.now.Sub(start), d)
		}
		if got := before - len(w.dump()); n != got {
			t.Errorf("swept %d records, says %d", got, n)
		}
	}
	if _, err := w.refresh(unused.RefreshToken, now); reason(t, err) != exchange.ReasonRefreshTokenInvalid {
		t.Errorf("swept: %v", err)
	}
	if _, err := w.refresh(active.RefreshToken, now.Add(time.Hour)); err != nil {
		t.Errorf("active: %v", err)
	}
}

// The record of a session is deleted a day after it ended, for whatever reason;
// otherwise those of a deleted user would stay as long as they could have lasted.
func TestSweepDeletesRevokedSessions(t *testing.T) {
	for _, row := range []struct {
		name       string
		revocation exchange.Revocation
		ends       bool
	}{
		{"its user", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1"}, true},
		{"another user", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-2"}, false},
		{"its client", exchange.Revocation{Kind: exchange.RevocationClient, ID: "app"}, true},
		{"its issuer", exchange.Revocation{Kind: exchange.RevocationIssuer, ID: "acme"}, true},
		{"its key", exchange.Revocation{Kind: exchange.RevocationKey, ID: "acme/acme-key"}, true},
		{"its link", exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey("acme", "alice")}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(start)
			if row.revocation.Time.IsZero() {
				row.revocation.Time = start.Add(time.Hour)
			}
			if err := w.Revoke(t.Context(), row.revocation); err != nil {
				t.Fatal(err)
			}
			for _, after := range []time.Duration{0, retention + time.Minute} {
				if _, err := w.Sweep(t.Context(), start.Add(after)); err != nil || w.tables()["sessions"] != 1 {
					t.Errorf("after %s: %d sessions, %v", after, w.tables()["sessions"], err)
				}
			}
			if _, err := w.Sweep(t.Context(), start.Add(retention+2*time.Hour)); err != nil {
				t.Fatal(err)
			}
			if deleted := w.tables()["sessions"] == 0; deleted != row.ends {
				t.Errorf("deleted: %v, want %v", deleted, row.ends)
			}
		})
	}
}

// A corrupt record affects neither other sessions nor the sweep.
func TestCorruptRecordAffectsItsSessionOnly(t *testing.T) {
	w := newWorld(t)
	s, tokens := w.start(start)
	_, other := w.start(start)
	raw, err := w.engine.Get(t.Context(), "sessions", s.ID)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Replace(raw, []byte(`"generation":1`), []byte(`"generation":3`), 1)
	if err := w.engine.Commit(t.Context(), storage.Write{Table: "sessions", Key: s.ID, Value: flipped}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.refresh(tokens.RefreshToken, start); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("refresh: %v", err)
	}
	if _, err := w.refresh(other.RefreshToken, start); err != nil {
		t.Errorf("another session: %v", err)
	}
	if n, err := w.Sweep(t.Context(), start.Add(2*idle)); err != nil || n != 1 {
		t.Errorf("swept %d, %v, want the record of the other session", n, err)
	}
}
