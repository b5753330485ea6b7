package server_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
)

func TestKeyRequests(t *testing.T) {
	p := newPartners(t)
	good := `{"partnerUserId":"k"}`
	signed := func(body string) []string {
		return []string{"X-API-Key", "partner", "X-Request-Signature", signRequest(body)}
	}
	spaced := "\n " + good + "\n"
	for _, row := range []struct {
		name, body string
		headers    []string
		status     int
		code       exchange.Reason
	}{
		{"good", good, signed(good), 201, ""},
		{"the same again, signed anew", good, signed(good), 201, ""},
		{"white space counts", spaced, signed(spaced), 201, ""},
		{"white space was added", spaced, signed(good), 401, exchange.ReasonRequestSignatureInvalid},
		{"no signature", good, []string{"X-API-Key", "partner"}, 401, exchange.ReasonRequestSignatureInvalid},
		{"two signatures", good, append(signed(good), "X-Request-Signature", signRequest(good)), 401, exchange.ReasonRequestSignatureInvalid},
		{"no client", good, signed(good)[2:], 401, exchange.ReasonClientUnknown},
		{"an unknown client", good, append([]string{"X-API-Key", "unknown"}, signed(good)[2:]...), 401, exchange.ReasonRequestSignatureInvalid},
		{"a client without signing keys", good, append([]string{"X-API-Key", "web"}, signed(good)[2:]...), 401, exchange.ReasonRequestSignatureInvalid},
		{"a server secret beside it", good, append(signed(good), "X-Server-Secret", "x"), 400, exchange.ReasonRequestMalformed},
		{"a page", good, append(signed(good), "Origin", page), 403, exchange.ReasonOriginNotAllowed},
		{"what is not JSON, not signed", `{`, signed(good), 401, exchange.ReasonRequestSignatureInvalid},
		{"what is not JSON, signed", `{`, signed(`{`), 400, exchange.ReasonRequestMalformed},
		{"no key", `{}`, signed(`{}`), 400, exchange.ReasonParameterMissing},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := p.in(t)
			a := p.post(requestsPath, row.body, row.headers...)
			if p.want(a, row.status, row.code); row.status != 201 && a.str("requestId") != "" {
				t.Errorf("a refusal has a request: %s", a.text)
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("pages may read it")
			}
		})
	}
	again := signed(good)
	p.want(p.post(requestsPath, good, again...), 201, "")
	p.want(p.post(requestsPath, good, again...), 400, exchange.ReasonRequestReplayed)
	p.want(p.post(requestsPath, good, append(again, "Idempotency-Key", "1")...), 400, exchange.ReasonRequestReplayed)
}

// A client that lost a response gets it again for a new signature. A caller that has only
// the request, key and all, gets nothing.
func TestKeyRequestsRepeated(t *testing.T) {
	p := newPartners(t)
	p.login("k", "alice@example.com")
	const body = `{"partnerUserId":"k","passwordless":true}`
	ask := func(body, signature string) answer {
		return p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signature, "Idempotency-Key", "1")
	}
	signature := signRequest(body)
	first := ask(body, signature)
	if p.want(first, 201, ""); first.str("oneTimeToken") == "" {
		t.Fatal(first.text)
	}
	p.want(ask(body, signature), 400, exchange.ReasonRequestReplayed)
	p.repeats(first, ask(body, signRequest(body)))
	p.want(ask(body+" ", signRequest(body+" ")), 422, exchange.ReasonIdempotencyKeyReused)
	p.want(ask(body, signRequest(body+" ")), 401, exchange.ReasonRequestSignatureInvalid)
	p.want(p.redeem(first.str("requestId"), first.str("oneTimeToken")), 200, "")
	again := ask(body, signRequest(body))
	p.repeats(first, again)
	p.want(p.redeem(again.str("requestId"), again.str("oneTimeToken")), 400, exchange.ReasonChallengeInvalid)
	without := p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signRequest(body))
	if p.want(without, 201, ""); without.str("requestId") == first.str("requestId") {
		t.Error("without a key it is the same request")
	}
}

func TestParallelKeyRequestsWithOneKey(t *testing.T) {
	p := newPartners(t)
	const body = `{"partnerUserId":"k","passwordless":true}`
	var mu sync.Mutex
	opened := map[string]int{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			a := p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signRequest(body), "Idempotency-Key", "1")
			if a.str("code") == string(exchange.ReasonIdempotencyKeyInProgress) {
				return
			}
			p.want(a, 201, "")
			mu.Lock()
			defer mu.Unlock()
			opened[a.str("requestId")]++
		})
	}
	all.Wait()
	if len(opened) != 1 {
		t.Errorf("opened %v", opened)
	}
}

