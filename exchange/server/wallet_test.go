package server_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mr-tron/base58"

	"cambio/exchange"
)

const (
	sessionPath      = "/v1/clients/session"
	startPath        = "/v1/auth/cryptoWallet:start"
	authenticatePath = "/v1/auth/cryptoWallet:authenticate"
)

// walletKey is a wallet's on Solana, whose address is its public key.
func walletKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func addressOf(key ed25519.PrivateKey) string {
	return base58.Encode(key.Public().(ed25519.PublicKey))
}

func sign(key ed25519.PrivateKey, message string) string {
	return base58.Encode(ed25519.Sign(key, []byte(message)))
}

// shop is a party with a client for wallets, and its secret.
func shop(t *testing.T) (p *world, secret string) {
	t.Helper()
	p = newWorld(t, patient)
	m := p.manifest()
	m.Clients = append(m.Clients, shopClient())
	p.apply(m)
	return p, p.newSecret("shop")
}

func shopClient() exchange.Client {
	return exchange.Client{
		ID: "shop", Auth: exchange.AuthSecretBasic, Origins: []string{page, "https://www.app.example", "https://third.example"}, Proofs: []string{"wallet-signature", "user-assertion"},
		Scopes: []string{"read"}, DefaultScopes: []string{"read"}, Audiences: []string{api}, RefreshTokens: true, PageRefresh: true,
		Wallets: &exchange.Wallets{
			Domain: "app.example", URI: page + "/login", Statement: "Log in.",
			Domains: []string{"www.app.example"},
			Chains:  []string{"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "eip155:1", "eip155:10"},
		},
	}
}

// open opens a session of shop for a wallet; more are members of the request.
func (p *world) open(secret string, key ed25519.PrivateKey, more string) (id string) {
	p.Helper()
	a := p.post(sessionPath, fmt.Sprintf(`{"signingAddress":%q,"signingType":"SOLANA"%s}`, addressOf(key), more), "Authorization", basicAuth("shop", secret))
	p.want(a, 201, "")
	return a.str("id")
}

func (p *world) start(session string, key ed25519.PrivateKey, more string) answer {
	p.Helper()
	a := p.post(startPath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"%s}`, addressOf(key), more), "X-Client-Session-Id", session, "Origin", page)
	p.want(a, 200, "")
	return a
}

func authenticateBody(key ed25519.PrivateKey, challenge answer) string {
	return fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA","challengeId":%q,"signature":%q}`,
		addressOf(key), challenge.str("challengeId"), sign(key, challenge.str("challenge")))
}

func (p *world) prove(session string, key ed25519.PrivateKey) answer {
	p.Helper()
	return p.post(authenticatePath, authenticateBody(key, p.start(session, key, "")), "X-Client-Session-Id", session, "Origin", page)
}

func userOf(a answer) map[string]any {
	user, _ := a.json["user"].(map[string]any)
	return user
}

func TestWallet(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	opened := p.post(sessionPath, fmt.Sprintf(`{"signingAddress":%q,"depositAddress":%[1]q,"signingNetwork":"SOLANA"}`, addressOf(key)), "Authorization", basicAuth("shop", secret))
	p.want(opened, 201, "")
	created, err := time.Parse(time.RFC3339, opened.str("createTime"))
	expires, err2 := time.Parse(time.RFC3339, opened.str("expiresAt"))
	if err != nil || err2 != nil || expires.Sub(created) != 10*time.Minute || opened.str("updateTime") != opened.str("createTime") ||
		opened.str("signingAddress") != addressOf(key) || opened.str("depositAddress") != addressOf(key) || opened.str("signingType") != "SOLANA" {
		t.Errorf("opened %s", opened.text)
	}
	session := opened.str("id")
	started := p.start(session, key, `,"chainId":"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"`)
	want := "app.example wants you to sign in with your Solana account:\n" + addressOf(key) + "\n\nLog in.\n\nURI: " + page + "/login\nVersion: 1\nChain ID: mainnet\nNonce: "
	if !strings.HasPrefix(started.str("challenge"), want) || started.str("format") != "siws" || started.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("started %s", started.text)
	}
	if at, err := time.Parse(time.RFC3339, started.str("expiresAt")); err != nil || at.Sub(p.clock()) != 5*time.Minute {
		t.Errorf("expires at %s: %v", at, err)
	}
	a := p.post(authenticatePath, authenticateBody(key, started), "X-Client-Session-Id", session, "Origin", page)
	p.want(a, 200, "")
	if a.str("sessionJwt") == "" || a.str("sessionJwt") != a.str("accessToken") || a.str("refreshToken") == "" || a.json["expiresIn"] != 900.0 ||
		userOf(a)["isNew"] != true || userOf(a)["id"] == "" || userOf(a)["walletAddress"] != addressOf(key) || a.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("authenticated %s", a.text)
	}
	again := p.post(authenticatePath, authenticateBody(key, started), "X-Client-Session-Id", session)
	p.want(again, 400, exchange.ReasonChallengeInvalid)
	renewed := p.post("/auth/refresh", fmt.Sprintf(`{"refreshToken":%q}`, a.str("refreshToken")), "X-API-Key", "shop", "Origin", page)
	p.want(renewed, 200, "")

	without := p.start(session, key, "")
	body := strings.Replace(authenticateBody(key, without), `"challengeId"`, `"publicKey":null,"challengeId":null,"x"`, 1)
	p.want(p.post(authenticatePath, body, "X-Client-Session-Id", session), 400, exchange.ReasonParameterInvalid)
	body = fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA","signature":%q}`, addressOf(key), sign(key, without.str("challenge")))
	b := p.post(authenticatePath, body, "X-Client-Session-Id", session)
	p.want(b, 200, "")
	if userOf(b)["id"] != userOf(a)["id"] || userOf(b)["isNew"] != false {
		t.Errorf("the second time it is %s", b.text)
	}
	events := p.events()
	for i, want := range []struct{ name, outcome, subject string }{
		{"client_session", "granted", addressOf(key)},
		{"wallet_challenge", "granted", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:" + addressOf(key)},
		{"token", "granted", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:" + addressOf(key)},
		{"token", "refused", ""},
	} {
		if e := events[i]; e["event"] != want.name || e["outcome"] != want.outcome || e["client"] != "shop" || want.subject != "" && e["subject"] != want.subject {
			t.Errorf("event %d is %v, want %v", i, e, want)
		}
	}
	for _, e := range events {
		if text := fmt.Sprint(e); strings.Contains(text, session) || strings.Contains(text, started.str("challengeId")) {
			t.Errorf("a capability is audited: %s", text)
		}
	}
}

// The same proof on the standard wire.
func TestWalletAtTokenEndpoint(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	started := p.start(p.open(secret, key, `,"externalUserId":"alice"`), key, "")
	token := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf(`{"challengeId":%q,"walletAddress":%q,"signature":%q}`,
		started.str("challengeId"), addressOf(key), sign(key, started.str("challenge")))))
	params := []string{"grant_type", exchange.GrantTokenExchange, "subject_token", token, "subject_token_type", exchange.TypeWalletSignature}
	p.want(p.form("/oauth/token", append(params, "client_id", "web")), 400, exchange.ReasonChallengeInvalid)
	p.want(p.form("/oauth/token", append(params, "client_id", "shop")), 401, exchange.ReasonClientUnknown)
	a := p.form("/oauth/token", params, "Authorization", basicAuth("shop", secret))
	p.want(a, 200, "")
	p.want(p.form("/oauth/token", params, "Authorization", basicAuth("shop", secret)), 400, exchange.ReasonChallengeInvalid)

	injected := p.post("/auth/external/session", `{"externalUserId":"alice"}`, "X-API-Key", "shop", "X-Server-Secret", secret)
	p.want(injected, 200, "")
	if userOf(injected)["id"] != userOf(a)["id"] || userOf(injected)["isNew"] != false {
		t.Errorf("the wallet's user is %v, the backend's %v", userOf(a), userOf(injected))
	}
}

