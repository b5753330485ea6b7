package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/storage"
)

// Invariant 9: what an operator removes counts from the next request, for
// stored sessions and for tokens without one.
func TestMarks(t *testing.T) {
	link := exchange.LinkKey("acme", "alice")
	tests := []struct {
		name      string
		mark      exchange.Revocation
		session   bool // does it end a stored session?
		stateless bool // and a token without one?
	}{
		{"its user", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start}, true, true},
		{"another user", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-2", Time: start}, false, false},
		{"its client", exchange.Revocation{Kind: exchange.RevocationClient, ID: "app", Time: start}, true, true},
		{"its issuer", exchange.Revocation{Kind: exchange.RevocationIssuer, ID: "acme", Time: start}, true, true},
		{"its issuer's key", exchange.Revocation{Kind: exchange.RevocationKey, ID: "acme/acme-key", Time: start}, true, true},
		{"another key of its issuer", exchange.Revocation{Kind: exchange.RevocationKey, ID: "acme/other", Time: start}, false, false},
		{"the key at another issuer", exchange.Revocation{Kind: exchange.RevocationKey, ID: "other/acme-key", Time: start}, false, false},
		{"its link", exchange.Revocation{Kind: exchange.RevocationLink, ID: link, Time: start}, true, true},
		{"the session itself", exchange.Revocation{Kind: exchange.RevocationSession, Time: start}, true, false},
		{"the session itself, by a clock behind", exchange.Revocation{Kind: exchange.RevocationSession, Time: start.Add(-time.Hour)}, true, false},
		{"another session", exchange.Revocation{Kind: exchange.RevocationSession, ID: "other", Time: start}, false, false},
		{"its user, before it was born", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(-time.Millisecond)}, false, false},
		{"a user of the client's name", exchange.Revocation{Kind: exchange.RevocationUser, ID: "app", Time: start}, false, false},
	}
	for _, tt := range tests {
		for _, how := range []string{"End", "MarkWrite"} {
			t.Run(tt.name+" by "+how, func(t *testing.T) {
				w, mark := newWorld(t), tt.mark
				s, tokens := w.start(start)
				free := w.stateless(start)
				if mark.Kind == exchange.RevocationSession && mark.ID == "" {
					mark.ID = s.ID
				}
				if how == "End" {
					if err := w.Revoke(t.Context(), mark); err != nil {
						t.Fatal(err)
					}
				} else {
					write, err := w.RevocationWrite(mark)
					if err == nil {
						err = w.engine.Commit(t.Context(), write)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				now := start.Add(time.Minute)
				_, refreshed := w.refresh(tokens.RefreshToken, now)
				_, parsed := w.Parse(t.Context(), tokens.AccessToken, now)
				_, loose := w.Parse(t.Context(), free, now)
				for what, err := range map[string]error{"refresh": refreshed, "access token": parsed} {
					if (reason(t, err) == exchange.ReasonSessionEnded) != tt.session || !tt.session && err != nil {
						t.Errorf("%s: %v, want ended: %v", what, err, tt.session)
					}
				}
				if (reason(t, loose) == exchange.ReasonSessionEnded) != tt.stateless || !tt.stateless && loose != nil {
					t.Errorf("token without session: %v, want ended: %v", loose, tt.stateless)
				}
				for token, ended := range map[string]bool{tokens.RefreshToken: tt.session, tokens.AccessToken: tt.session, free: tt.stateless} {
					// The refresh token is spent by now, and still good within the grace.
					in, err := w.Introspect(t.Context(), token, now)
					if err != nil || in.Active == ended {
						t.Errorf("introspection: active %v, %v, want ended: %v", in.Active, err, ended)
					}
				}
				// Who comes in afterwards is let in.
				later := start.Add(time.Hour)
				_, again := w.start(later)
				if _, err := w.refresh(again.RefreshToken, later); err != nil {
					t.Errorf("born after the mark: %v", err)
				}
			})
		}
	}
}

// A mark never moves back, whatever the clock does.
func TestMarksOnlyGrow(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.start(start)
	for _, at := range []time.Duration{0, -time.Hour} {
		if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(at)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.refresh(tokens.RefreshToken, start); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("an older mark revived the session: %v", err)
	}
	_, tokens = w.start(start.Add(time.Hour))
	if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(2 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.refresh(tokens.RefreshToken, start.Add(2*time.Hour)); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("a later mark ended nothing: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	w, elsewhere := newWorld(t), newWorld(t)
	_, tokens := w.start(start)
	foreign := elsewhere.stateless(start)
	otherIssuer := New(w.engine, w.ring, Config{Issuer: "https://other.example"})
	theirs, err := otherIssuer.Create(t.Context(), nil, aToken(start), 0, false, start)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, token string
		now         time.Time
		want        exchange.Reason
	}{
		{"good", tokens.AccessToken, start, ""},
		{"good until it expires", tokens.AccessToken, start.Add(15*time.Minute - 501*time.Millisecond), ""},
		{"expired", tokens.AccessToken, start.Add(15 * time.Minute), exchange.ReasonSubjectTokenExpired},
		{"another server's", foreign, start, exchange.ReasonKeyNotFound},
		{"of another issuer with our keys", theirs.AccessToken, start, exchange.ReasonSubjectTokenClaimInvalid},
		{"line break", tokens.AccessToken + "\n", start, exchange.ReasonSubjectTokenMalformed},
		{"a refresh token", tokens.RefreshToken, start, exchange.ReasonKeyNotFound},
		{"text", "text", start, exchange.ReasonSubjectTokenMalformed},
	}
	for _, tt := range tests {
		got, err := w.Parse(t.Context(), tt.token, tt.now)
		if reason(t, err) != tt.want || (err == nil) != (got != nil) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		in, err := w.Introspect(t.Context(), tt.token, tt.now)
		if active := tt.want == "" || tt.token == tokens.RefreshToken; err != nil || in.Active != active {
			t.Errorf("%s: introspection active %v, %v", tt.name, in.Active, err)
		}
		if !in.Active {
			if b, err := json.Marshal(in); err != nil || string(b) != `{"active":false}` {
				t.Errorf("%s: says %s", tt.name, b)
			}
		}
	}
}

func TestIntrospect(t *testing.T) {
	w := newWorld(t)
	s := aSession(start)
	s.JKT = "thumb"
	full := fullToken(start)
	full.Extra["sub"] = "evil"
	tokens, err := w.Create(t.Context(), s, full, idle, true, start)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, token, want string }{
		{"access token", tokens.AccessToken, `{"active":true,"scope":"read write","client_id":"app","token_type":"DPoP",` +
			`"exp":1772367300,"iat":1772366400,"sub":"user-1","aud":["https://api.example"],"iss":"https://id.example",` +
			`"jti":"` + full.ID + `","sid":"` + s.ID + `","auth_time":1700000000,"acr":"mfa","amr":["pwd","otp"],` +
			`"act":{"sub":"svc","act":{"iss":"https://other.example","sub":"job"}},"cnf":{"jkt":"thumb"},` +
			`"authorization_details":[{"type":"checkout","amount":9007199254740993}],` +
			`"level":9007199254740993,"nested":{"a":[1,1.5,"x",null,true]},"role":"admin"}`},
		{"refresh token", tokens.RefreshToken, `{"active":true,"scope":"read write","client_id":"app",` +
			`"exp":1774958400,"iat":1772366400,"sub":"user-1","aud":["https://api.example"],"iss":"https://id.example",` +
			`"sid":"` + s.ID + `","cnf":{"jkt":"thumb"}}`},
	}
	for _, tt := range tests {
		in, err := w.Introspect(t.Context(), tt.token, start)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(in); err != nil || string(b) != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.name, err, b, tt.want)
		}
	}
	if _, err := w.refresh(tokens.RefreshToken, start); err != nil {
		t.Fatal(err)
	}
	for after, active := range map[time.Duration]bool{w.grace: true, w.grace + 1: false} {
		before := w.dump()
		in, err := w.Introspect(t.Context(), tokens.RefreshToken, start.Add(after))
		if err != nil || in.Active != active {
			t.Errorf("spent for %s: active %v, %v", after, in.Active, err)
		}
		if cmp.Diff(before, w.dump()) != "" {
			t.Error("introspection changed something")
		}
	}
}

