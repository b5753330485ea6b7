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

// What an operator removes counts for one-time tokens that were issued before.
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
			if err := p.users.Unlink(p.Context(), "key:partner", p.requests.Subject("partner", "key-1"), true); err != nil {
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
