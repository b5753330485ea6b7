package server_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"cambio/exchange"
	"cambio/storage"
)

// counted is a store that counts commits.
type counted struct {
	storage.Engine
	commits atomic.Int64
}

func (c *counted) Commit(ctx context.Context, writes ...storage.Write) error {
	c.commits.Add(1)
	return c.Engine.Commit(ctx, writes...)
}

// guesses are what strangers send to each door: of the right form, and nothing
// in it is good.
func (p *party) guesses() map[string][]string {
	const (
		id, random = "01a1fc30-3460-7056-86a1-9bc72bd05bcb", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		address    = "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM"
	)
	token := p.idToken()
	forged := token[:strings.LastIndexByte(token, '.')] + ".AAAA"
	wallet := fmt.Sprintf(`"walletAddress":%q,"walletType":"SOLANA"`, address)
	return map[string][]string{
		"/auth/external/session":             {`{"externalUserId":"u"}`},
		"/auth/external/exchange":            {fmt.Sprintf(`{"token":%q}`, forged), `{"token":"x"}`},
		"/auth/external/verify":              {fmt.Sprintf(`{"token":%q}`, forged)},
		"/auth/refresh":                      {fmt.Sprintf(`{"refreshToken":"%s.1.%s"}`, id, random)},
		"/auth/logout":                       {fmt.Sprintf(`{"refreshToken":"%s.1.%s"}`, id, random), fmt.Sprintf(`{"refreshToken":%q}`, forged)},
		"/v1/clients/session":                {fmt.Sprintf(`{"signingAddress":%q,"signingType":"SOLANA"}`, address)},
		"/v1/auth/cryptoWallet:start":        {`{` + wallet + `}`},
		"/v1/auth/cryptoWallet:authenticate": {fmt.Sprintf(`{%s,"challengeId":"%s.A","signature":"x"}`, wallet, id)},
		"/auth/key/requests":                 {`{"partnerUserId":"k"}`},
		"/auth/otp/email:send":               {fmt.Sprintf(`{"requestId":"%s.%s","emailAddress":"alice@example.com"}`, id, random[:22])},
		"/auth/otp/email:authenticate":       {fmt.Sprintf(`{"emailId":"%s.1.%s","otp":"123456"}`, id, random[:22])},
		"/v1/checkout-auth/init":             {`{"customer_id":"c","invoice_id":"i"}`},
	}
}

// Whoever shows nothing writes nothing and makes the server fetch nothing, at
// whatever door, by whatever proof, and with an Idempotency-Key too.
func TestStrangersWriteNothing(t *testing.T) {
	p := newPartners(t)
	p.apply(p.everyKind())
	p.want(p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), "X-API-Key", "web"), 200, "")
	commits, fetches, guesses := p.store.commits.Load(), p.issuer.Fetches(), p.guesses()
	proofs := [][]string{
		{}, {"X-Server-Secret", "x"}, {"Origin", page}, {"Authorization", "Bearer " + p.idToken()}, {"X-Client-Id", "shop", "X-Client-Secret", "x"},
		{"X-Client-Session-Id", "01a1fc30-3460-7056-86a1-9bc72bd05bcb.AAAA"}, {"X-Request-Signature", signRequest("another body")},
	}
	n := 0
	for _, path := range p.server.Doors() {
		if len(guesses[path]) == 0 {
			t.Errorf("nobody tries %s", path)
		}
		for _, body := range guesses[path] {
			for _, client := range []string{"web", "partner", "shop", "basic", "nobody"} {
				for _, proof := range proofs {
					n++
					a := p.post(path, body, append([]string{"X-API-Key", client, "Idempotency-Key", fmt.Sprint(n)}, proof...)...)
					if (a.status < 400 || a.status >= 500) && path != "/auth/logout" { // RFC 7009 §2.2
						t.Errorf("%s at %s with %.40q: %d %s", client, path, proof, a.status, a.text)
					}
				}
			}
		}
	}
	if n := p.store.commits.Load() - commits; n != 0 {
		t.Errorf("%d commits", n)
	}
	if n := p.issuer.Fetches() - fetches; n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// everyKind is a manifest with clients of every kind.
func (p *partners) everyKind() exchange.Manifest {
	m := p.manifest()
	p.register(func(c *exchange.Client) { m.Clients = append(m.Clients, *c) }) // partner
	m.Clients = append(m.Clients, exchange.Client{
		ID: "shop", Auth: exchange.AuthSecretBasic, Origins: []string{page}, Proofs: []string{"wallet-signature", "user-assertion"},
		Scopes: []string{"read"}, Audiences: []string{api}, RefreshTokens: true, PageRefresh: true,
		Wallets: &exchange.Wallets{Domain: "app.example", URI: page, Chains: []string{"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"}},
	})
	return m
}