func TestRevokeToken(t *testing.T) {
	type tokens struct{ refresh, spent, access, free, narrowed string }
	tests := []struct {
		name    string
		pick    func(tokens) string
		client  string
		now     time.Duration
		want    exchange.Reason
		session bool // does the session end?
		token   bool // is the token itself over?
	}{
		{"refresh token", func(k tokens) string { return k.refresh }, "app", 0, "", true, true},
		{"spent refresh token", func(k tokens) string { return k.spent }, "app", time.Hour, "", true, true},
		{"refresh token of another client", func(k tokens) string { return k.refresh }, "other", 0, exchange.ReasonClientNotAllowed, false, false},
		{"access token", func(k tokens) string { return k.access }, "app", 0, "", true, true},
		{"access token of another client", func(k tokens) string { return k.access }, "other", 0, exchange.ReasonClientNotAllowed, false, false},
		{"access token, expired", func(k tokens) string { return k.access }, "app", time.Hour, "", false, true},
		{"access token without session", func(k tokens) string { return k.free }, "app", 0, "", false, true},
		{"access token narrowed from another client's session", func(k tokens) string { return k.narrowed }, "service", 0, "", false, true},
		{"unknown", func(tokens) string { return "unknown" }, "app", 0, "", false, true},
		{"empty", func(tokens) string { return "" }, "app", 0, "", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s, first := w.start(start)
			second, err := w.refresh(first.RefreshToken, start)
			if err != nil {
				t.Fatal(err)
			}
			narrow := aToken(start)
			narrow.Client, narrow.Session = "service", s.ID
			narrowed, err := w.Create(t.Context(), nil, narrow, 0, false, start)
			if err != nil {
				t.Fatal(err)
			}
			k := tokens{second.RefreshToken, first.RefreshToken, second.AccessToken, w.stateless(start), narrowed.AccessToken}
			before, commits := w.dump(), w.commits.Load()
			token, now := tt.pick(k), start.Add(tt.now)
			ended, err := w.RevokeToken(t.Context(), token, tt.client, now)
			if reason(t, err) != tt.want {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if tt.session && ended != (RevokedToken{s.User, s.ID}) || tt.want != "" && ended != (RevokedToken{}) {
				t.Errorf("it says that it ended %+v", ended)
			}
			if tt.want != "" && (w.commits.Load() != commits || cmp.Diff(before, w.dump()) != "") {
				t.Error("a refused revocation changed something")
			}
			if in, err := w.Introspect(t.Context(), token, now); err != nil || in.Active == tt.token {
				t.Errorf("the token is active: %v, %v", in.Active, err)
			}
			_, err = w.refresh(second.RefreshToken, start)
			if ended := reason(t, err) == exchange.ReasonSessionEnded; ended != tt.session || !ended && err != nil {
				t.Errorf("session ended: %v (%v), want %v", ended, err, tt.session)
			}
			if in, _ := w.Introspect(t.Context(), k.free, start); in.Active == (token == k.free) {
				t.Error("another token was revoked")
			}
		})
	}
}

