package server_test

import (
	"context"
	"fmt"
	"testing"

	"cambio/exchange"
)

// Verifying a token tells what an exchange of it would decide, and changes nothing.
// Rows differ in what happened before.
func TestVerifyTellsWhatExchangeWouldDecide(t *testing.T) {
	disable := func(p *world) {
		found, _, err := p.users.List(context.Background(), "", 1)
		if err == nil {
			err = p.users.SetDisabled(context.Background(), found[0].ID, true)
		}
		if err != nil {
			p.Fatal(err)
		}
	}
	noUsers := func(p *world) {
		m, no := p.manifest(), false
		m.Issuers[0].SingleUse = true
		m.Clients[2].AutoCreate = &no
		p.apply(m)
	}
	for _, row := range []struct {
		name   string
		user   bool // the user exists, by another token
		spent  bool // the token was exchanged
		change func(*world)
		want   exchange.Reason
	}{
		{"a new user", false, false, nil, ""},
		{"a known user", true, false, nil, ""},
		{"a used token", false, true, nil, exchange.ReasonSubjectTokenReplayed},
		{"a disabled user", true, false, disable, exchange.ReasonUserDisabled},
		{"a new user, at a client that creates none", false, false, noUsers, exchange.ReasonUserNotRegistered},
		{"a known user, at a client that creates none", true, false, noUsers, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newWorld(t, patient)
			m := p.manifest()
			m.Issuers[0].SingleUse = true
			p.apply(m)
			sign := func(jti string) string {
				claims := p.issuer.Claims("alice", "web")
				claims["jti"] = jti
				return p.issuer.Sign(claims)
			}
			exchangeToken := func(token string) answer {
				return p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, token), p.asBasic()...)
			}
			token := sign("this")
			if row.user {
				p.want(exchangeToken(sign("other")), 200, "")
			}
			if row.spent {
				p.want(exchangeToken(token), 200, "")
			}
			if row.change != nil {
				row.change(p)
			}
			commits := p.store.commits.Load()
			for range 2 {
				a := p.post("/auth/external/verify", fmt.Sprintf(`{"token":%q}`, token), p.asBasic()...)
				if p.want(a, 200, ""); a.json["active"] != (row.want == "") {
					t.Errorf("verify: %s", a.text)
				}
			}
			if n := p.store.commits.Load() - commits; n != 0 {
				t.Errorf("%d commits", n)
			}
			a := exchangeToken(token)
			if got := a.str("code"); got != string(row.want) {
				t.Errorf("exchange: %d %s", a.status, a.text)
			}
			for _, e := range p.events() {
				if e["event"] == "verify" && row.want != "" && e["reason"] != string(row.want) {
					t.Errorf("audited as %v", e)
				}
			}
		})
	}
}

// Whether a token was used cannot be told while the store cannot be read.
func TestVerifyWhileStoreIsUnavailable(t *testing.T) {
	p := newWorld(t, patient)
	m := p.manifest()
	m.Issuers[0].SingleUse = true
	p.apply(m)
	for _, table := range []string{"replays", "links"} {
		fail := func(read string) error {
			if read == table {
				return exchange.Refuse(exchange.ReasonStoreUnavailable, nil)
			}
			return nil
		}
		p.store.reads.Store(&fail)
		a := p.post("/auth/external/verify", fmt.Sprintf(`{"token":%q}`, p.idToken()), p.asBasic()...)
		p.want(a, 503, exchange.ReasonStoreUnavailable)
	}
}
