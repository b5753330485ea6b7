package session

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

const issuer = "https://id.example"

var start = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// world is a store in a bbolt file that can be closed and opened again.
type world struct {
	*Store
	t       testing.TB
	path    string
	commits atomic.Int64             // that succeeded
	graces  map[string]time.Duration // of clients; others have the default
	most    int                      // sessions of a user, 0 for the default
	close   func() error
	ahead   time.Duration // how far the clock may be ahead
}

// counting counts the commits that succeed.
type counting struct {
	storage.Engine
	n *atomic.Int64
}

func (c counting) Commit(ctx context.Context, w ...storage.Write) error {
	err := c.Engine.Commit(ctx, w...)
	if err == nil {
		c.n.Add(1)
	}
	return err
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "cambio.db"), graces: map[string]time.Duration{}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	e, err := bolt.Open(w.path, bolt.Options{NoSync: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.close = e.Close
	w.t.Cleanup(func() { e.Close() })
	ring, err := keys.Open(context.Background(), e, keys.Config{
		KEK: bytes.Repeat([]byte{7}, 32), Now: func() time.Time { return start },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Store = New(counting{e, &w.commits}, ring, Config{
		Issuer: issuer, MaxPerUser: func(string) int { return cmp.Or(w.most, exchange.DefaultMaxSessions) },
		Grace: func(client string) time.Duration { return cmp.Or(w.graces[client], exchange.DefaultGrace) },
		Ahead: func() time.Duration { return w.ahead },
	})
}

func (w *world) reopen() {
	w.t.Helper()
	if err := w.close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// aSession returns a session that is not stored yet.
func aSession(now time.Time) *exchange.Session {
	return &exchange.Session{
		User: "user-1", Client: "app", Issuer: "acme", Subject: "alice", Key: "acme-key",
		Scopes: []string{"read", "write"}, Audience: []string{"https://api.example"},
		Claims: map[string]any{"sub": "alice"}, NotAfter: now.Add(90 * 24 * time.Hour),
	}
}

func aToken(now time.Time) *exchange.AccessToken {
	return &exchange.AccessToken{
		User: "user-1", Client: "app", Audience: []string{"https://api.example"},
		Scopes: []string{"read", "write"}, Expires: now.Add(15 * time.Minute),
	}
}

const idle = 30 * 24 * time.Hour

// start creates a session that is stored.
func (w *world) start(now time.Time) (*exchange.Session, exchange.Tokens) {
	w.t.Helper()
	s := aSession(now)
	tokens, err := w.Create(context.Background(), s, aToken(now), idle, true, now)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, tokens
}

// stateless returns an access token without a stored session.
func (w *world) stateless(now time.Time) string {
	w.t.Helper()
	before := w.commits.Load()
	tokens, err := w.Create(context.Background(), aSession(now), aToken(now), idle, false, now)
	if err != nil {
		w.t.Fatal(err)
	}
	if tokens.RefreshToken != "" || w.commits.Load() != before {
		w.t.Fatal("something was stored")
	}
	return tokens.AccessToken
}

// allow grants every session what it was created with.
func allow(now time.Time) Evaluate {
	return func(s *exchange.Session) (*exchange.AccessToken, time.Duration, error) {
		return &exchange.AccessToken{
			User: s.User, Client: s.Client, Audience: s.Audience, Scopes: s.Scopes, Expires: now.Add(15 * time.Minute),
		}, idle, nil
	}
}

func (w *world) refresh(token string, now time.Time) (exchange.Tokens, error) {
	return w.Refresh(context.Background(), token, now, allow(now))
}

// dump returns all records of the package's tables.
func (w *world) dump() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, table := range []string{"sessions", "marks", "revoked"} {
		for r, err := range w.engine.Scan(context.Background(), table, "", "", 0) {
			if err != nil {
				w.t.Fatal(err)
			}
			out[table+" "+r.Key] = string(r.Value)
		}
	}
	return out
}

// tables returns how many records each table has.
func (w *world) tables() map[string]int {
	n := map[string]int{}
	for k := range w.dump() {
		table, _, _ := strings.Cut(k, " ")
		n[table]++
	}
	return n
}

// reason returns the reason of an error, empty for nil.
func reason(t testing.TB, err error) exchange.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	return exchange.AsError(err).Reason
}

// payload returns the claims of a token, unverified.
func payload(t testing.TB, token string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(rawPayload(t, token), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