func TestKeyRequestMembers(t *testing.T) {
	p := newPartners(t)
	for _, row := range []struct {
		name, members string
		code          exchange.Reason
	}{
		{"samples' members", `,"locale":"en","quoteId":"1","flow":"buyCrypto","cryptoWalletAddress":[{"address":"a","tags":[1,-2.5e3,true,null]}],"trustedKyc":false`, ""},
		{"others", `,"role":"admin"`, exchange.ReasonParameterInvalid},
		{"another spelling", `,"Passwordless":true`, exchange.ReasonParameterInvalid},
		{"a sample's member twice", `,"locale":"en","locale":"de"`, exchange.ReasonParameterRepeated},
		{"a sample's member that is no JSON", `,"flow":[1,]`, exchange.ReasonRequestMalformed},
		{"a sample's member that nests", `,"flow":` + strings.Repeat("[", 40) + strings.Repeat("]", 40), exchange.ReasonRequestMalformed},
		{"a flag that is another text", `,"passwordless":"yes"`, exchange.ReasonParameterInvalid},
		{"an address", `,"email":"alice@example.com"`, ""},
		{"what is no address", `,"email":"alice"`, exchange.ReasonParameterInvalid},
		{"a challenge", `,"codeChallenge":"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"`, ""},
		{"a challenge in plain", `,"codeChallenge":"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkdBjft"`, exchange.ReasonParameterInvalid},
		{"a challenge with padding", `,"codeChallenge":"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c="`, exchange.ReasonParameterInvalid},
		{"a time", `,"requestTime":"` + p.clock().UTC().Format(time.RFC3339) + `"`, ""},
		{"a time long ago", `,"requestTime":"2020-01-01T00:00:00Z"`, exchange.ReasonRequestExpired},
	} {
		t.Run(row.name, func(t *testing.T) {
			status := 400
			if row.code == "" {
				status = 201
			}
			q := &partners{p.in(t), p.smtp}
			q.want(q.request(`{"partnerUserId":"k"`+row.members+`}`), status, row.code)
		})
	}
	for _, key := range []string{strings.Repeat("x", 256), `a\u0007`, ""} {
		if a := p.request(`{"partnerUserId":"` + key + `"}`); a.status != 400 {
			t.Errorf("%q answered %s", key, a.text)
		}
	}
	p.register(func(c *exchange.Client) { c.AuthKeys.Strict = true })
	p.want(p.request(`{"partnerUserId":"k"}`), 400, exchange.ReasonParameterMissing)
	at := func(ago time.Duration) string {
		return fmt.Sprintf(`{"partnerUserId":"k","requestTime":%q}`, p.clock().Add(-ago).UTC().Format(time.RFC3339))
	}
	p.want(p.request(at(6*time.Minute)), 400, exchange.ReasonRequestExpired)
	p.want(p.request(at(time.Minute)), 201, "")
}

// A request that was overheard is not good at another client with the same key.
func TestKeyRequestAtAnotherClient(t *testing.T) {
	p := newPartners(t)
	body := `{"partnerUserId":"k","passwordless":true}`
	signature := signRequest(body)
	p.want(p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signature), 201, "")
	p.want(p.post(requestsPath, body, "X-API-Key", "rival", "X-Request-Signature", signature), 400, exchange.ReasonRequestReplayed)
	p.want(p.post(requestsPath, body, "X-API-Key", "rival", "X-Request-Signature", signRequest(body)), 201, "")
}

// Nor is it good once its signature is forgotten, if it says when it was made: not
// even one that was made by a clock ahead, and came just before midnight.
func TestKeyRequestAfterADay(t *testing.T) {
	p := newPartners(t)
	midnight := p.clock().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	p.pass(midnight.Sub(p.clock()) - time.Millisecond)
	body := fmt.Sprintf(`{"partnerUserId":"k","requestTime":%q}`, p.clock().Add(time.Minute).UTC().Format(time.RFC3339Nano))
	signature := signRequest(body)
	p.want(p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signature), 201, "")
	for range 4 {
		p.pass(24*time.Hour/4 + 5*time.Second)
		if a := p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signature); a.status != 400 {
			t.Errorf("at %s: %s", p.clock(), a.text)
		}
	}
}

// A partner's users share its address: what is wrong with their requests does
// not hide what is wrong with others'. Forged requests are slowed down, good ones are not.
func TestSignedRequestsAreNoGuesses(t *testing.T) {
	p := &partners{newWorld(t), nil}
	p.register()
	for range 15 {
		p.want(p.request(`{"partnerUserId":"k","email":"alice"}`), 400, exchange.ReasonParameterInvalid)
	}
	p.opened("k", false, "")
	for range 10 {
		p.want(p.post(requestsPath, `{}`, "X-API-Key", "partner", "X-Request-Signature", "AAAA"), 401, exchange.ReasonRequestSignatureInvalid)
	}
	p.want(p.post(requestsPath, `{}`, "X-API-Key", "partner", "X-Request-Signature", "AAAA"), 429, exchange.ReasonTooManyFailures)
	p.want(p.request(`{"partnerUserId":"k"}`), 201, "")
}

// Of many callers with one signed request, one opens it.
func TestKeyRequestHasOneWinner(t *testing.T) {
	p := newPartners(t)
	body := `{"partnerUserId":"k"}`
	signature := signRequest(body)
	var won atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			a := p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signature)
			switch a.status {
			case 201:
				won.Add(1)
			default:
				p.want(a, 400, exchange.ReasonRequestReplayed)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were opened", won.Load())
	}
}
