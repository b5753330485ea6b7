package server_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/mail"
	"cambio/exchange/mail/mailtest"
)

const (
	requestsPath = "/auth/key/requests"
	mailPath     = "/auth/otp/email:send"
	otpPath      = "/auth/otp/email:authenticate"
)

var requestKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

// partners is a world with a client that signs its requests, and an SMTP server.
type partners struct {
	*world
	smtp *mailtest.Server
}

func newPartners(t *testing.T, edit ...func(*exchange.Client)) *partners {
	t.Helper()
	smtp := mailtest.New(t, mailtest.Options{})
	sender := must(mail.New(mail.Config{Host: smtp.Host, Port: smtp.Port, TLS: mail.NoTLS, From: "login@id.example", Timeout: 5 * time.Second}))
	p := &partners{newWorldWith(t, assembly.Config{Mail: sender}, patient), smtp}
	p.register(edit...)
	return p
}

func (p *partners) register(edit ...func(*exchange.Client)) {
	p.Helper()
	m := p.manifest()
	for _, id := range []string{"partner", "rival"} {
		m.Clients = append(m.Clients, exchange.Client{
			ID: id, Name: "Acme <Pay>", Origins: []string{page}, Proofs: []string{"otp", "one-time-token"},
			AuthKeys: &exchange.AuthKeys{SigningKeys: publicPEM(&requestKey().PublicKey)},
			Scopes:   []string{"read"}, DefaultScopes: []string{"read"}, Audiences: []string{api}, RefreshTokens: true,
		})
	}
	for _, e := range edit {
		e(&m.Clients[len(m.Clients)-2])
	}
	p.apply(m)
}

func publicPEM(key *rsa.PublicKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))}))
}

func signRequest(body string) string {
	inner := sha512.Sum512([]byte(body))
	outer := sha512.Sum512([]byte(hex.EncodeToString(inner[:])))
	return base64.StdEncoding.EncodeToString(must(rsa.SignPSS(rand.Reader, requestKey(), crypto.SHA512, outer[:], &rsa.PSSOptions{SaltLength: 64})))
}

// request opens a request by the client partner.
func (p *partners) request(body string) answer {
	p.Helper()
	return p.post(requestsPath, body, "X-API-Key", "partner", "X-Request-Signature", signRequest(body))
}

func (p *partners) opened(key string, passwordless bool, more string) answer {
	p.Helper()
	a := p.request(fmt.Sprintf(`{"partnerUserId":%q,"passwordless":%v%s}`, key, passwordless, more))
	p.want(a, 201, "")
	return a
}

// send requests a code from a page of the client.
func (p *partners) send(requestID, address string) answer {
	p.Helper()
	return p.post(mailPath, fmt.Sprintf(`{"requestId":%q,"emailAddress":%q}`, requestID, address), "X-API-Key", "partner", "Origin", page)
}

func (p *partners) answer(emailID, otp, more string) answer {
	p.Helper()
	return p.post(otpPath, fmt.Sprintf(`{"emailId":%q,"otp":%q%s}`, emailID, otp, more), "X-API-Key", "partner", "Origin", page)
}

// mailed opens a request for a key and has a code sent to an address.
func (p *partners) mailed(key, address string) (emailID, code string) {
	p.Helper()
	a := p.send(p.opened(key, false, "").str("requestId"), address)
	p.want(a, 200, "")
	m := p.smtp.Last(p.T)
	if len(m.To) != 1 || m.To[0] != strings.ToLower(address) {
		p.Fatalf("mailed to %v", m.To)
	}
	return a.str("emailId"), m.Code(p.T)
}

// login links a key by proving an address, and returns the user.
func (p *partners) login(key, address string) (user map[string]any) {
	p.Helper()
	a := p.answer(first2(p.mailed(key, address)))
	p.want(a, 200, "")
	user, _ = a.json["user"].(map[string]any)
	p.pass(31 * time.Second) // until the next code may be asked for
	return user
}

func first2(a, b string) (string, string, string) { return a, b, "" }