// Strangers cannot fill the table of revoked tokens.
func TestRevokingStrangersTokensStoresNothing(t *testing.T) {
	w, elsewhere := newWorld(t), newWorld(t)
	_, foreign := elsewhere.start(start)
	for _, token := range []string{foreign.AccessToken, foreign.RefreshToken, "x", strings.Repeat("a.", 1000), w.refreshToken(storage.NewID(start), 1)} {
		if _, err := w.RevokeToken(t.Context(), token, "app", start); err != nil {
			t.Error(err)
		}
	}
	if n := w.commits.Load(); n != 0 || len(w.dump()) != 0 {
		t.Errorf("%d commits", n)
	}
}

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
	_, idled := w.start(start)
	logout, turned := w.start(start)
	if _, err := w.refresh(turned.RefreshToken, start); err != nil {
		t.Fatal(err)
	}
	free := w.stateless(start)
	if _, err := w.RevokeToken(t.Context(), free, "app", start); err != nil {
		t.Fatal(err)
	}
	end(exchange.Revocation{Kind: exchange.RevocationSession, ID: logout.ID, Time: start})
	end(exchange.Revocation{Kind: exchange.RevocationUser, ID: "somebody", Time: start.Add(-time.Hour)})
	end(exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-2", Time: start.Add(20 * day)})
	now := start.Add(20 * day)
	_, alive := w.start(now)

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
	if _, err := w.refresh(idled.RefreshToken, now); reason(t, err) != exchange.ReasonRefreshTokenInvalid {
		t.Errorf("swept: %v", err)
	}
	if _, err := w.refresh(alive.RefreshToken, now.Add(time.Hour)); err != nil {
		t.Errorf("alive: %v", err)
	}
}