// The wallet is linked to the session's user; one of another user's is
// refused, and the refusal says the way on.
func TestWalletsOfUsers(t *testing.T) {
	p, secret := shop(t)
	first, second := walletKey(1), walletKey(2)
	alice := p.post("/auth/external/session", `{"externalUserId":"alice"}`, "X-API-Key", "shop", "X-Server-Secret", secret)
	mine := p.prove(p.open(secret, first, `,"externalUserId":"alice"`), first)
	p.want(mine, 200, "")
	if userOf(mine)["id"] != userOf(alice)["id"] || userOf(mine)["externalUserId"] != "alice" || userOf(mine)["isNew"] != false {
		t.Errorf("the wallet is %s, not of %s", mine.text, alice.text)
	}
	p.want(p.prove(p.open(secret, second, `,"externalUserId":"alice"`), second), 200, "")
	alone := p.prove(p.open(secret, second, ""), second)
	if p.want(alone, 200, ""); userOf(alone)["id"] != userOf(alice)["id"] {
		t.Error("a linked wallet is another user without the name")
	}
	for _, name := range []string{"bob", "carol"} {
		if name == "carol" { // an existing user, unlike bob
			p.want(p.post("/auth/external/session", `{"externalUserId":"carol"}`, "X-API-Key", "shop", "X-Server-Secret", secret), 200, "")
		}
		a := p.prove(p.open(secret, first, `,"externalUserId":"`+name+`"`), first)
		p.want(a, 409, exchange.ReasonLinkedElsewhere)
		if !strings.Contains(a.str("error_description"), "log in as that user") {
			t.Errorf("the way on is %q", a.str("error_description"))
		}
	}
	bob := p.post("/auth/external/session", `{"externalUserId":"bob"}`, "X-API-Key", "shop", "X-Server-Secret", secret)
	if p.want(bob, 200, ""); userOf(bob)["id"] == userOf(alice)["id"] {
		t.Error("a caller with a signature of alice's wallet became alice")
	}

	// Two accounts of one key, proven in one session, are one user's.
	third := walletKey(3)
	session := p.open(secret, third, "")
	var users []any
	for _, chain := range []string{"5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "EtWTRABZaYq6iMfeYKouRu166VU2xqa1"} {
		started := p.start(session, third, `,"chainId":"`+chain+`"`)
		a := p.post(authenticatePath, authenticateBody(third, started), "X-Client-Session-Id", session)
		p.want(a, 200, "")
		users = append(users, userOf(a)["id"])
	}
	if users[0] != users[1] {
		t.Errorf("one session, two users: %v", users)
	}
}