func (p *partners) redeem(requestID, token string, more ...string) answer {
	p.Helper()
	return p.form("/oauth/token", append([]string{
		"grant_type", exchange.GrantTokenExchange, "client_id", "partner", "subject_token", token,
		"subject_token_type", exchange.TypeOneTimeToken, "request_id", requestID,
	}, more...))
}

func TestKeyLogin(t *testing.T) {
	p := newPartners(t)
	o := p.opened("key-1", true, `,"locale":"en","cryptoWalletAddress":{"currencyCode":"BTC","address":"bc1"}`)
	if o.str("next") != "otp" || o.str("oneTimeToken") != "" || o.str("requestId") == "" ||
		o.str("expiresAt") != p.clock().Add(15*time.Minute).UTC().Format(time.RFC3339) {
		t.Errorf("answer is %s", o.text)
	}
	sent := p.send(o.str("requestId"), "Alice@Example.com")
	p.want(sent, 200, "")
	if sent.str("emailMask") != "a***@example.com" || sent.str("expiresAt") != p.clock().Add(10*time.Minute).UTC().Format(time.RFC3339) ||
		sent.str("resendAfter") != p.clock().Add(30*time.Second).UTC().Format(time.RFC3339) || sent.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("answer is %s", sent.text)
	}
	m := p.smtp.Last(t)
	if m.Subject != "Your login code for Acme <Pay>" || !strings.Contains(m.HTML, "Acme &lt;Pay&gt;") {
		t.Errorf("mail is %q\n%s", m.Subject, m.HTML)
	}
	a := p.answer(sent.str("emailId"), m.Code(t), "")
	p.want(a, 200, "")
	user, _ := a.json["user"].(map[string]any)
	if a.str("accessToken") == "" || a.str("refreshToken") == "" || user["isNew"] != true || user["email"] != "alice@example.com" {
		t.Errorf("answer is %s", a.text)
	}

	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	hash := sha256.Sum256([]byte(verifier))
	o = p.opened("key-1", true, fmt.Sprintf(`,"codeChallenge":%q`, base64.RawURLEncoding.EncodeToString(hash[:])))
	if o.str("next") != "one_time_token" || o.str("oneTimeToken") == "" {
		t.Fatalf("answer is %s", o.text)
	}
	id, token := o.str("requestId"), o.str("oneTimeToken")
	p.want(p.redeem(id, token), 400, exchange.ReasonChallengeInvalid)
	p.want(p.redeem(id, token, "code_verifier", verifier[1:]+"A"), 400, exchange.ReasonChallengeInvalid)
	b := p.redeem(id, token, "code_verifier", verifier)
	p.want(b, 200, "")
	same, _ := b.json["user"].(map[string]any)
	if same["id"] != user["id"] || same["is_new"] != false || b.str("refresh_token") == "" {
		t.Errorf("answer is %s", b.text)
	}
	p.want(p.redeem(id, token, "code_verifier", verifier), 400, exchange.ReasonChallengeInvalid)
	c := p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "partner", "refresh_token", b.str("refresh_token")})
	p.want(c, 200, "")
	if o := p.opened("key-1", false, ""); o.str("next") != "otp" {
		t.Errorf("a token that was not asked for: %s", o.text)
	}

	p.register(func(c *exchange.Client) { c.Proofs = []string{"otp"} })
	d := p.form("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "partner", "refresh_token", c.str("refresh_token")})
	p.want(d, 400, exchange.ReasonSessionEnded)
}

