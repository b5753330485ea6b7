package server_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"cambio/exchange"
	"cambio/storage"
)

// A store that cannot be read or written ends no session in a client's eyes,
// whichever table it is and whatever token came: the refusal is temporary, and the
// same token works afterwards.
func TestUnavailableStoreEndsNoSession(t *testing.T) {
	p := newWorld(t, patient)
	refresh := map[string]func(p *world, token string) answer{
		"/auth/refresh": func(p *world, token string) answer {
			return p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, token), webPage...)
		},
		"/oauth/token": func(p *world, token string) answer {
			return p.form("/oauth/token", []string{"grant_type", exchange.GrantRefreshToken, "refresh_token", token, "client_id", "web"})
		},
		"/oauth/token with a key": func(p *world, token string) answer {
			return p.keyedForm("k"+token[len(token)-8:], []string{"grant_type", exchange.GrantRefreshToken, "refresh_token", token, "client_id", "web"})
		},
	}
	next := func(a answer) string { return a.str("refreshToken") + a.str("refresh_token") }
	begin := func() string {
		return next(p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), webPage...))
	}
	tables := map[string]bool{}
	note := func(table string) error { tables[table] = true; return nil }
	for _, path := range slices.Sorted(maps.Keys(refresh)) {
		t.Run(path, func(t *testing.T) {
			p := p.in(t)
			ask := func(token string) answer { return refresh[path](p, token) }
			clear(tables)
			first := begin()
			p.store.reads.Store(&note)
			ask(first)
			p.store.reads.Store(nil)
			if !tables["sessions"] || !tables["marks"] || !tables["links"] {
				t.Fatalf("a refresh reads %v", tables)
			}
			for _, bad := range slices.Sorted(maps.Keys(tables)) {
				for _, err := range []error{storage.ErrFailed, storage.ErrClosed, fmt.Errorf("x: %w", storage.ErrCorrupt)} {
					token := begin()
					fail := func(table string) error {
						if table == bad {
							return err
						}
						return nil
					}
					p.store.reads.Store(&fail)
					p.want(ask(token), 503, exchange.ReasonStoreUnavailable)
					p.store.reads.Store(nil)
					p.want(ask(token), 200, "")
				}
			}
			for _, row := range []struct {
				err  error
				want exchange.Reason
			}{
				{storage.ErrFull, exchange.ReasonStoreUnavailable},
				{storage.ErrFailed, exchange.ReasonStoreUnavailable},
				{storage.ErrConflict, exchange.ReasonOverloaded},
			} {
				token := begin()
				older := token
				fail := func(string) error { return row.err }
				p.store.writes.Store(&fail)
				p.want(ask(token), 503, row.want)
				p.store.writes.Store(nil)
				for range 2 {
					token = next(ask(token))
				}
				p.store.writes.Store(&fail)
				p.want(ask(older), 503, row.want) // its session could not be revoked
				p.store.writes.Store(nil)
				p.want(ask(token), 200, "")
			}
		})
	}
}