func TestClientSessionRequests(t *testing.T) {
	p, secret := shop(t)
	address := addressOf(walletKey(1))
	good := fmt.Sprintf(`{"signingAddress":%q,"signingType":"SOLANA"}`, address)
	basic := []string{"Authorization", basicAuth("shop", secret)}
	for _, row := range []struct {
		name, body string
		headers    []string
		status     int
		code       exchange.Reason
	}{
		{"by Basic", good, basic, 201, ""},
		{"by headers", good, []string{"X-Client-Id", "shop", "X-Client-Secret", secret}, 201, ""},
		{"under a vendor's name", good, []string{"acme-client-id", "shop", "acme-client-secret", secret}, 201, ""},
		{"without any prefix", good, []string{"Client-Id", "shop", "Client-Secret", secret}, 201, ""},
		{"by a server secret", good, []string{"X-API-Key", "shop", "X-Server-Secret", secret}, 201, ""},
		{"beside a proxy's pair", good, append([]string{"Cf-Access-Client-Id", "x", "Cf-Access-Client-Secret", "y"}, basic...), 201, ""},
		{"with a user", good[:len(good)-1] + `,"externalUserId":"alice"}`, basic, 201, ""},
		{"two pairs", good, []string{"X-Client-Id", "shop", "X-Client-Secret", secret, "Acme-Client-Id", "shop", "Acme-Client-Secret", secret}, 400, exchange.ReasonRequestMalformed},
		{"half a pair", good, []string{"X-Client-Secret", secret}, 400, exchange.ReasonRequestMalformed},
		{"halves of two pairs", good, []string{"X-Client-Id", "shop", "Acme-Client-Secret", secret}, 400, exchange.ReasonRequestMalformed},
		{"a wrong secret", good, []string{"X-Client-Id", "shop", "X-Client-Secret", "x"}, 401, exchange.ReasonClientAuthenticationFailed},
		{"no secret", good, []string{"X-Client-Id", "shop"}, 401, exchange.ReasonClientUnknown},
		{"a public client", good, []string{"X-API-Key", "web"}, 403, exchange.ReasonClientNotAllowed},
		{"a client without wallets", good, []string{"Authorization", basicAuth("basic", p.secretOf("basic"))}, 403, exchange.ReasonClientNotAllowed},
		{"in a browser", good, append([]string{"Sec-Fetch-Site", "same-origin"}, basic...), 403, exchange.ReasonServerSecretInBrowser},
		{"on a page", good, []string{"Origin", page, "X-Client-Id", "shop", "X-Client-Secret", secret}, 403, exchange.ReasonServerSecretInBrowser},
		{"on a page without a secret", good, []string{"Origin", page}, 403, exchange.ReasonOriginNotAllowed},
		{"without address", `{"signingType":"SOLANA"}`, basic, 400, exchange.ReasonParameterMissing},
		{"without type", fmt.Sprintf(`{"signingAddress":%q}`, address), basic, 400, exchange.ReasonParameterMissing},
		{"with no address", `{"signingAddress":"x","signingType":"SOLANA"}`, basic, 400, exchange.ReasonParameterInvalid},
		{"on a chain that is not the client's", `{"signingAddress":"rD1Q9MzAp9aUMcSU1skmYxcerqZBQFsSWo","signingType":"XRPL"}`, basic, 400, exchange.ReasonWalletNotSupported},
		{"with another member", good[:len(good)-1] + `,"role":"admin"}`, basic, 400, exchange.ReasonParameterInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			p.want(p.post(sessionPath, row.body, row.headers...), row.status, row.code)
		})
	}
}