func TestKeyLoginIsAudited(t *testing.T) {
	p := newPartners(t)
	user := p.login("key-1", "alice@example.com")
	o := p.opened("key-1", true, "")
	p.want(p.redeem(o.str("requestId"), o.str("oneTimeToken")), 200, "")
	code := p.smtp.Last(t).Code(t)
	subject := p.requests.Subject("partner", "key-1")
	events := p.events()
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e["event"], " ", e["outcome"], " ", e["client"], " ", e["issuer"], " ", e["subject"]))
		if e["event"] == "token" && e["user"] != user["id"] {
			t.Errorf("the event is about user %v", e["user"])
		}
		if (e["event"] == "key_request" || e["event"] == "token") && e["key"] != exchange.KeyID(&requestKey().PublicKey) {
			t.Errorf("the event says the key is %v", e["key"])
		}
	}
	want := []string{
		"key_request granted partner key:partner " + subject, "mail_code granted partner mail:partner alice@example.com",
		"token granted partner mail:partner alice@example.com", "key_request granted partner key:partner " + subject,
		"token granted partner key:partner " + subject,
	}
	if !slices.Equal(got, want) {
		t.Errorf("events are\n%s", strings.Join(got, "\n"))
	}
	for _, secret := range []string{"key-1", code, o.str("requestId"), o.str("oneTimeToken")} {
		if strings.Contains(p.audited.String(), secret) || strings.Contains(p.logged.String(), secret) {
			t.Errorf("a log has %q", secret)
		}
	}
}

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

// One code is mailed, however often its request comes, and a user that logs in by
// it does so once.
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
		{"a flag that is a text", `,"passwordless":"true"`, exchange.ReasonParameterInvalid},
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
// not lock out the others. Forged requests are slowed down.
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
	p.want(p.request(`{"partnerUserId":"k"}`), 429, exchange.ReasonTooManyFailures)
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

func TestOneTimeTokenHasOneWinner(t *testing.T) {
	p := newPartners(t)
	p.login("key-1", "alice@example.com")
	o := p.opened("key-1", true, "")
	var won atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			a := p.redeem(o.str("requestId"), o.str("oneTimeToken"))
			if a.status == 200 {
				won.Add(1)
				return
			}
			if p.want(a, 400, exchange.ReasonChallengeInvalid); a.str("access_token") != "" {
				t.Errorf("a refusal has tokens: %s", a.text)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d redeemed it", won.Load())
	}
}

// Of many correct uses of one code, no more than its tries at once, one counts,
// and makes one user.
// Of many users that prove an address each for one key, one gets it, and the others
// leave nothing behind.
// The page learns nothing of whose address it is.
// A server that cannot mail says so, and links no key.
// A key of one user becomes another's by codes to both addresses, or by the
// operator, and by nothing less.
// What an operator takes away counts for what was handed out before.
func TestKeyLoginTakenAway(t *testing.T) {
	for _, row := range []struct {
		name string
		take func(p *partners, user string)
		code exchange.Reason
	}{
		{"nothing", func(*partners, string) {}, ""},
		{"the user disabled", func(p *partners, user string) {
			if err := p.users.SetDisabled(p.Context(), user, true); err != nil {
				p.Fatal(err)
			}
		}, exchange.ReasonUserDisabled},
		{"the key unlinked", func(p *partners, _ string) {
			if err := p.users.Unlink(p.Context(), "key:partner", p.requests.Subject("partner", "key-1")); err != nil {
				p.Fatal(err)
			}
		}, exchange.ReasonUserNotRegistered},
		{"the proof", func(p *partners, _ string) {
			p.register(func(c *exchange.Client) { c.Proofs = []string{"otp"} })
		}, exchange.ReasonSubjectTokenTypeNotAccepted},
		{"the signing key", func(p *partners, _ string) {
			key := must(rsa.GenerateKey(rand.Reader, 2048))
			p.register(func(c *exchange.Client) { c.AuthKeys.SigningKeys = publicPEM(&key.PublicKey) })
		}, exchange.ReasonChallengeInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPartners(t)
			user := p.login("key-1", "alice@example.com")
			o := p.opened("key-1", true, "")
			row.take(p, user["id"].(string))
			a := p.redeem(o.str("requestId"), o.str("oneTimeToken"))
			if status := a.status; (status == 200) != (row.code == "") || a.str("code") != string(row.code) {
				t.Errorf("answered %s", a.text)
			}
		})
	}
}

// The same proofs at the token endpoint.
