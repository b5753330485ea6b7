package server_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"cambio/exchange"
	"cambio/storage"
)

// A caller whose response could not be written gets it, and so does the retry. One
// that was refused because the disk is full is served once it is not.
func TestUnwrittenResponses(t *testing.T) {
	for name, row := range map[string]struct {
		headers func(p *world) []string
		leases  int64 // commits to the table before that of the response
	}{
		"public":       {func(*world) []string { return webPage }, 0},
		"confidential": {(*world).asBasic, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(t, patient)
			full := func(table string, after int64) {
				var commits atomic.Int64
				fail := func(in string) error {
					if in != table || commits.Add(1) <= after {
						return nil
					}
					return fmt.Errorf("%w: no space left on device", storage.ErrFull)
				}
				p.store.writes.Store(&fail)
			}
			body, headers := fmt.Sprintf(`{"token":%q}`, p.idToken()), row.headers(p)
			full("answers", row.leases)
			first := p.keyed("one", "/auth/external/exchange", body, headers...)
			p.want(first, 200, "")
			p.repeats(first, p.keyed("one", "/auth/external/exchange", body, headers...))

			body = fmt.Sprintf(`{"token":%q}`, p.idToken())
			all := func(string) error { return storage.ErrFull }
			p.store.writes.Store(nil)
			if row.leases > 0 {
				full("answers", row.leases)
				sessions := *p.store.writes.Load()
				all = func(table string) error {
					if table == "answers" {
						return sessions(table)
					}
					return storage.ErrFull
				}
			}
			p.store.writes.Store(&all)
			p.want(p.keyed("two", "/auth/external/exchange", body, headers...), 503, exchange.ReasonStoreUnavailable)
			p.store.writes.Store(nil)
			p.want(p.keyed("two", "/auth/external/exchange", body, headers...), 200, "")
		})
	}
}