func TestWalletRequests(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	session := p.open(secret, key, "")
	other := p.open(secret, key, "")
	begun := p.start(other, key, "")
	start := func(more string) string {
		return fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"%s}`, addressOf(key), more)
	}
	proof := func(more string) string {
		return fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA","signature":"x"%s}`, addressOf(key), more)
	}
	in := []string{"X-Client-Session-Id", session}
	for _, row := range []struct {
		name, path, body string
		headers          []string
		status           int
		code             exchange.Reason
	}{
		{"good", startPath, start(""), in, 200, ""},
		{"with the client's name", startPath, start(""), append([]string{"X-API-Key", "shop"}, in...), 200, ""},
		{"with another's name", startPath, start(""), append([]string{"X-API-Key", "web"}, in...), 401, exchange.ReasonClientSessionInvalid},
		{"with a chain that is none of the client's", startPath, start(`,"chainId":7`), in, 400, exchange.ReasonWalletNotSupported},
		{"with a fraction for a chain", startPath, start(`,"chainId":1.5`), in, 400, exchange.ReasonParameterInvalid},
		{"with a negative chain", startPath, start(`,"chainId":-1`), in, 400, exchange.ReasonParameterInvalid},
		{"with a flag for a chain", startPath, start(`,"chainId":true`), in, 400, exchange.ReasonParameterInvalid},
		{"without session", startPath, start(""), nil, 401, exchange.ReasonClientSessionInvalid},
		{"with two", startPath, start(""), append([]string{"X-Client-Session-Id", session}, in...), 401, exchange.ReasonClientSessionInvalid},
		{"under a vendor's name", startPath, start(""), []string{"Acme-Client-Session-Id", session}, 200, ""},
		{"under a vendor's name with X", startPath, start(""), []string{"x-acme-client-session-id", session}, 200, ""},
		{"without any prefix", startPath, start(""), []string{"Client-Session-Id", session}, 200, ""},
		{"under two names", startPath, start(""), append([]string{"Acme-Client-Session-Id", session}, in...), 401, exchange.ReasonClientSessionInvalid},
		{"under a name that ends alike", startPath, start(""), []string{"XClient-Session-Id", session}, 401, exchange.ReasonClientSessionInvalid},
		{"with an unknown one", startPath, start(""), []string{"X-Client-Session-Id", session[:len(session)-1] + "x"}, 401, exchange.ReasonClientSessionInvalid},
		{"from another client's page", startPath, start(""), append([]string{"Origin", otherPage}, in...), 403, exchange.ReasonOriginNotAllowed},
		{"from a page of no client", startPath, start(""), append([]string{"Origin", evil}, in...), 403, exchange.ReasonOriginNotAllowed},
		{"with another wallet", startPath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"}`, addressOf(walletKey(2))), in, 400, exchange.ReasonParameterInvalid},
		{"without wallet", startPath, `{"walletType":"SOLANA"}`, in, 400, exchange.ReasonParameterMissing},
		{"with another member", startPath, start(`,"nonce":"x"`), in, 400, exchange.ReasonParameterInvalid},
		{"with a query", startPath + "?a=b", start(""), in, 400, exchange.ReasonRequestMalformed},
		{"a bad signature", authenticatePath, proof(""), in, 400, exchange.ReasonWalletSignatureInvalid},
		{"another session's challenge", authenticatePath, proof(`,"challengeId":"` + begun.str("challengeId") + `"`), in, 400, exchange.ReasonChallengeInvalid},
		{"no signature", authenticatePath, start(""), in, 400, exchange.ReasonParameterMissing},
		{"authenticate from another's page", authenticatePath, proof(""), append([]string{"Origin", otherPage}, in...), 403, exchange.ReasonOriginNotAllowed},
		{"authenticate with another type", authenticatePath, strings.Replace(proof(""), "SOLANA", "EVM", 1), in, 400, exchange.ReasonParameterInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			p.want(p.post(row.path, row.body, row.headers...), row.status, row.code)
		})
	}
	fresh := p.open(secret, key, "")
	p.want(p.post(authenticatePath, proof(""), "X-Client-Session-Id", fresh), 400, exchange.ReasonChallengeInvalid)
	p.pass(10 * time.Minute)
	p.want(p.post(startPath, start(""), in...), 401, exchange.ReasonClientSessionInvalid)
}

