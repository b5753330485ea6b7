package server_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/storage"
)

// counted is a store that counts commits.
type counted struct {
	storage.Engine
	commits atomic.Int64
	panics  atomic.Bool
	reads   atomic.Pointer[func(table string) error]
	writes  atomic.Pointer[func(table string) error]
}

// Get reads, unless c.reads returns an error for the table.
func (c *counted) Get(ctx context.Context, table, key string) ([]byte, error) {
	if f := c.reads.Load(); f != nil {
		if err := (*f)(table); err != nil {
			return nil, err
		}
	}
	return c.Engine.Get(ctx, table, key)
}

func (c *counted) Commit(ctx context.Context, writes ...storage.Write) error {
	c.commits.Add(1)
	if c.panics.Load() {
		panic("commit")
	}
	if f := c.writes.Load(); f != nil && len(writes) > 0 {
		if err := (*f)(writes[0].Table); err != nil {
			return err
		}
	}
	return c.Engine.Commit(ctx, writes...)
}

// guesses are well-formed requests to each JSON endpoint, in which nothing
// in it is good.
func (p *world) guesses() map[string][]string {
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

// An unauthenticated caller writes nothing and makes the server fetch nothing, at
// any endpoint, with any proof, and with an Idempotency-Key too.
func TestUnauthenticatedCallersWriteNothing(t *testing.T) {
	p := newPartners(t)
	p.apply(p.everyKind())
	p.want(p.post("/auth/external/exchange", fmt.Sprintf(`{"token":%q}`, p.idToken()), "X-API-Key", "web"), 200, "")
	commits, fetches, guesses := p.store.commits.Load(), p.issuer.Fetches(), p.guesses()
	proofs := [][]string{
		{}, {"X-Server-Secret", "x"}, {"Origin", page}, {"Authorization", "Bearer " + p.idToken()}, {"X-Client-Id", "shop", "X-Client-Secret", "x"},
		{"X-Client-Session-Id", "01a1fc30-3460-7056-86a1-9bc72bd05bcb.AAAA"}, {"X-Request-Signature", signRequest("another body")},
	}
	n := 0
	for _, path := range jsonPaths() {
		if len(guesses[path]) == 0 {
			t.Errorf("nothing tries %s", path)
		}
		for _, body := range guesses[path] {
			for _, client := range []string{"web", "partner", "shop", "basic", "unknown"} {
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

// What is a client's own is of no use to another, and asking does it no harm.
func TestTokensOfAnotherClient(t *testing.T) {
	p, secrets := newBackends(t)
	a := p.inject("shop", secrets["shop"], `{"externalUserId":"u"}`)
	p.want(a, 200, "")
	desk := []string{"Authorization", basicAuth("desk", secrets["desk"])}
	refresh := func(token string, headers ...string) answer {
		return p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, token), headers...)
	}
	for _, token := range []string{a.str("refreshToken"), a.str("accessToken")} {
		body := fmt.Sprintf(`{"refreshToken":%q}`, token)
		p.want(p.form("/oauth/revoke", []string{"token", token}, desk...), 403, exchange.ReasonClientNotAllowed)
		p.want(p.post("/auth/logout", body, desk...), 403, exchange.ReasonClientNotAllowed)
		p.want(p.post("/auth/logout", body, "X-API-Key", "web"), 403, exchange.ReasonClientNotAllowed)
		p.want(p.post("/auth/logout", body, "X-API-Key", "desk", "Origin", "https://desk.example"), 403, exchange.ReasonClientNotAllowed)
	}
	first := a.str("refreshToken")
	p.want(refresh(first, desk...), 400, exchange.ReasonRefreshTokenInvalid)
	p.want(refresh(first, "X-API-Key", "web"), 400, exchange.ReasonRefreshTokenInvalid)
	shop := []string{"X-API-Key", "shop", "X-Server-Secret", secrets["shop"]}
	b := refresh(first, shop...)
	p.want(b, 200, "")
	p.pass(time.Hour) // a spent one, long after
	p.want(refresh(first, desk...), 400, exchange.ReasonRefreshTokenInvalid)
	p.want(refresh(b.str("refreshToken"), shop...), 200, "")
}

// A first-party proof is accepted as a subject token that a client brings only.
func TestDecodedProofsAreSubjectTokensOnly(t *testing.T) {
	p, secrets := newBackends(t)
	m := p.backends()
	for i := range m.Clients {
		if c := &m.Clients[i]; c.ID == "shop" {
			c.Delegate, c.ExchangeOwnTokens, c.Proofs = true, true, []string{"user-assertion", "otp", "one-time-token"}
			c.AuthKeys = &exchange.AuthKeys{SigningKeys: publicPEM(&requestKey().PublicKey)}
			c.Grants = []string{exchange.GrantTokenExchange, exchange.GrantRefreshToken, exchange.GrantJWTBearer}
		}
	}
	p.apply(m)
	const proof = "eyJleHRlcm5hbFVzZXJJZCI6InUifQ" // {"externalUserId":"u"}
	shop := []string{"Authorization", basicAuth("shop", secrets["shop"])}
	ask := func(typ string, more ...string) []string {
		return append([]string{"grant_type", exchange.GrantTokenExchange, "subject_token", proof, "subject_token_type", typ}, more...)
	}
	p.want(p.form("/oauth/token", ask(exchange.TypeUserAssertion), shop...), 200, "")
	for _, typ := range []string{exchange.TypeUserAssertion, exchange.TypeOTP, exchange.TypeOneTimeToken, exchange.TypeWalletSignature} {
		actor := ask(exchange.TypeUserAssertion, "actor_token", proof, "actor_token_type", typ)
		p.want(p.form("/oauth/token", actor, shop...), 400, exchange.ReasonActorTokenInvalid)
		for name, a := range map[string]answer{
			"no client": p.form("/oauth/token", ask(typ)), "a public client": p.form("/oauth/token", ask(typ, "client_id", "web")),
			"an issuer": p.form("/oauth/token", ask(typ, "issuer_id", "acme"), shop...),
			"a nonce":   p.form("/oauth/token", ask(typ, "nonce", "n"), shop...),
		} {
			if a.status < 400 || a.status >= 500 {
				t.Errorf("%s with %s: %d %s", typ, name, a.status, a.text)
			}
		}
	}
	p.want(p.form("/oauth/token", []string{"grant_type", exchange.GrantJWTBearer, "assertion", proof}, shop...), 400, exchange.ReasonAssertionInvalid)
	id := p.form("/oauth/token", ask(exchange.TypeUserAssertion, "requested_token_type", exchange.TypeIDToken), shop...)
	p.want(id, 200, "")
	for _, typ := range []string{exchange.TypeIDToken, exchange.TypeJWT, exchange.TypeAccessToken} {
		again := []string{"grant_type", exchange.GrantTokenExchange, "subject_token", id.str("id_token"), "subject_token_type", typ}
		if a := p.form("/oauth/token", again, shop...); a.status != 400 {
			t.Errorf("our ID token as %s: %d %s", typ, a.status, a.text)
		}
	}
}