// What is kept of a session goes a day after it ended, whatever ended it: a
// deleted user's would else stay for as long as it could have lasted.
func TestSweepOfMarked(t *testing.T) {
	for _, row := range []struct {
		name string
		mark exchange.Revocation
		ends bool
	}{
		{"its user", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1"}, true},
		{"another user", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-2"}, false},
		{"its client", exchange.Revocation{Kind: exchange.RevocationClient, ID: "app"}, true},
		{"its issuer", exchange.Revocation{Kind: exchange.RevocationIssuer, ID: "acme"}, true},
		{"its key", exchange.Revocation{Kind: exchange.RevocationKey, ID: "acme/acme-key"}, true},
		{"its link", exchange.Revocation{Kind: exchange.RevocationLink, ID: exchange.LinkKey("acme", "alice")}, true},
		{"its user, before it was born", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(-time.Hour)}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(start)
			if row.mark.Time.IsZero() {
				row.mark.Time = start.Add(time.Hour)
			}
			if err := w.Revoke(t.Context(), row.mark); err != nil {
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
			if gone := w.tables()["sessions"] == 0; gone != row.ends {
				t.Errorf("gone: %v, want %v", gone, row.ends)
			}
		})
	}
}

// Several marks are one commit, which leaves out what is marked already.
func TestEndOfSeveral(t *testing.T) {
	w := newWorld(t)
	marks := []exchange.Revocation{
		{Kind: exchange.RevocationUser, ID: "user-1", Time: start}, {Kind: exchange.RevocationUser, ID: "user-2", Time: start},
	}
	before := w.commits.Load()
	for range 2 {
		if err := w.Revoke(t.Context(), marks...); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.commits.Load() - before; n != 1 || w.tables()["marks"] != 2 {
		t.Errorf("%d commits, %d marks", n, w.tables()["marks"])
	}
	if err := w.Revoke(t.Context()); err != nil || w.commits.Load()-before != 1 {
		t.Errorf("none: %v", err)
	}
}

// One record that a bit flipped in keeps neither the others nor the sweeper.
func TestDamagedRecords(t *testing.T) {
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

// A token that another client narrowed ends with that client as well as with
// its session.
func TestMarksOfTheNarrower(t *testing.T) {
	for _, row := range []struct {
		client string
		ended  bool
	}{{"app", true}, {"backend", true}, {"other", false}} {
		t.Run(row.client, func(t *testing.T) {
			w := newWorld(t)
			s, _ := w.start(start)
			narrow := aToken(start)
			narrow.Client, narrow.Session = "backend", s.ID
			tokens, err := w.Create(t.Context(), nil, narrow, 0, false, start)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationClient, ID: row.client, Time: start}); err != nil {
				t.Fatal(err)
			}
			in, err := w.Introspect(t.Context(), tokens.AccessToken, start)
			if err != nil || in.Active == row.ended {
				t.Errorf("active %v, %v, want ended: %v", in.Active, err, row.ended)
			}
		})
	}
}

// Revoking what is revoked writes nothing: whoever kept a token of an ended
// session could else have the store written to as often as they like.
func TestRevokingAgainStoresNothing(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.start(start)
	for n := range 3 {
		if _, err := w.RevokeToken(t.Context(), tokens.RefreshToken, "app", start.Add(time.Duration(n)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.commits.Load(); n != 2 { // the session, its end
		t.Errorf("%d commits, want 2", n)
	}
}