// Of many concurrent uses of one challenge one gets a session.
func TestChallengeHasOneWinner(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	session := p.open(secret, key, `,"externalUserId":"alice"`)
	body := authenticateBody(key, p.start(session, key, ""))
	var won atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			switch a := p.post(authenticatePath, body, "X-Client-Session-Id", session); {
			case a.status == http.StatusOK:
				won.Add(1)
			case a.str("code") != string(exchange.ReasonChallengeInvalid):
				t.Errorf("answered %d %s", a.status, a.text)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got a session", won.Load())
	}
}

// A session that was opened by a secret ends when the secret is revoked, and
// when the client is.
func TestClientSessionsEndWithTheirSecret(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	session := p.open(secret, key, "")
	started := p.start(session, key, "")
	m := p.manifest()
	p.apply(m) // without shop
	p.want(p.post(authenticatePath, authenticateBody(key, started), "X-Client-Session-Id", session), 401, exchange.ReasonClientSessionInvalid)
	p.want(p.post(startPath, fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"}`, addressOf(key)), "X-Client-Session-Id", session), 401, exchange.ReasonClientSessionInvalid)
}

// With an Idempotency-Key one request opens one session and starts one challenge.
func TestWalletRequestsRepeated(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	body := fmt.Sprintf(`{"signingAddress":%q,"signingType":"SOLANA"}`, addressOf(key))
	headers := []string{"Authorization", basicAuth("shop", secret), "Idempotency-Key", "k1"}
	a, b := p.post(sessionPath, body, headers...), p.post(sessionPath, body, headers...)
	p.want(a, 201, "")
	if p.want(b, 201, ""); a.str("id") == "" || a.str("id") != b.str("id") {
		t.Errorf("%s, then %s", a.text, b.text)
	}
	start := fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"}`, addressOf(key))
	starting := []string{"X-Client-Session-Id", a.str("id"), "Idempotency-Key", "k3"}
	started := p.post(startPath, start, starting...)
	p.want(started, 200, "")
	p.repeats(started, p.post(startPath, start, starting...))
	answering := []string{"X-Client-Session-Id", a.str("id"), "Idempotency-Key", "k2"}
	c, d := p.post(authenticatePath, authenticateBody(key, started), answering...), p.post(authenticatePath, authenticateBody(key, started), answering...)
	p.want(c, 200, "")
	if p.want(d, 200, ""); c.str("accessToken") != d.str("accessToken") {
		t.Error("the second answer has other tokens")
	}
}

// A response is stored for its client session, whatever name the header has.
func TestStoredResponsesAreOfOneClientSession(t *testing.T) {
	p, secret := shop(t)
	key := walletKey(1)
	body := fmt.Sprintf(`{"walletAddress":%q,"walletType":"SOLANA"}`, addressOf(key))
	first, second := p.open(secret, key, ""), p.open(secret, key, "")
	started := p.post(startPath, body, "Acme-Client-Session-Id", first, "Idempotency-Key", "k")
	p.want(started, 200, "")
	p.want(p.post(startPath, body, "Acme-Client-Session-Id", second, "Idempotency-Key", "k"), 422, exchange.ReasonIdempotencyKeyReused)
	p.repeats(started, p.post(startPath, body, "X-Client-Session-Id", first, "Idempotency-Key", "k"))
}
