package session

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cambio/exchange"
	"cambio/storage"
)

// Invariant 9: a removal by an operator takes effect from the next request, for
// stored sessions and for tokens without one.
func TestRevocationsTakeEffectAtOnce(t *testing.T) {
	link := exchange.LinkKey("acme", "alice")
	tests := []struct {
		name       string
		revocation exchange.Revocation
		session    bool // does it revoke a stored session?
		stateless  bool // and a token without one?
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
		{"its user, by a clock behind", exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(-time.Hour)}, true, true},
		{"a user of the client's name", exchange.Revocation{Kind: exchange.RevocationUser, ID: "app", Time: start}, false, false},
	}
	for _, tt := range tests {
		for _, how := range []string{"Revoke", "Revocations"} {
			t.Run(tt.name+" by "+how, func(t *testing.T) {
				w, revocation := newWorld(t), tt.revocation
				s, tokens := w.start(start)
				free := w.stateless(start)
				if revocation.Kind == exchange.RevocationSession && revocation.ID == "" {
					revocation.ID = s.ID
				}
				if how == "Revoke" {
					if err := w.Revoke(t.Context(), revocation); err != nil {
						t.Fatal(err)
					}
				} else {
					writes, err := w.Revocations(t.Context(), revocation)
					if err == nil {
						err = w.engine.Commit(t.Context(), writes...)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				now := start.Add(time.Minute)
				_, refreshed := w.refresh(tokens.RefreshToken, now)
				_, parsed := w.Parse(t.Context(), tokens.AccessToken, now)
				_, stateless := w.Parse(t.Context(), free, now)
				for what, err := range map[string]error{"refresh": refreshed, "access token": parsed} {
					if (reason(t, err) == exchange.ReasonSessionEnded) != tt.session || !tt.session && err != nil {
						t.Errorf("%s: %v, want ended: %v", what, err, tt.session)
					}
				}
				if (reason(t, stateless) == exchange.ReasonSessionEnded) != tt.stateless || !tt.stateless && stateless != nil {
					t.Errorf("token without session: %v, want ended: %v", stateless, tt.stateless)
				}
				for token, ended := range map[string]bool{tokens.RefreshToken: tt.session, tokens.AccessToken: tt.session, free: tt.stateless} {
					// The refresh token is spent by now, and still valid within the grace.
					in, err := w.Introspect(t.Context(), token, now)
					if err != nil || in.Active == ended {
						t.Errorf("introspection: active %v, %v, want ended: %v", in.Active, err, ended)
					}
				}
				// A later session is not revoked.
				later := start.Add(time.Hour)
				_, again := w.start(later)
				if _, err := w.refresh(again.RefreshToken, later); err != nil {
					t.Errorf("created after the revocation: %v", err)
				}
			})
		}
	}
}

// The time of a revocation never moves back, whatever the clock does.
func TestRevocationsNeverMoveBack(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.start(start)
	older := exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(-time.Hour)}
	for _, at := range []time.Time{start, older.Time} {
		if err := w.Revoke(t.Context(), exchange.Revocation{Kind: older.Kind, ID: older.ID, Time: at}); err != nil {
			t.Fatal(err)
		}
	}
	writes, err := w.Revocations(t.Context(), older)
	if err == nil {
		err = w.engine.Commit(t.Context(), writes...)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.refresh(tokens.RefreshToken, start); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("an older revocation revived the session: %v", err)
	}
	_, tokens = w.start(start.Add(time.Hour))
	if err := w.Revoke(t.Context(), exchange.Revocation{Kind: exchange.RevocationUser, ID: "user-1", Time: start.Add(2 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.refresh(tokens.RefreshToken, start.Add(2*time.Hour)); reason(t, err) != exchange.ReasonSessionEnded {
		t.Errorf("a later revocation revoked nothing: %v", err)
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
		token   bool // is the token itself not active?
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
				t.Errorf("it returned %+v", ended)
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

// Only a token of this server adds to the table of revoked tokens.
func TestRevokingForeignTokensStoresNothing(t *testing.T) {
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

// Several revocations are one commit, and so they are the next time: what was created
// meanwhile is revoked too.
func TestRevocationsShareACommit(t *testing.T) {
	w := newWorld(t)
	revocations := []exchange.Revocation{
		{Kind: exchange.RevocationUser, ID: "user-1", Time: start}, {Kind: exchange.RevocationUser, ID: "user-2", Time: start},
	}
	before := w.commits.Load()
	for range 2 {
		if err := w.Revoke(t.Context(), revocations...); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.commits.Load() - before; n != 2 || w.tables()["marks"] != 2 {
		t.Errorf("%d commits, %d revocations", n, w.tables()["marks"])
	}
	if err := w.Revoke(t.Context()); err != nil || w.commits.Load()-before != 2 {
		t.Errorf("none: %v", err)
	}
}

// A token that another client narrowed is revoked with that client as well as
// with its session.
func TestNarrowedTokensAreRevokedWithEitherClient(t *testing.T) {
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

// Revoking a session again writes nothing; otherwise a holder of one of its tokens
// could cause unlimited writes.
func TestRevokingAgainStoresNothing(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.start(start)
	for n := range 3 {
		if _, err := w.RevokeToken(t.Context(), tokens.RefreshToken, "app", start.Add(time.Duration(n)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.commits.Load(); n != 2 { // the session, its revocation
		t.Errorf("%d commits, want 2", n)
	}
}
